// Warp primitives, one a kernel, in one block of whole warps unless said.
typedef long long index_t;

extern "C" __global__ void shuffles(const float *x, float *y, index_t argument, index_t width) {
    const int i = threadIdx.x, n = blockDim.x;
    y[i] = __shfl_sync(~0u, x[i], (int)argument, (int)width);
    y[n + i] = __shfl_up_sync(~0u, x[i], (unsigned)argument, (int)width);
    y[2 * n + i] = __shfl_down_sync(~0u, x[i], (unsigned)argument, (int)width);
    y[3 * n + i] = __shfl_xor_sync(~0u, x[i], (int)argument, (int)width);
}

extern "C" __global__ void wide_shuffle(const double *x, double *y) {
    y[threadIdx.x] = __shfl_sync(~0u, x[threadIdx.x], 31 - threadIdx.x % 32);
}

extern "C" __global__ void votes(const int *x, int *y) {
    const int i = threadIdx.x, n = blockDim.x;
    y[i] = (int)__ballot_sync(~0u, x[i] > 1);
    y[n + i] = __any_sync(~0u, x[i] > 1);
    y[2 * n + i] = __all_sync(~0u, x[i] > 1);
    y[3 * n + i] = (int)__match_any_sync(~0u, x[i]);
    y[4 * n + i] = __reduce_add_sync(~0u, x[i]);
    y[5 * n + i] = __reduce_min_sync(~0u, x[i]);
    y[6 * n + i] = __reduce_max_sync(~0u, x[i]);
    y[7 * n + i] = (int)__reduce_xor_sync(~0u, (unsigned)x[i]);
}

// Each half of a warp meets on its own, a different number of times.
extern "C" __global__ void halves(const float *x, float *y) {
    const int lane = threadIdx.x % 32;
    const unsigned half = lane < 16 ? 0xffffu : 0xffff0000u;
    float sum = x[threadIdx.x];
    for (int by = 1; by < (lane < 16 ? 16 : 4); by *= 2) sum += __shfl_xor_sync(half, sum, by);
    y[threadIdx.x] = sum;
}

// Lanes beyond n have returned: those that are left go on among themselves.
extern "C" __global__ void after_some_returned(const float *x, float *y, index_t n) {
    if (threadIdx.x >= n) return;
    y[threadIdx.x] = __shfl_sync(~0u, x[threadIdx.x], 0) + (float)__popc(__ballot_sync(~0u, 1));
}

// The textbook block scan: shuffles within a warp, warp totals in shared memory.
extern "C" __global__ void block_scan(const float *x, float *y, index_t n) {
    __shared__ float totals[32];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    float carry = 0.0f;
    for (index_t first = 0; first < n; first += blockDim.x) {
        const index_t i = first + threadIdx.x;
        float v = i < n ? x[i] : 0.0f;
        for (int by = 1; by < 32; by *= 2) {
            const float before = __shfl_up_sync(~0u, v, by);
            if (lane >= by) v += before;
        }
        if (lane == 31) totals[warp] = v;
        __syncthreads();
        if (warp == 0) {
            float t = lane < warps ? totals[lane] : 0.0f;
            for (int by = 1; by < 32; by *= 2) {
                const float before = __shfl_up_sync(~0u, t, by);
                if (lane >= by) t += before;
            }
            if (lane < warps) totals[lane] = t;
        }
        __syncthreads();
        v += carry + (warp ? totals[warp - 1] : 0.0f);
        if (i < n) y[i] = v;
        carry += totals[warps - 1];
        __syncthreads();
    }
}
