// All time steps at once, both gates from one read of x.
//
// Idea: fusion of the two products. A warp computes k and v of its channel together: three loads for two multiply-adds
// instead of four, and the gates meet in registers, so z never goes through memory.
//
// Traffic: x read once, a and b written once, in one launch.
// Improves: bytes, by the second read of x and the three passes over z and b (12 bytes per element); launches, from 2
// to 1.
// What limits it: every FFMA still needs a load of its own from the L1 cache; the next rung reuses what it has loaded.
#include "gates.cuh"
#include "warp_dot.cuh"

// x (rows, D) with rows = B T, w (2, H, D), bias (2, H) → a, b (rows, H). A warp a channel of a row:
// grid (ceil(rows H / warps a block)).
extern "C" __global__ void gate_fused(const io_t *__restrict__ x, const io_t *__restrict__ w,
                                      const io_t *__restrict__ bias, float *__restrict__ a, float *__restrict__ b,
                                      index_t rows, index_t D, index_t H) {
    const index_t output = warp_index();
    if (output >= rows * H) return;
    const index_t row = output / H, channel = output % H;
    const Preactivations kv = warp_preactivations(x + row * D, w + channel * D, bias + channel, D, H);
    if (lane_index() != 0) return;
    const Affine gate = gates(kv.k, kv.v);
    a[output] = gate.a;
    b[output] = gate.b;
}
