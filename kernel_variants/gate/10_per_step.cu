// A launch for every operation of every time step: the naive beginning.
//
// Idea: none yet. One step of the gates is written as the equations stand, an operation a kernel: two products, then
// sigma(-k), sigma(k), g(v) and z c over B*H elements each, with every intermediate value in memory.
//
// Traffic: about the least from DRAM, because a step's weights and intermediates stay in the L2 cache until the next
// step reads them; 6 T launches of a few microseconds each, most of them for B*H elements of work.
// Improves: nothing: it is what the next rungs are held against.
#include "single_gates.cuh"
#include "warp_dot.cuh"

// One gate's product at step t, a warp an output: x (B, T, D), w (H, D) and bias (H) of that gate → k (B, H).
// grid (ceil(B H / warps a block)).
extern "C" __global__ void gate_step_product(const io_t *__restrict__ x, const io_t *__restrict__ w,
                                             const io_t *__restrict__ bias, float *__restrict__ k, index_t t,
                                             index_t B, index_t T, index_t D, index_t H) {
    const index_t output = warp_index();
    if (output >= B * H) return;
    const index_t sequence = output / H, channel = output % H;
    const float product = warp_dot(x + (sequence * T + t) * D, w + channel * D, D);
    if (lane_index() == 0) k[output] = product + load_io(bias + channel);
}

// The elementwise kernels: a thread per element of (B, H). grid (ceil(B H / blockDim.x)).
__device__ __forceinline__ index_t element_index() { return blockIdx.x * (index_t)blockDim.x + threadIdx.x; }

// k (B, H) → a[:, t] of a (B, T, H).
extern "C" __global__ void gate_step_decay(const float *__restrict__ k, float *__restrict__ a, index_t t, index_t B,
                                           index_t T, index_t H) {
    const index_t i = element_index();
    if (i < B * H) a[(i / H * T + t) * H + i % H] = sigmoid(-k[i]);
}

// k (B, H) → z (B, H).
extern "C" __global__ void gate_step_sigmoid(const float *__restrict__ k, float *__restrict__ z, index_t count) {
    const index_t i = element_index();
    if (i < count) z[i] = sigmoid(k[i]);
}

// v (B, H) → c (B, H).
extern "C" __global__ void gate_step_candidate(const float *__restrict__ v, float *__restrict__ c, index_t count) {
    const index_t i = element_index();
    if (i < count) c[i] = candidate(v[i]);
}

// z, c (B, H) → b[:, t] of b (B, T, H).
extern "C" __global__ void gate_step_multiply(const float *__restrict__ z, const float *__restrict__ c,
                                              float *__restrict__ b, index_t t, index_t B, index_t T, index_t H) {
    const index_t i = element_index();
    if (i < B * H) b[(i / H * T + t) * H + i % H] = z[i] * c[i];
}
