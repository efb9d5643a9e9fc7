// The projection, a launch a time step: how the source of this ladder ended.
//
// Idea: none. A recurrent loop hands its state to the output product as soon as it has it, step by step.
//
// Traffic: the same bytes from DRAM as one product for all steps, because w_out stays in the L2 cache from step to
// step, in T launches of B rows each. At B = 4 that reads O H weights from L2 for 4 multiply-adds apiece.
// Improves: nothing: it is what the next rungs are held against.
#include "warp_dot.cuh"

// h (B, T, H), w_out (O, H), bias_out (O) → y[:, t] of y (B, T, O). A warp an output: grid (ceil(B O / warps a block)).
extern "C" __global__ void projection_step(const io_t *__restrict__ h, const io_t *__restrict__ w_out,
                                           const io_t *__restrict__ bias_out, io_t *__restrict__ y, index_t t,
                                           index_t B, index_t T, index_t H, index_t O) {
    const index_t output = warp_index();
    if (output >= B * O) return;
    const index_t sequence = output / O, feature = output % O;
    const float product = warp_dot(h + (sequence * T + t) * H, w_out + feature * H, H);
    if (lane_index() == 0) store_io(y + (sequence * T + t) * O + feature, product + load_io(bias_out + feature));
}
