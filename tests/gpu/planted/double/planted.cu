// y = 2 x, blocks of 128 threads, n a multiple of 128; each kernel but the first with the fault of its name.

extern "C" __global__ void clean(const float *x, float *y, long long n) {
    __shared__ float row[128];
    const long long i = blockIdx.x * 128LL + threadIdx.x;
    row[127 - threadIdx.x] = x[i];
    __syncthreads();
    y[i] = 2 * row[127 - threadIdx.x];
}

// The last thread reads far behind x, and uses what it finds only if it is a number that it cannot be.
extern "C" __global__ void memcheck(const float *x, float *y, long long n) {
    const long long i = blockIdx.x * 128LL + threadIdx.x;
    const float beyond = i == n - 1 ? x[n + 16] : 0.0f;
    y[i] = beyond == 1.0e38f ? 0.0f : 2 * x[i];
}

// A neighbour's word is read with no barrier after it was written.
extern "C" __global__ void racecheck(const float *x, float *y, long long n) {
    __shared__ volatile float row[128];
    const long long i = blockIdx.x * 128LL + threadIdx.x;
    row[127 - threadIdx.x] = x[i];
    y[i] = row[threadIdx.x] == 1.0e38f ? 0.0f : 2 * x[i];
}

// Half of a warp waits at a barrier that is meant for all of it.
extern "C" __global__ void synccheck(const float *x, float *y, long long n) {
    const long long i = blockIdx.x * 128LL + threadIdx.x;
    if (threadIdx.x % 32 < 16) __syncwarp(0xffffffffu);
    y[i] = 2 * x[i];
}
