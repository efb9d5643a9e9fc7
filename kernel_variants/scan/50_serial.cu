// Serial in time, parallel over channels.
//
// Idea: a thread owns one channel of one sequence and walks it from t = 0 to T-1. The state never leaves a register,
// and the 32 lanes of a warp read 128 contiguous bytes of each stream at every step. No barrier, no shared memory.
//
// Traffic: each input once in, h once out, in one launch: for the plain scan 3 values per element, the least there is.
// Improves: time against the trees, which move as much or more and wait at barriers besides.
// Improves (serial_gated): bytes, by 4 values per element: a and b are never in memory.
//
// What limits it: B*H threads are all the parallelism there is, and each waits for its own loads. With few channels
// the memory is idle most of the time (long-scoreboard stalls); the rungs after this one put more bytes in flight.
#include "cell.cuh"

// Streams of the cell; h0 (B, H) float32 or null; h_last (B, H) float32. grid (ceil(H / blockDim.x), B).
extern "C" __global__ void scan_serial(INPUTS, const float *__restrict__ h0, OUTPUTS, float *__restrict__ h_last,
                                       index_t T, index_t H) {
    const index_t channel = blockIdx.x * (index_t)blockDim.x + threadIdx.x;
    if (channel >= H) return;
    const index_t sequence = blockIdx.y;
    const Inputs in = inputs(GIVEN_INPUTS, H).at(sequence, 0, channel, T, H);
    const Outputs out = outputs(GIVEN_OUTPUTS, H).at(sequence, 0, channel, T, H);
    float state = h0 ? h0[sequence * H + channel] : 0.0f;
    for (index_t t = 0; t < T; ++t) {
        const Step step = step_of(in.read(t));
        const float before = state;
        state = apply(step, before);
        out.store(Cell::emit(step, before, state), t);
    }
    h_last[sequence * H + channel] = state;
}
