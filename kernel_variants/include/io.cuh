// What crosses memory. A kernel is written once over io_t and compiled for float32 and bfloat16; gates and state
// are float32 always, so every load widens and every store rounds (to nearest even).
#pragma once

#if defined(IO_BFLOAT16)
#include <cuda_bf16.h>
typedef __nv_bfloat16 io_t;
__device__ __forceinline__ float load_io(const io_t *p) { return __bfloat162float(*p); }
__device__ __forceinline__ void store_io(io_t *p, float value) { *p = __float2bfloat16(value); }
#else
typedef float io_t;
__device__ __forceinline__ float load_io(const io_t *p) { return *p; }
__device__ __forceinline__ void store_io(io_t *p, float value) { *p = value; }
#endif

// Sizes and offsets are 64 bits: B*T*H passes 2^31 at sizes that people run.
typedef long long index_t;
