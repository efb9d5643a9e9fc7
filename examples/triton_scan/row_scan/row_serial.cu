// Idea: a thread per row, step by step: nothing is coalesced, and T steps wait for each other.
#ifdef IO_BFLOAT16
#include <cuda_bf16.h>
typedef __nv_bfloat16 io;
static __device__ float load(const io *p) { return __bfloat162float(*p); }
static __device__ io narrowed(float x) { return __float2bfloat16(x); }
#else
typedef float io;
static __device__ float load(const io *p) { return *p; }
static __device__ io narrowed(float x) { return x; }
#endif

extern "C" __global__ void row_serial(const float *a, const io *b, io *h, long long rows, long long T) {
    long long row = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (row >= rows) return;
    float state = 0.0f;
    for (long long i = row * T; i < (row + 1) * T; i++) {
        state = a[i] * state + load(b + i);
        h[i] = narrowed(state);
    }
}
