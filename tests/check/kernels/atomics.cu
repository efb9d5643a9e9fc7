typedef long long index_t;
typedef unsigned long long u64;

// Every thread of every block; counters: [0] sum, [1] smallest, [2] largest, [3] wrapping, [4] a lock, [5] under it.
extern "C" __global__ void integers(int *counters, unsigned *wrapping, u64 *wide, int *order) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    order[atomicAdd(&counters[0], 1)] = i;
    atomicMin(&counters[1], -i);
    atomicMax(&counters[2], i);
    atomicInc(wrapping, 9);
    atomicAdd(wide, 1ull << 33);
    atomicOr(&wide[1], 1ull << (i % 64));
    while (atomicCAS(&counters[3], 0, 1) != 0) __nanosleep(20);
    const int seen = *(volatile int *)&counters[4];
    __threadfence();
    *(volatile int *)&counters[4] = seen + 1;
    __threadfence();
    atomicExch(&counters[3], 0);
}

extern "C" __global__ void floats(const float *x, float *sum, double *wide) {
    atomicAdd(sum, x[threadIdx.x]);
    atomicAdd(wide, 0.5);
}

// The usual atomic on a type that has none: compare and swap on its bits.
extern "C" __global__ void product(const float *x, float *result) {
    unsigned *bits = reinterpret_cast<unsigned *>(result);
    unsigned old = *bits, expected;
    do {
        expected = old;
        old = atomicCAS(bits, expected, __float_as_uint(__uint_as_float(expected) * x[threadIdx.x]));
    } while (old != expected);
}
