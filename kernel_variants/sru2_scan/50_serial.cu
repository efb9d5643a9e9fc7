// SRU's second version forwards: gates that see their own channel of the state.
//
// Idea: what a step does depends on the state that enters it through two sigmas, so that no two steps can be composed
// before it is known: time is serial here, whatever the machine. What is left are the channels, a thread each, and
// loads that do not wait for the recurrence: the next AHEAD steps are always on the way in registers, as in
// scan/54_prefetch.cu.
//
// Traffic: k, v, r, x once in, h and c once out: 6 values per element in one launch, as the first version's.
// Improves: launches, from eight per step to one; nothing will improve the chain of 3 special functions in a row that
// every step adds to the time of all, where the first version adds one multiply-add.
#define CELL_INPUTS(STREAM)                                                                                            \
    STREAM(io_t, k, PARTS, 0) STREAM(io_t, v, PARTS, 0) STREAM(io_t, r, PARTS, 0) STREAM(io_t, x, HIGHWAY_ROWS, 0)     \
    MASK(STREAM)
#define CELL_OUTPUTS(STREAM) STREAM(io_t, h, DIRECTIONS, 0) STREAM(io_t, c, DIRECTIONS, 0)
#include "sru_gates.cuh"
#include "streams.cuh"

#ifndef AHEAD
#define AHEAD 8
#endif

// Rows as in cell_sru.cuh; w (2, H) float32: of k and of r; c0, c_last (B, H) float32. grid (ceil(H / blockDim.x), B).
extern "C" __global__ void sru2_serial(INPUTS, const float *__restrict__ w, const float *__restrict__ c0, OUTPUTS,
                                       float *__restrict__ c_last, index_t T, index_t H) {
    const index_t channel = blockIdx.x * (index_t)blockDim.x + threadIdx.x;
    if (channel >= H) return;
    const index_t sequence = blockIdx.y;
    const Inputs in = inputs(GIVEN_INPUTS, H).at(sequence, 0, channel, T, H);
    const Outputs out = outputs(GIVEN_OUTPUTS, H).at(sequence, 0, channel, T, H);
    const float w_k = w[channel], w_r = w[H + channel];
    float state = c0[sequence * H + channel];

    RawSteps<AHEAD> raw;
#pragma unroll
    for (int i = 0; i < AHEAD; ++i) {
        if (i >= T) break;
        raw.set(i, in.read(i));
    }
    for (index_t first = 0; first < T; first += AHEAD) {
#pragma unroll
        for (int i = 0; i < AHEAD; ++i) {
            const index_t t = first + i;
            if (t >= T) break;
            const Values at = widened(raw.at(i));
            if (t + AHEAD < T) raw.set(i, in.read(t + AHEAD));
            const SruGates gate(at.k + w_k * state, at.r + w_r * state);
            state = gate.a * state + gate.z * at.v;
            out.store(Emitted{gate.s * phi(state, MASK_OF(at)).value + gate.not_s * at.x, state}, t);
        }
    }
    c_last[sequence * H + channel] = state;
}
