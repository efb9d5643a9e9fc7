// SRU's gates (arXiv 1709.02755), with k the logit of what comes in:
//
//   a = sigma(-k)    z = sigma(k)    c_t = a c_{t-1} + z v    h_t = s phi(c_t) + (1 - s) x    s = sigma(r)
//
// phi is the identity, or tanh (-DTANH). As in gates.cuh nothing overflows, one reciprocal serves all quotients, and a
// gate near 1 is 1 minus the small one.
#pragma once

#include "affine.cuh"
#include "special.cuh"

struct SruGates {
    float a, z, s, not_s;

    __device__ __forceinline__ SruGates(float k, float r) {
        const float log2_e = 1.4426950408889634f;
        const float e_k = fast_exp2(-fabsf(k) * log2_e), e_r = fast_exp2(-fabsf(r) * log2_e);
        const float one_k = 1.0f + e_k, one_r = 1.0f + e_r;
        const float quotient = fast_reciprocal(one_k * one_r);
        const float small_k = e_k * one_r * quotient, small_r = e_r * one_k * quotient;
        a = k >= 0.0f ? small_k : 1.0f - small_k;
        z = k >= 0.0f ? 1.0f - small_k : small_k;
        s = r >= 0.0f ? 1.0f - small_r : small_r;
        not_s = r >= 0.0f ? small_r : 1.0f - small_r;
    }
};

struct Curve {
    float value, slope;
};

// phi(c) and phi'(c). tanh is (1 - e) / (1 + e) with e = exp(-2 |c|), and near 0, where that difference loses digits,
// its series to c^9; the slope 4 e / (1 + e)^2 is no difference at all.
__device__ __forceinline__ Curve phi(float c) {
#if defined(TANH)
    const float e = fast_exp2(-fabsf(c) * 2.8853900817779268f);
    const float inverse = fast_reciprocal(1.0f + e), square = c * c;
    const float higher = 0.13333333f + square * (-0.053968254f + square * 0.021869488f);
    const float near = c + c * square * (-0.33333333f + square * higher);
    return Curve{square < 0.0625f ? near : copysignf((1.0f - e) * inverse, c), 4.0f * e * inverse * inverse};
#else
    return Curve{c, 1.0f};
#endif
}
