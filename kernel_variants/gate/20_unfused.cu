// All time steps at once, a kernel a gate.
//
// Idea: batching. No gate looks at the state, so every step's product can run at once: two launches in all, and B T H
// outputs instead of B H to fill the machine with. Each kernel reads x for itself.
//
// Traffic: x read by each kernel, in two launches. The first one leaves z where b will stand, because the second one
// needs it: b is written twice and read once.
// Improves: launches, from 6 T to 2.
// What limits it: of every two values that an FFMA needs, both come from the L1 cache.
#include "single_gates.cuh"
#include "warp_dot.cuh"

// x (rows, D) with rows = B T, w (2, H, D), bias (2, H) → a (rows, H), and z = sigma(k) (rows, H).
// A warp an output, channels fastest: neighbouring warps share a row of x. grid (ceil(rows H / warps a block)).
extern "C" __global__ void gate_unfused_z(const io_t *__restrict__ x, const io_t *__restrict__ w,
                                          const io_t *__restrict__ bias, float *__restrict__ a,
                                          float *__restrict__ z, index_t rows, index_t D, index_t H) {
    const index_t output = warp_index();
    if (output >= rows * H) return;
    const index_t row = output / H, channel = output % H;
    const float k = warp_dot(x + row * D, w + channel * D, D) + load_io(bias + channel);
    if (lane_index() != 0) return;
    a[output] = sigmoid(-k);
    z[output] = sigmoid(k);
}

// As above; b (rows, H) holds z on entry and z g(v) on return.
extern "C" __global__ void gate_unfused_c(const io_t *__restrict__ x, const io_t *__restrict__ w,
                                          const io_t *__restrict__ bias, float *__restrict__ b, index_t rows,
                                          index_t D, index_t H) {
    const index_t output = warp_index();
    if (output >= rows * H) return;
    const index_t row = output / H, channel = output % H;
    const float v = warp_dot(x + row * D, w + (H + channel) * D, D) + load_io(bias + H + channel);
    if (lane_index() == 0) b[output] *= candidate(v);
}
