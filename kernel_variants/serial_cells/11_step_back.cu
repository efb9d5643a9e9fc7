// A time step back in one launch: the gradient of the state by the next step's gates, and this step's gates'.
//
// Idea: the mirror of the step forwards. A warp takes a channel of a sequence: its lanes share the dot product of that
// channel's column of U (a row of its transpose) with dq of the next step. The gradients of W, U and x wait until all
// steps are done: they are three products over all of them, not three per step.
//
// Traffic: gh and what was kept read, dp and dq written, U from the L2 cache at every step; T launches.
// Improves: launches, T of them; products, one per step that waits instead of four.
// What limits it: as forwards, one step waits for the next.
#include "cell_step.cuh"
#include "warp_dot.cuh"

// gh (B, T, H), columns (H, GATES, H): the transpose of U; h (B, T, H), kept (B, steps, KEPT, H) → step t of dp, dq
// (B, steps, GATES, H) each (one tensor where they are the same). kept, dp and dq begin with step `begin`; where they
// are not of all of time, dq_after (B, GATES, H) is of the step behind them, entering (B, H) the LSTM's state before.
// h0 (B, H): the state before step 0. gh_last, gs_last (B, H): what the loss says of the states after the last step, or
// null for 0. direct, ds (B, H): what goes to the step before by other ways than the product.
// Grid: a warp per channel and sequence.
extern "C" __global__ void serial_cell_step_back(const io_t *__restrict__ gh, const float *__restrict__ gh_last,
                                                 const io_t *__restrict__ columns, const io_t *__restrict__ h,
                                                 const float *__restrict__ h0, float *kept, io_t *dp, io_t *dq,
                                                 const io_t *__restrict__ dq_after, const float *__restrict__ entering,
                                                 const float *__restrict__ gs_last, float *__restrict__ ds,
                                                 float *__restrict__ direct, index_t t, index_t begin, index_t steps,
                                                 index_t B, index_t T, index_t H) {
    const index_t i = warp_index();
    if (i >= B * H) return;
    const index_t row = i / H * T + t, own = i / H * steps + t - begin, channel = i % H;
    const bool is_last = t == T - 1;
    const io_t *after = t == begin + steps - 1 ? dq_after + i / H * GATES * H : dq + (own + 1) * GATES * H;
    const float through = is_last ? 0.0f : warp_dot(after, columns + channel * GATES * H, GATES * H);
    if (lane_index() != 0) return;
    const auto said_of_last = [&](const float *of) { return of != nullptr ? of[i] : 0.0f; };
    const float dh = load_io(gh + row * H + channel) + through + (is_last ? said_of_last(gh_last) : direct[i]);
    float inner = 0.0f, rows_p[GATES], rows_q[GATES];
    if (CELL == 4) inner = is_last ? said_of_last(gs_last) : ds[i];
    const Kept now{kept + own * KEPT * H + channel, H};
    float inner_before = 0.0f;  // kept last by the step before
    if (CELL == 4) inner_before = t > begin ? now[-1] : entering[i];
    const float before = t > 0 ? load_io(h + (row - 1) * H + channel) : h0[i];
    direct[i] = step_back(dh, inner, now, inner_before, before, rows_p, rows_q);
    if (CELL == 4) ds[i] = inner;
    for (int gate = 0; gate < GATES; ++gate) {
        store_io(dp + (own * GATES + gate) * H + channel, rows_p[gate]);
        if (CELL == 3) store_io(dq + (own * GATES + gate) * H + channel, rows_q[gate]);
    }
}
