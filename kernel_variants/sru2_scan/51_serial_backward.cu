// Back through SRU's second version serially, the gradients of its weights summed on the way.
//
// Idea: dk c_{t-1} and dr c_{t-1} are in registers as the walk passes, so that their sums over time cost two
// multiply-adds per step and no traffic; sequences meet in a second launch, in order. As layer/45_bias_sums.cu.
//
// Traffic: k, v, r, x, gh and c once in, four gradients out: 10 values per element, and 2 per channel of a sequence.
// Improves: launches, against autograd; bytes, by the 3 values per element that summing apart reads
// (51_weight_sums.cu).
#include "cell.cuh"

// Streams of the cell; first, last (B, H), sums (B, 2, H) float32. grid (ceil(H / blockDim.x), B).
extern "C" __global__ void sru2_serial_backward(INPUTS, const float *__restrict__ first, OUTPUTS,
                                                float *__restrict__ last, float *__restrict__ sums, index_t T,
                                                index_t H) {
    const index_t channel = blockIdx.x * (index_t)blockDim.x + threadIdx.x;
    if (channel >= H) return;
    const index_t sequence = blockIdx.y;
    const Inputs in = inputs(GIVEN_INPUTS, H).at(sequence, 0, channel, T, H);
    const Outputs out = outputs(GIVEN_OUTPUTS, H).at(sequence, 0, channel, T, H);
    float state = first[sequence * H + channel], sum_k = 0.0f, sum_r = 0.0f;
    for (index_t t = 0; t < T; ++t) {
        const Raw raw = in.read(t);
        const Step step = step_of(raw);
        const float before = state, c = widen(raw.c);
        state = apply(step, before);
        const Emitted made = Cell::emit(step, before, state);
        out.store(made, t);
        sum_k += made.dk * c;
        sum_r += made.dr * c;
    }
    last[sequence * H + channel] = state;
    sums[sequence * 2 * H + channel] = sum_k;
    sums[sequence * 2 * H + H + channel] = sum_r;
}
