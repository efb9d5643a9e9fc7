// Reduce, scan the summaries, replay: time is split when channels are too few.
//
// Idea: time is cut into chunks that are walked side by side. A chunk cannot start without the state that enters it,
// but what it does to *any* state is one affine map: the first launch computes that summary of every chunk, the
// second walks the summaries (there are few) and leaves the state that enters each chunk, the third walks every chunk
// again, now from the right state, and writes h.
//
// Traffic: inputs in twice, h out once, in three launches: 5 values per element where a serial walk needs 3, plus 6
// floats per chunk and channel.
// Improves: waves per multiprocessor: B * H * chunks threads instead of B * H fill the machine where channels do not.
#include "cell.cuh"

#ifndef STEPS_AHEAD
#define STEPS_AHEAD 16 // steps whose loads are issued together
#endif

// Input streams of the cell; summary_a, summary_b (B, chunks, H) float32.
// grid (ceil(H / blockDim.x), chunks, B); a chunk is `length` steps, the last one what is left.
extern "C" __global__ void scan_reduce(INPUTS, float *__restrict__ summary_a, float *__restrict__ summary_b, index_t T,
                                       index_t H, index_t length) {
    const index_t channel = blockIdx.x * (index_t)blockDim.x + threadIdx.x;
    if (channel >= H) return;
    const index_t sequence = blockIdx.z, chunk = blockIdx.y;
    const index_t start = chunk * length, end = start + length < T ? start + length : T;
    const Inputs in = inputs(GIVEN_INPUTS, H).at(sequence, 0, channel, T, H);
    Affine summary = identity();
#pragma unroll STEPS_AHEAD
    for (index_t t = start; t < end; ++t) summary = compose(step_of(in.read(t)), summary);
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

// Streams of the cell; entering (B, chunks, H) float32. Grid as scan_reduce.
extern "C" __global__ void scan_replay(INPUTS, const float *__restrict__ entering, OUTPUTS, index_t T, index_t H,
                                       index_t length) {
    const index_t channel = blockIdx.x * (index_t)blockDim.x + threadIdx.x;
    if (channel >= H) return;
    const index_t sequence = blockIdx.z, chunk = blockIdx.y;
    const index_t start = chunk * length, end = start + length < T ? start + length : T;
    const Inputs in = inputs(GIVEN_INPUTS, H).at(sequence, 0, channel, T, H);
    const Outputs out = outputs(GIVEN_OUTPUTS, H).at(sequence, 0, channel, T, H);
    float state = entering[(sequence * gridDim.y + chunk) * H + channel];
#pragma unroll STEPS_AHEAD
    for (index_t t = start; t < end; ++t) {
        const Step step = step_of(in.read(t));
        const float before = state;
        state = apply(step, before);
        out.store(Cell::emit(step, before, state), t);
    }
}
