// What crosses memory. A kernel is written once over io_t and compiled for float32 and bfloat16; gates and state
// are float32 always, so every load widens and every store rounds (to nearest even).
#pragma once

// Sizes and offsets are 64 bits: B*T*H passes 2^31 at sizes that people run.
typedef long long index_t;

__device__ __forceinline__ float widen(float value) { return value; }

#if defined(IO_BFLOAT16)
#include <cuda_bf16.h>
typedef __nv_bfloat16 io_t;
__device__ __forceinline__ float widen(io_t value) { return __bfloat162float(value); }
__device__ __forceinline__ io_t narrow(float value) { return __float2bfloat16(value); }
#else
typedef float io_t;
__device__ __forceinline__ io_t narrow(float value) { return value; }
#endif

// Rounds a value to the type of the place where it goes.
__device__ __forceinline__ void narrow(float &to, float value) { to = value; }
#if defined(IO_BFLOAT16)
__device__ __forceinline__ void narrow(io_t &to, float value) { to = narrow(value); }
#endif

__device__ __forceinline__ float load_io(const io_t *p) { return widen(*p); }
__device__ __forceinline__ void store_io(io_t *p, float value) { *p = narrow(value); }
