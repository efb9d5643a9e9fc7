// Serial in time, parallel over channels.
//
// Idea: a thread owns one channel of one sequence and walks it from t = 0 to T-1. The state never leaves a register,
// and the 32 lanes of a warp read 128 contiguous bytes of a and of b at every step.
//
// Moves: a and b once in, h once out: 8 + E bytes an element, the least there is. No barrier, no shared memory.
// What limits it: B*H threads are all the parallelism there is, and each waits for its own loads. With few channels
// the memory is idle most of the time (long-scoreboard stalls); the rungs after this one put more bytes in flight.
#include "io.cuh"

// a, b (B, T, H) float32; h0 (B, H) float32 or null; h (B, T, H) io_t; h_last (B, H) float32.
// grid (ceil(H / blockDim.x), B).
extern "C" __global__ void scan_serial(const float *__restrict__ a, const float *__restrict__ b,
                                       const float *__restrict__ h0, io_t *__restrict__ h,
                                       float *__restrict__ h_last, index_t T, index_t H) {
    const index_t channel = blockIdx.x * (index_t)blockDim.x + threadIdx.x;
    if (channel >= H) return;
    const index_t sequence = blockIdx.y;
    float state = h0 ? h0[sequence * H + channel] : 0.0f;
    index_t at = sequence * T * H + channel;
    for (index_t t = 0; t < T; ++t, at += H) {
        state = a[at] * state + b[at];
        store_io(h + at, state);
    }
    h_last[sequence * H + channel] = state;
}
