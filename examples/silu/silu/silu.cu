// Idea: an element per thread; the backward pass recomputes the logistic function instead of reading it.
//
// Traffic: forward 2E (x, y), backward 3E (x, gy, gx).
#if defined(IO_BFLOAT16)
#include <cuda_bf16.h>
typedef __nv_bfloat16 io_t;
__device__ inline float widen(io_t value) { return __bfloat162float(value); }
__device__ inline io_t narrow(float value) { return __float2bfloat16(value); }
#else
typedef float io_t;
__device__ inline float widen(io_t value) { return value; }
__device__ inline io_t narrow(float value) { return value; }
#endif

__device__ inline float logistic(float x) { return 1.0f / (1.0f + expf(-x)); }

extern "C" __global__ void silu(const io_t *__restrict__ x, io_t *__restrict__ y, long long n) {
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = narrow(widen(x[i]) * logistic(widen(x[i])));
}

extern "C" __global__ void silu_backward(const io_t *__restrict__ x, const io_t *__restrict__ gy,
                                         io_t *__restrict__ gx, long long n) {
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    const float k = widen(x[i]);
    gx[i] = narrow(widen(gy[i]) * logistic(k) * (1.0f + k * logistic(-k)));
}
