// The gates of minGRU (arXiv 2410.01201) with the log-safe candidate:
//
//   a = sigma(-k)     z = sigma(k)     c = g(v): v + 1/2 for v >= 0, sigma(v) for v < 0     b = z c
//
// With e = exp(-|k|) and f = exp(-|v|), both in (0, 1], nothing overflows for logits of any size:
//
//   the smaller of a and z is e / (1 + e)      sigma(v) = f / (1 + f) for v < 0
//
// and one reciprocal R = 1 / ((1 + e)(1 + f)) serves both quotients: 3 special functions an element where the four
// sigmas and exponentials as written need 4 or more. The larger of a and z is 1 minus the smaller. Taken that way
// round (never the smaller from the larger) the difference loses nothing: it is right to one rounding, which a long
// memory needs, because an error in `a` near 1 adds up over 1 / (1 - a) steps.
#pragma once

#include "affine.cuh"
#include "special.cuh"

__device__ __forceinline__ Affine gates(float k, float v) {
    const float log2_e = 1.4426950408889634f;
    const float e = fast_exp2(-fabsf(k) * log2_e);
    const float f = fast_exp2(-fabsf(v) * log2_e);
    const float one_e = 1.0f + e, one_f = 1.0f + f;
    const float quotient = fast_reciprocal(one_e * one_f);
    const float smaller = e * one_f * quotient;
    const float larger = 1.0f - smaller;
    const float candidate = v >= 0.0f ? v + 0.5f : f * one_e * quotient;
    return k >= 0.0f ? Affine{smaller, larger * candidate} : Affine{larger, smaller * candidate};
}
