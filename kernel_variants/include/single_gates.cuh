// The functions of the minGRU cell one at a time, for rungs that compute its gates in separate kernels. Where k and v
// meet in one thread, gates.cuh does all of it with half the special functions.
#pragma once
#include "special.cuh"

// sigma(x): exp has an argument <= 0, so nothing overflows, and neither tail is a difference.
__device__ __forceinline__ float sigmoid(float x) {
    const float e = fast_exp2(-fabsf(x) * 1.4426950408889634f);
    return (x >= 0.0f ? 1.0f : e) * fast_reciprocal(1.0f + e);
}

// g(v) = v + 1/2 for v >= 0, sigma(v) for v < 0.
__device__ __forceinline__ float candidate(float v) { return v >= 0.0f ? v + 0.5f : sigmoid(v); }
