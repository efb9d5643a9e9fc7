// What the arithmetic pipes of a GPU give at most, and how long one dependent step and one launch take at least.

constexpr int CHAINS = 8;   // independent chains of a thread: with 64 warps per multiprocessor no pipe waits for results
constexpr int LENGTH = 16;  // steps of each chain per round: a loop's own instructions weigh under 3 %

// CHAINS * LENGTH steps per thread and round. out (threads of the grid): written so that the compiler keeps the work.
template <class Step> __device__ __forceinline__ void independent_chains(float *out, int rounds, Step step) {
    float x[CHAINS];
    for (int chain = 0; chain < CHAINS; ++chain) x[chain] = threadIdx.x + chain;
    for (int round = 0; round < rounds; ++round) {
#pragma unroll
        for (int at = 0; at < LENGTH; ++at)
#pragma unroll
            for (int chain = 0; chain < CHAINS; ++chain) step(x[chain]);
    }
    float sum = 0;
    for (int chain = 0; chain < CHAINS; ++chain) sum += x[chain];
    out[blockIdx.x * blockDim.x + threadIdx.x] = sum;
}

// Fused multiply-adds as fast as they issue. |a| < 1, so that nothing overflows.
extern "C" __global__ void multiply_adds(float *out, float a, float b, int rounds) {
    independent_chains(out, rounds, [=](float &x) { x = fmaf(a, x, b); });
}

// As above with ex2.approx of the negated value, which settles at 0.64: one instruction of the special function unit each,
// and one addition (the negation), for which another pipe has eight times the rate.
extern "C" __global__ void exponentials(float *out, int rounds) {
    independent_chains(out, rounds, [](float &x) {
        asm volatile("{ .reg .f32 n; neg.ftz.f32 n, %0; ex2.approx.ftz.f32 %0, n; }" : "+f"(x));
    });
}

// One chain, of one warp: every multiply-add waits for the last. CHAINS * LENGTH steps per round.
extern "C" __global__ void dependent_steps(float *out, float a, float b, int rounds) {
    float x = threadIdx.x;
    for (int round = 0; round < rounds; ++round) {
#pragma unroll
        for (int step = 0; step < CHAINS * LENGTH; ++step) x = fmaf(a, x, b);
    }
    out[threadIdx.x] = x;
}

extern "C" __global__ void nothing() {}
