// Serial in time, parallel over channels.
//
// Idea: a thread owns one channel of one sequence and walks it from t = 0 to T-1. The state never leaves a register,
// and the 32 lanes of a warp read 128 contiguous bytes of each stream at every step.
//
// Moves: each input once in, h once out: 3 values an element, the least there is. No barrier, no shared memory.
// What limits it: B*H threads are all the parallelism there is, and each waits for its own loads. With few channels
// the memory is idle most of the time (long-scoreboard stalls); the rungs after this one put more bytes in flight.
#include "steps.cuh"

// in_a, in_b: rows of H channels (steps.cuh); h0 (B, H) float32 or null; h (B, T, H) io_t; h_last (B, H) float32.
// grid (ceil(H / blockDim.x), B).
extern "C" __global__ void scan_serial(const in_t *__restrict__ in_a, const in_t *__restrict__ in_b,
                                       const float *__restrict__ h0, io_t *__restrict__ h,
                                       float *__restrict__ h_last, index_t T, index_t H) {
    const index_t channel = blockIdx.x * (index_t)blockDim.x + threadIdx.x;
    if (channel >= H) return;
    const index_t sequence = blockIdx.y;
    const index_t row = row_of(H);
    in_a += sequence * T * row + channel;
    in_b += sequence * T * row + channel;
    h += sequence * T * H + channel;
    float state = h0 ? h0[sequence * H + channel] : 0.0f;
    for (index_t t = 0; t < T; ++t) {
        state = apply(step_of(in_a[t * row], in_b[t * row]), state);
        store_io(h + t * H, state);
    }
    h_last[sequence * H + channel] = state;
}
