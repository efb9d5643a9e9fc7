// One launch a time step: both products and the gates of a step in one kernel.
//
// Idea: fusion within a step. The pre-activations of a channel meet in one warp's registers, so the five kernels that
// handed k, v, z and c to each other through memory become the last lines of the product.
//
// Traffic: as the rung before (its intermediates lived in the L2 cache), in T launches.
// Improves: launches, from 6 T to T.
#include "gates.cuh"
#include "warp_dot.cuh"

// x (B, T, D), w (2, H, D), bias (2, H) → a[:, t], b[:, t] of (B, T, H). A warp a channel of a sequence:
// grid (ceil(B H / warps a block)).
extern "C" __global__ void gate_step(const io_t *__restrict__ x, const io_t *__restrict__ w,
                                     const io_t *__restrict__ bias, float *__restrict__ a, float *__restrict__ b,
                                     index_t t, index_t B, index_t T, index_t D, index_t H) {
    const index_t output = warp_index();
    if (output >= B * H) return;
    const index_t sequence = output / H, channel = output % H;
    const Preactivations kv =
        warp_preactivations(x + (sequence * T + t) * D, w + channel * D, bias + channel, D, H);
    if (lane_index() != 0) return;
    const Affine gate = gates(kv.k, kv.v);
    const index_t at = (sequence * T + t) * H + channel;
    a[at] = gate.a;
    b[at] = gate.b;
}
