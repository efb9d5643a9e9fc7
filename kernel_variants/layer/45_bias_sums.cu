// Back through the scan with its gates inside, and the bias's gradient summed on the way.
//
// Idea: the walk of 50_serial.cu has every dk and dv of its channel in a register as it passes, so that their sums over
// time cost two additions a step and no traffic. Sequences meet in a second launch, in order (bias_in_registers); or
// each adds its own to the total by an atomic operation (bias_atomics, -DATOMICS).
//
// Traffic: as 50_serial.cu, 6 values per element, and 2 per channel of a sequence.
// Improves (bias_in_registers): bytes, by the 2 values per element that the sum alone reads.
// Improves (bias_atomics): nothing: clearing the total costs the launch that the second stage does, and sums in
// whatever order sequences end differ from run to run in their last bits. It is the contrast.
#include "cell.cuh"

// Streams of the cell; first (B, H) float32 or null; last (B, H) float32; sums (B, 2, H) float32: of dk and of dv over
// time; with ATOMICS (2, H), 0 before. grid (ceil(H / blockDim.x), B).
extern "C" __global__ void layer_bias_sums(INPUTS, const float *__restrict__ first, OUTPUTS, float *__restrict__ last,
                                           float *__restrict__ sums, index_t T, index_t H) {
    const index_t channel = blockIdx.x * (index_t)blockDim.x + threadIdx.x;
    if (channel >= H) return;
    const index_t sequence = blockIdx.y;
    const Inputs in = inputs(GIVEN_INPUTS, H).at(sequence, 0, channel, T, H);
    const Outputs out = outputs(GIVEN_OUTPUTS, H).at(sequence, 0, channel, T, H);
    float state = first ? first[sequence * H + channel] : 0.0f, sum_k = 0.0f, sum_v = 0.0f;
    for (index_t t = 0; t < T; ++t) {
        const Step step = step_of(in.read(t));
        const float before = state;
        state = apply(step, before);
        const Emitted made = Cell::emit(step, before, state);
        out.store(made, t);
        sum_k += made.dk;
        sum_v += made.dv;
    }
    last[sequence * H + channel] = state;
#if defined(ATOMICS)
    atomicAdd(sums + channel, sum_k);
    atomicAdd(sums + H + channel, sum_v);
#else
    sums[sequence * 2 * H + channel] = sum_k;
    sums[sequence * 2 * H + H + channel] = sum_v;
#endif
}
