// Every step at once, a launch a level (Hillis and Steele 1986).
//
// Idea: after level l every step holds the composition of the 2^l steps that end with it; level l + 1 composes it with
// the one 2^l steps earlier. All T * H pairs work at every level, and log2 T levels are all the depth there is.
//
// Traffic: a level reads two pairs per element and writes one, 6 float32, and no level fits a cache at sizes that matter:
// 6 log2 T values per element where 3 would do, in log2 T launches. T log2 T compositions where T suffice.
// Improves: launches and time, against a torch operator per level. What it shows: O(log T) depth is not O(log T) time. A
// scan is bound by bytes, and this one moves the most of all.
#include "affine.cuh"
#include "io.cuh"

// The composition of what ends at element `at` with what ends `distance` rows earlier, if there is such a row.
// Elements of one sequence are numbered t * H + channel, so that "t >= distance" needs no division.
__device__ __forceinline__ Affine composed(const float *__restrict__ in_a, const float *__restrict__ in_b, index_t at,
                                           index_t distance, index_t H) {
    const Affine here = {in_a[at], in_b[at]};
    const index_t before = at - distance * H;
    return before >= 0 ? compose(here, Affine{in_a[before], in_b[before]}) : here;
}

// One level: in_a, in_b (B, T, H) float32 -> out_a, out_b (B, T, H) float32, which are other arrays: a level that
// overwrote its own input would compose with what another thread has already composed.
// grid (ceil(T H / blockDim.x), B).
extern "C" __global__ void hillis_steele_level(const float *__restrict__ in_a, const float *__restrict__ in_b,
                                               float *__restrict__ out_a, float *__restrict__ out_b, index_t T,
                                               index_t H, index_t distance) {
    const index_t at = blockIdx.x * (index_t)blockDim.x + threadIdx.x, base = blockIdx.y * T * H;
    if (at >= T * H) return;
    const Affine both = composed(in_a + base, in_b + base, at, distance, H);
    out_a[base + at] = both.a;
    out_b[base + at] = both.b;
}

// The last level: what is composed now begins at t = 0, so h0 can be put in. h0 (B, H) float32 or null;
// h (B, T, H) io_t; h_last (B, H) float32. Grid as above.
extern "C" __global__ void hillis_steele_last(const float *__restrict__ in_a, const float *__restrict__ in_b,
                                              const float *__restrict__ h0, io_t *__restrict__ h,
                                              float *__restrict__ h_last, index_t T, index_t H, index_t distance) {
    const index_t at = blockIdx.x * (index_t)blockDim.x + threadIdx.x, base = blockIdx.y * T * H;
    if (at >= T * H) return;
    const index_t channel = at % H;
    const float start = h0 ? h0[blockIdx.y * H + channel] : 0.0f;
    const float state = apply(composed(in_a + base, in_b + base, at, distance, H), start);
    store_io(h + base + at, state);
    if (at >= (T - 1) * H) h_last[blockIdx.y * H + channel] = state;
}
