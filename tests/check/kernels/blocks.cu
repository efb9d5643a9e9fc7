// Several blocks on the machine at once, each with shared memory of its own.
typedef long long index_t;

template <int N> __device__ __forceinline__ float *tile_of_template() {
    __shared__ float tile[N];
    return tile;
}

static __device__ void meet_all_blocks(int *arrived) {
    __syncthreads();
    if (threadIdx.x == 0) {
        atomicAdd(arrived, 1);
        while (*(volatile int *)arrived < (int)gridDim.x) __nanosleep(20);
    }
    __syncthreads();
}

// Every block writes its tiles, waits until all others have written theirs, and reads its own.
extern "C" __global__ void own_tiles(int *arrived, float *y) {
    __shared__ float tile[2][64];
    extern __shared__ float dynamic[];
    float *const third = tile_of_template<64>();
    const float mine = 1000.0f * blockIdx.x + threadIdx.x;
    tile[0][threadIdx.x] = mine;
    tile[1][threadIdx.x] = -mine;
    third[threadIdx.x] = 2 * mine;
    dynamic[threadIdx.x] = 3 * mine;
    meet_all_blocks(arrived);
    const int other = 63 - threadIdx.x;
    y[blockIdx.x * 64 + other] = tile[0][other] + tile[1][other] + third[other] + dynamic[other];
}

extern "C" __global__ void doubles(float *x, index_t offset) { x[threadIdx.x + offset] *= 2.0f; }

// Which block, which thread, of which sizes.
extern "C" __global__ void coordinates(int *y) {
    const int block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    const int thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
    const int threads = blockDim.x * blockDim.y * blockDim.z;
    y[block * threads + thread] = block * threads + thread;
}

// Warps 0 and 1 hand values over by named barriers, at different places in the source.
extern "C" __global__ void producer_consumer(const float *x, float *y, index_t rounds) {
    __shared__ float slot[32];
    const int lane = threadIdx.x % 32;
    for (index_t i = 0; i < rounds; ++i) {
        if (threadIdx.x < 32) {
            slot[lane] = x[i * 32 + lane];
            __barrier_sync_count(1, 64);
            __barrier_sync_count(2, 64);
        } else {
            __barrier_sync_count(1, 64);
            y[i * 32 + lane] = slot[31 - lane];
            __barrier_sync_count(2, 64);
        }
    }
}

extern "C" __global__ void counts(const int *x, int *y) {
    const int mine = x[threadIdx.x];
    y[3 * threadIdx.x] = __syncthreads_count(mine);
    y[3 * threadIdx.x + 1] = __syncthreads_and(mine);
    y[3 * threadIdx.x + 2] = __syncthreads_or(mine);
}
