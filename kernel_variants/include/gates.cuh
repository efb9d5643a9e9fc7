// The gates of minGRU (arXiv 2410.01201) with the log-safe candidate:
//
//   a = sigma(-k)     z = sigma(k)     c = g(v): v + 1/2 for v >= 0, sigma(v) for v < 0     b = z c
//
// With e = exp(-k), which may become infinity, f = exp(-|v|) in (0, 1] and one reciprocal R = 1 / ((1 + e)(1 + f)):
//
//   z = (1 + f) R     a = 1 - z     b = (1 + f)(v + 1/2) R for v >= 0, f R for v < 0
//
// 3 special functions and 10 other instructions per element, where the four sigmas and exponentials as written need 4 or
// more and some 20. Nothing overflows for logits of any size: for k far below 0 R is 0, and the state stays. The
// difference 1 - z is right to one rounding of `a`, which a long memory needs, because an error in `a` near 1 adds up
// over 1 / (1 - a) steps; where `a` is small it has few digits left, and little to say.
#pragma once

#include "affine.cuh"
#include "special.cuh"

__device__ __forceinline__ Affine gates(float k, float v) {
    const float log2_e = 1.4426950408889634f;
    const float e = fast_exp2(k * -log2_e);
    const float f = fast_exp2(-fabsf(v) * log2_e);
    const float one_f = 1.0f + f;
    const float quotient = fast_reciprocal(fmaf(one_f, e, one_f));
    const float product = v >= 0.0f ? one_f * (v + 0.5f) : f;
    return Affine{fmaf(-one_f, quotient, 1.0f), product * quotient};
}

// What a backward pass needs of the gates: a, z, the candidate c and its slope g'(v), which is 1 for v >= 0 and
// sigma(v) sigma(-v) below. Of three special functions too, but with e = exp(-|k|): gradients are products with a z, so
// both must have all their digits, and the smaller of them, e / (1 + e), is never taken from the larger.
struct Gates {
    float a, z, c, slope;
};

__device__ __forceinline__ Gates gates_and_slope(float k, float v) {
    const float log2_e = 1.4426950408889634f;
    const float e = fast_exp2(-fabsf(k) * log2_e);
    const float f = fast_exp2(-fabsf(v) * log2_e);
    const float one_e = 1.0f + e, one_f = 1.0f + f;
    const float quotient = fast_reciprocal(one_e * one_f);
    const float smaller = e * one_f * quotient;
    const float larger = 1.0f - smaller;
    const float inverse_f = one_e * quotient, below = f * inverse_f;
    return Gates{k >= 0.0f ? smaller : larger, k >= 0.0f ? larger : smaller, v >= 0.0f ? v + 0.5f : below,
                 v >= 0.0f ? 1.0f : below * inverse_f};
}

// Of one step of a backward pass: its affine map, and what the state's gradient is multiplied with for that of k and v.
struct Slopes {
    float a, b, to_k, to_v;
};

// dh/dk = (c - h_{t-1}) a z and dh/dv = z g'(v). `before` is h_{t-1}.
__device__ __forceinline__ Slopes gate_slopes(float k, float v, float before) {
    const Gates gate = gates_and_slope(k, v);
    return Slopes{gate.a, gate.z * gate.c, (gate.c - before) * (gate.a * gate.z), gate.z * gate.slope};
}

struct GateGradients {
    float k, v;
};

// Gradients of k and v from those of a and b: dk = (db c - da) a z, dv = db z g'(v).
__device__ __forceinline__ GateGradients gate_gradients(float k, float v, float da, float db) {
    const Gates gate = gates_and_slope(k, v);
    return GateGradients{(db * gate.c - da) * (gate.a * gate.z), db * gate.z * gate.slope};
}

// a = sigma(-k) alone: two special functions.
__device__ __forceinline__ float decay(float k) {
    const float e = fast_exp2(-fabsf(k) * 1.4426950408889634f);
    const float smaller = e * fast_reciprocal(1.0f + e);
    return k >= 0.0f ? smaller : 1.0f - smaller;
}
