// A time step in one launch: the product with the state, the gates, the next state.
//
// Idea: what depends on the input alone was one product for all steps; what is left of a step is done at once. A warp
// takes a channel of a sequence: its lanes share the dot products of that channel's rows of U with the state, then the
// first of them has all that the gates need.
//
// Traffic: p read, h written, and U from the L2 cache at every step; T launches that wait for each other.
// Improves: launches, T of them against a dozen torch operators per step.
// What limits it: nothing of it is bandwidth. Each step waits for the last, so the launch and the depth of one dot
// product are paid T times: the price of gates that need the state.
#include "cell_step.cuh"
#include "warp_dot.cuh"

// Step t of h (B, T, H), out of p (B, steps, GATES, H) and into kept (B, steps, KEPT, H) or null, what backpropagation
// needs: both begin with step `begin`, and are of a block of time or of all. u (GATES, H, H), offset (GATES, H).
// h0 (B, H): the state before step 0, or null for 0; h_last (B, H): that after the last. s0, entering, inner (B, H): the
// LSTM's before step 0 (or null), before another step, and after it; the last two may be the same.
// Grid: a warp per channel and sequence.
extern "C" __global__ void serial_cell_step(const io_t *__restrict__ p, const io_t *__restrict__ u,
                                            const io_t *__restrict__ offset, io_t *h, const float *__restrict__ h0,
                                            float *__restrict__ h_last, const float *__restrict__ s0,
                                            const float *entering, float *inner, float *__restrict__ kept, index_t t,
                                            index_t begin, index_t steps, index_t B, index_t T, index_t H) {
    const index_t i = warp_index();
    if (i >= B * H) return;
    const index_t row = i / H * T + t, own = i / H * steps + t - begin, channel = i % H;
    const io_t *before = h + (row - 1) * H;
    const auto state_before = [&](index_t d) {
        return t > 0 ? load_io(before + d) : h0 != nullptr ? h0[i - channel + d] : 0.0f;
    };
    float dots[GATES] = {};
    if (t > 0 || h0 != nullptr)
        for (index_t d = lane_index(); d < H; d += WARP) {
            const float state = state_before(d);
#pragma unroll
            for (int gate = 0; gate < GATES; ++gate) dots[gate] += state * load_io(u + (gate * H + channel) * H + d);
        }
    float inputs[GATES];
#pragma unroll
    for (int gate = 0; gate < GATES; ++gate) {
        dots[gate] = warp_sum(dots[gate]) + load_io(offset + gate * H + channel);
        inputs[gate] = load_io(p + (own * GATES + gate) * H + channel);
    }
    if (lane_index() != 0) return;
    float s = 0.0f;
    if (CELL == 4 && (t > 0 || s0 != nullptr)) s = t > 0 ? entering[i] : s0[i];
    const Kept keep{kept + own * KEPT * H + channel, H};
    const float state = step(inputs, dots, state_before(channel), s, keep, kept);
    store_io(h + row * H + channel, state);
    if (t == T - 1) h_last[i] = state;
    if (CELL == 4) inner[i] = s;
}
