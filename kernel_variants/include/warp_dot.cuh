// Dot products of rows, a warp each: lanes read 32 neighbouring features, so every load is coalesced, and 32 partial
// sums (which also round less than one long sum) are added at the end by five shuffles.
#pragma once
#include "io.cuh"

constexpr int WARP = 32;
constexpr unsigned ALL_LANES = 0xffffffffu;

__device__ __forceinline__ int lane_index() { return threadIdx.x % WARP; }

// The number of this warp in the grid of one-dimensional blocks.
__device__ __forceinline__ index_t warp_index() {
    return (blockIdx.x * (index_t)blockDim.x + threadIdx.x) / WARP;
}

// The sum over a warp, in every lane.
__device__ __forceinline__ float warp_sum(float value) {
    for (int distance = WARP / 2; distance > 0; distance /= 2)
        value += __shfl_xor_sync(ALL_LANES, value, distance);
    return value;
}

// x (depth), w (depth) → their dot product, in every lane.
__device__ __forceinline__ float warp_dot(const io_t *__restrict__ x, const io_t *__restrict__ w, index_t depth) {
    float sum = 0.0f;
    for (index_t d = lane_index(); d < depth; d += WARP) sum += load_io(x + d) * load_io(w + d);
    return warp_sum(sum);
}

struct Preactivations {
    float k, v;
};

// Both products from one read of x. x (depth); w points to this channel's row of w (2, channels, depth), bias to its
// entry of bias (2, channels). The bias comes last: sums that start at a logit of -4 round four times as coarsely.
__device__ __forceinline__ Preactivations warp_preactivations(const io_t *__restrict__ x, const io_t *__restrict__ w,
                                                              const io_t *__restrict__ bias, index_t depth,
                                                              index_t channels) {
    const io_t *w_v = w + channels * depth;
    float k = 0.0f, v = 0.0f;
    for (index_t d = lane_index(); d < depth; d += WARP) {
        const float feature = load_io(x + d);
        k += feature * load_io(w + d);
        v += feature * load_io(w_v + d);
    }
    return {warp_sum(k) + load_io(bias), warp_sum(v) + load_io(bias + channels)};
}
