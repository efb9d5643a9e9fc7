// Kernels that do what a kernel must not; each is launched with one block or more of 32 to 64 threads.
typedef long long index_t;

extern "C" __global__ void two_barriers(float *y) {
    if (threadIdx.x < 40) __syncthreads();
    else
        __syncthreads();
    y[threadIdx.x] = 1.0f;
}

extern "C" __global__ void returns_before_barrier(float *y, index_t n) {
    if (threadIdx.x >= n) return;
    __syncthreads();
    y[threadIdx.x] = 1.0f;
}

extern "C" __global__ void shuffle_from_returned_lane(float *y, index_t n) {
    if (threadIdx.x >= n) return;
    y[threadIdx.x] = __shfl_down_sync(0xffffffffu, (float)threadIdx.x, 1);
}

extern "C" __global__ void shuffle_from_unnamed_lane(float *y) {
    if (threadIdx.x < 16) y[threadIdx.x] = __shfl_sync(0xffffu, (float)threadIdx.x, 20);
}

extern "C" __global__ void shuffle_without_caller(float *y) {
    y[threadIdx.x] = __shfl_sync(0xffffu, (float)threadIdx.x, 0);
}

extern "C" __global__ void half_a_warp_shuffles(float *y) {
    float v = threadIdx.x;
    if (threadIdx.x < 16) v = __shfl_xor_sync(0xffffffffu, v, 1);
    __syncthreads();
    y[threadIdx.x] = v;
}

extern "C" __global__ void vote_meets_shuffle(float *y) {
    float v = threadIdx.x;
    if (threadIdx.x % 32 < 16) v = __shfl_xor_sync(0xffffffffu, v, 1);
    else
        v = __ballot_sync(0xffffffffu, 1);
    y[threadIdx.x] = v;
}

extern "C" __global__ void reverse(const float *x, float *y, index_t barrier) {
    __shared__ float tile[64];
    tile[threadIdx.x] = x[threadIdx.x];
    if (barrier) __syncthreads();
    y[threadIdx.x] = tile[blockDim.x - 1 - threadIdx.x];
}

extern "C" __global__ void shift_right(const float *x, float *y, index_t barrier) {
    __shared__ float tile[64];
    tile[threadIdx.x] = x[threadIdx.x];
    if (barrier) __syncthreads();
    y[threadIdx.x] = threadIdx.x ? tile[threadIdx.x - 1] : 0.0f;
}

extern "C" __global__ void shift_in_warp(const float *x, float *y, index_t barrier) {
    __shared__ float tile[64];
    tile[threadIdx.x] = x[threadIdx.x];
    if (barrier) __syncwarp();
    y[threadIdx.x] = threadIdx.x % 32 ? tile[threadIdx.x - 1] : 0.0f;
}

extern "C" __global__ void dynamic_shared(float *y, index_t offset) {
    extern __shared__ float tile[];
    tile[threadIdx.x + offset] = 1.0f;
    __syncthreads();
    y[threadIdx.x] = tile[threadIdx.x];
}

extern "C" __global__ void dynamic_shared_read(float *y, index_t offset) {
    extern __shared__ float tile[];
    y[threadIdx.x] = tile[threadIdx.x + offset];
}

extern "C" __global__ void copy(const float *x, float *y, index_t from, index_t to) {
    const index_t i = blockIdx.x * (index_t)blockDim.x + threadIdx.x;
    y[i + to] = x[i + from];
}

extern "C" __global__ void write_at(float *y, index_t n, index_t at) {
    const index_t i = blockIdx.x * (index_t)blockDim.x + threadIdx.x;
    if (i < n) y[i] = 1.0f;
    if (i == 37) y[at] = 2.0f;
}

extern "C" __global__ void index_of_array(float *y, index_t offset) {
    __shared__ float tile[32][33];
    tile[threadIdx.x][threadIdx.x + offset] = 1.0f;
    y[threadIdx.x] = tile[threadIdx.x][threadIdx.x + offset];
}

extern "C" __global__ void uninitialised(float *y) {
    __shared__ float tile[64];
    y[threadIdx.x] = tile[threadIdx.x];
    tile[threadIdx.x] = 1.0f;
}

extern "C" __global__ void misaligned(const float *x, float *y) {
    const float4 v = *reinterpret_cast<const float4 *>(x + 1);
    y[threadIdx.x] = v.x + v.y + v.z + v.w;
}

extern "C" __global__ void divides(float *y, index_t n) { y[threadIdx.x] = (float)(100 / (n - threadIdx.x)); }

extern "C" __global__ void deep_stack(float *y, index_t n) {
    volatile float local[200000]; // 800 kB
    for (index_t i = 0; i < n; ++i) local[i] = (float)i;
    y[threadIdx.x] = local[n / 2];
}

extern "C" __global__ void traps(float *y) {
    if (threadIdx.x == 5) __trap();
}

// A tile adds what the tile before it published. `tickets` null: tiles go by block index, which no order of start backs.
extern "C" __global__ void look_back(int *flags, int *tickets, float *sums) {
    __shared__ int shared_tile;
    if (threadIdx.x == 0) shared_tile = tickets ? atomicAdd(tickets, 1) : (int)blockIdx.x;
    __syncthreads();
    const int tile = shared_tile;
    if (threadIdx.x == 0) {
        float before = 0.0f;
        if (tile > 0) {
            while (*(volatile int *)&flags[tile - 1] == 0) __nanosleep(20);
            __threadfence();
            before = sums[tile - 1];
        }
        sums[tile] = before + 1.0f;
        __threadfence();
        *(volatile int *)&flags[tile] = 1;
    }
    __syncthreads();
}

extern "C" __global__ void waits(int *flags) {
    while (*(volatile int *)flags == 0) __nanosleep(20);
}

extern "C" __global__ void spins(int *flags) {
    while (*(volatile int *)flags == 0) {}
}

extern "C" __global__ void spins_on_an_atomic(int *flags) {
    if (threadIdx.x == 0)
        while (atomicCAS(flags, 1, 2) != 1) {}
    else if (threadIdx.x == 40) atomicExch(flags, 1);
}
