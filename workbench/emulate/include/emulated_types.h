// Qualifiers and types. The vector types and dim3 are NVIDIA's; the qualifiers they bring are replaced.
#pragma once

#define __assert_fail emulated_assert_fail // assert() in device code becomes a fault instead of an abort
#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <type_traits>
#include <utility>

#include <vector_types.h>
#include <vector_functions.h>

#undef __global__
#undef __device__
#undef __host__
#undef __shared__
#undef __constant__
#undef __managed__
#undef __grid_constant__
#undef __launch_bounds__
#undef __cluster_dims__
#undef __noinline__
#define __global__ __attribute__((visibility("default")))
#define __device__
#define __host__
// A block's shared variables live in the library's thread-local segment: one address range for all of them, whatever
// function or template declares them, which the runtime saves and restores when it goes from one block to another.
#define __shared__ thread_local
#define __constant__
#define __managed__
#define __grid_constant__
#define __launch_bounds__(...)
#define __cluster_dims__(...)
#define __noinline__ __attribute__((noinline))
#define __builtin_assume(condition) ((void)0)
#define __builtin_nontemporal_load(pointer) (*(pointer))

typedef unsigned int uint;
constexpr int warpSize = 32;

extern "C" {
// const, as in CUDA: they never change within one thread, so that the compiler may keep them in registers.
extern const uint3 threadIdx, blockIdx;
extern const dim3 blockDim, gridDim;
}
