// The whole cell in one launch a time step: both products, the gates and the state's update.
//
// Idea: fusion within a step. A warp computes k and v of its channel and, since it then holds everything that the
// channel's state needs, advances it: a and b are never in memory.
//
// Traffic: a and b no longer pass through memory; 2 T launches with the projection's.
// Improves: launches, from 8 T to 2 T; bytes, by 16 per element.
// What limits it: launches still cost more than the work, which is what the same plan in a CUDA graph shows.
#include "gates.cuh"
#include "warp_dot.cuh"

// x (B, T, D), w (2, H, D), bias (2, H), h0 (B, H) or null → h[:, t] of h (B, T, H); h_last (B, H) holds the state
// between steps. A warp a channel of a sequence: grid (ceil(B H / warps a block)).
extern "C" __global__ void layer_cell_step(const io_t *__restrict__ x, const io_t *__restrict__ w,
                                           const io_t *__restrict__ bias, const float *__restrict__ h0,
                                           io_t *__restrict__ h, float *__restrict__ h_last, index_t t, index_t B,
                                           index_t T, index_t D, index_t H) {
    const index_t i = warp_index();
    if (i >= B * H) return;
    const index_t row = i / H * T + t, channel = i % H;
    const Preactivations kv = warp_preactivations(x + row * D, w + channel * D, bias + channel, D, H);
    if (lane_index() != 0) return;
    const float previous = t > 0 ? h_last[i] : h0 ? h0[i] : 0.0f;
    const float state = apply(gates(kv.k, kv.v), previous);
    h_last[i] = state;
    store_io(h + row * H + channel, state);
}
