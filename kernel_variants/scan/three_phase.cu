// Reduce, scan the summaries, replay: time is split when channels are too few.
//
// Idea: time is cut into chunks that are walked side by side. A chunk cannot start without the state that enters it,
// but what it does to *any* state is one affine map: the first launch computes that summary of every chunk, the
// second walks the summaries (there are few) and leaves the state that enters each chunk, the third walks every chunk
// again, now from the right state, and writes h.
//
// Moves: inputs in twice, h out once: 5 values an element where a serial walk needs 3, plus 6 floats a chunk. What it
// buys: B * H * chunks threads instead of B * H: waves an SM rise, and the machine fills when B * H does not fill it.
#include "steps.cuh"

#ifndef STEPS_AHEAD
#define STEPS_AHEAD 16 // steps whose loads are issued together
#endif

// in_a, in_b: rows of H channels (steps.cuh); summary_a, summary_b (B, chunks, H) float32.
// grid (ceil(H / blockDim.x), chunks, B); a chunk is `length` steps, the last one what is left.
extern "C" __global__ void scan_reduce(const in_t *__restrict__ in_a, const in_t *__restrict__ in_b,
                                       float *__restrict__ summary_a, float *__restrict__ summary_b, index_t T,
                                       index_t H, index_t length) {
    const index_t channel = blockIdx.x * (index_t)blockDim.x + threadIdx.x;
    if (channel >= H) return;
    const index_t sequence = blockIdx.z, chunk = blockIdx.y;
    const index_t start = chunk * length, end = start + length < T ? start + length : T;
    const index_t row = row_of(H);
    in_a += sequence * T * row + channel;
    in_b += sequence * T * row + channel;
    Affine summary = identity();
#pragma unroll STEPS_AHEAD
    for (index_t t = start; t < end; ++t) summary = compose(step_of(in_a[t * row], in_b[t * row]), summary);
    const index_t at = (sequence * gridDim.y + chunk) * H + channel;
    summary_a[at] = summary.a;
    summary_b[at] = summary.b;
}

// summary_a, summary_b (B, chunks, H) float32 -> entering (B, chunks, H): the state that enters each chunk. It is an
// array of its own so that the loads of the next summaries need not wait for the stores of these states.
// h0 (B, H) float32 or null; h_last (B, H) float32. grid (ceil(H / blockDim.x), B).
extern "C" __global__ void scan_summaries(const float *__restrict__ summary_a, const float *__restrict__ summary_b,
                                          const float *__restrict__ h0, float *__restrict__ entering,
                                          float *__restrict__ h_last, index_t chunks, index_t H) {
    const index_t channel = blockIdx.x * (index_t)blockDim.x + threadIdx.x;
    if (channel >= H) return;
    const index_t sequence = blockIdx.y;
    float state = h0 ? h0[sequence * H + channel] : 0.0f;
    index_t at = sequence * chunks * H + channel;
#pragma unroll STEPS_AHEAD
    for (index_t chunk = 0; chunk < chunks; ++chunk, at += H) {
        entering[at] = state;
        state = apply(Affine{summary_a[at], summary_b[at]}, state);
    }
    h_last[sequence * H + channel] = state;
}

// in_a, in_b: rows of H channels (steps.cuh); entering (B, chunks, H) float32; h (B, T, H) io_t. Grid as scan_reduce.
extern "C" __global__ void scan_replay(const in_t *__restrict__ in_a, const in_t *__restrict__ in_b,
                                       const float *__restrict__ entering, io_t *__restrict__ h, index_t T, index_t H,
                                       index_t length) {
    const index_t channel = blockIdx.x * (index_t)blockDim.x + threadIdx.x;
    if (channel >= H) return;
    const index_t sequence = blockIdx.z, chunk = blockIdx.y;
    const index_t start = chunk * length, end = start + length < T ? start + length : T;
    const index_t row = row_of(H);
    in_a += sequence * T * row + channel;
    in_b += sequence * T * row + channel;
    h += sequence * T * H + channel;
    float state = entering[(sequence * gridDim.y + chunk) * H + channel];
#pragma unroll STEPS_AHEAD
    for (index_t t = start; t < end; ++t) {
        state = apply(step_of(in_a[t * row], in_b[t * row]), state);
        store_io(h + t * H, state);
    }
}
