// The recurrence, a launch a time step: the cell of the naive beginning.
//
// Idea: none. Once step t's gates are in memory, one small kernel advances the state of every channel and leaves it for
// the projection's launch. With the six launches of the gates and one of the projection, a step is 8 launches.
//
// Traffic: the state through memory at every step (L2 in truth: B*H floats), where a serial scan keeps it in a
// register; 8 T launches.
// Improves: launches, against torch operators, of which each of these needs more than one.
#include "affine.cuh"
#include "io.cuh"

// a, b (B, T, H), h0 (B, H) or null → h[:, t] of h (B, T, H); h_last (B, H) holds the state between steps.
// A thread per channel: grid (ceil(B H / blockDim.x)).
extern "C" __global__ void layer_state_step(const float *__restrict__ a, const float *__restrict__ b,
                                            const float *__restrict__ h0, io_t *__restrict__ h,
                                            float *__restrict__ h_last, index_t t, index_t B, index_t T, index_t H) {
    const index_t i = blockIdx.x * (index_t)blockDim.x + threadIdx.x;
    if (i >= B * H) return;
    const index_t at = (i / H * T + t) * H + i % H;
    const float previous = t > 0 ? h_last[i] : h0 ? h0[i] : 0.0f;
    const float state = apply(Affine{a[at], b[at]}, previous);
    h_last[i] = state;
    store_io(h + at, state);
}
