// SRU's gates (arXiv 1709.02755), with k the logit of what comes in:
//
//   a = sigma(-k)    z = sigma(k)    c_t = a c_{t-1} + z v    h_t = s m phi(c_t) + (1 - s) x    s = sigma(r)
//
// phi is the identity, or tanh (-DTANH); m is 1, or a mask (-DDROPOUT). As in gates.cuh nothing overflows, one
// reciprocal serves all quotients, and a gate near 1 is 1 minus the small one.
#pragma once

#include "affine.cuh"
#include "curve.cuh"

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

// phi(c) and phi'(c), times m.
__device__ __forceinline__ Curve phi(float c, float m = 1.0f) {
#if defined(TANH)
    const Curve y = tanh_curve(c);
    return Curve{m * y.value, m * y.slope};
#else
    return Curve{m * c, m};
#endif
}

// A mask m that phi(c) is multiplied by at every step (-DDROPOUT), (B, H): its stream, and its value.
#if defined(DROPOUT)
#define MASK(STREAM) STREAM(float, m, 0, 1)
#define MASK_OF(in) (in).m
#else
#define MASK(STREAM)
#define MASK_OF(in) 1.0f
#endif
