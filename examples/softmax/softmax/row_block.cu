// One block a row: the maximum, then the sum, each by a tree in shared memory, then the quotient.
//
// Moves: x in once and y out once, where a row stays in a cache between its three readings.
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

struct Max {
    __device__ float operator()(float a, float b) const { return fmaxf(a, b); }
};
struct Sum {
    __device__ float operator()(float a, float b) const { return a + b; }
};

// One value a thread → the same result in every thread. blockDim.x must be a power of two.
template <class Combine> __device__ float block_reduce(float value, float *shared, Combine combine) {
    shared[threadIdx.x] = value;
    __syncthreads();
    for (int half = blockDim.x / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) shared[threadIdx.x] = combine(shared[threadIdx.x], shared[threadIdx.x + half]);
        __syncthreads();
    }
    const float result = shared[0];
    __syncthreads();  // nobody may overwrite shared[0] before everybody has read it
    return result;
}

// x, y (rows, columns); grid (rows), dynamic shared memory: 4 bytes per thread.
extern "C" __global__ void softmax_row_block(const io_t *__restrict__ x, io_t *__restrict__ y, long long columns) {
    extern __shared__ float shared[];
    const io_t *row = x + blockIdx.x * columns;
    float largest = -3.402823466e38f;  // the least float32: no row has less
    for (long long c = threadIdx.x; c < columns; c += blockDim.x) largest = fmaxf(largest, widen(row[c]));
    largest = block_reduce(largest, shared, Max());
    float sum = 0.0f;
    for (long long c = threadIdx.x; c < columns; c += blockDim.x) sum += expf(widen(row[c]) - largest);
    sum = block_reduce(sum, shared, Sum());
    for (long long c = threadIdx.x; c < columns; c += blockDim.x)
        y[blockIdx.x * columns + c] = narrow(expf(widen(row[c]) - largest) / sum);
}
