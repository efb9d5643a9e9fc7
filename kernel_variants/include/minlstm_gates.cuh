// The gates of minLSTM (arXiv 2410.01201): a forget and an input gate, normalised to sum to 1, and the candidate g(v).
//
//   f = sigma(k_f)    i = sigma(k_i)    a = f / (f + i)    z = i / (f + i)    c = g(v)
//
// As written that is 0 / 0 once both logits are below -100, and its derivative sooner. With w_f = 1 + exp(-k_f) and
// w_i = 1 + exp(-k_i) it is a = w_i / (w_f + w_i); where a logit is negative both are scaled by exp(the lower one), so
// that no exponential overflows and the sum is at least 1. Of the five exponentials that this takes on either side of
// zero three are different: exp(-|k_f|), exp(-|k_i|) and exp(-|k_f - k_i|), where the difference comes before the
// exponential and keeps its digits at logits of any size. As in gates.cuh one reciprocal serves all quotients, and the
// larger gate is 1 minus the smaller.
#pragma once

#include "affine.cuh"
#include "special.cuh"

struct MinLstmGates {
    float w_f, w_i, e_f, e_i, e_v, sum, one_v;

    __device__ __forceinline__ MinLstmGates(float k_f, float k_i, float v) {
        const float log2_e = 1.4426950408889634f;
        e_f = fast_exp2(-fabsf(k_f) * log2_e);
        e_i = fast_exp2(-fabsf(k_i) * log2_e);
        e_v = fast_exp2(-fabsf(v) * log2_e);
        const float apart = fast_exp2(-fabsf(k_f - k_i) * log2_e);
        const bool scaled = fminf(k_f, k_i) < 0.0f, by_f = k_f <= k_i;
        const float one = scaled ? (by_f ? e_f : e_i) : 1.0f;
        w_f = one + (scaled ? (by_f ? 1.0f : apart) : e_f);
        w_i = one + (scaled ? (by_f ? apart : 1.0f) : e_i);
        sum = w_f + w_i;
        one_v = 1.0f + e_v;
    }
};

// The step alone: 5 special functions.
__device__ __forceinline__ Affine minlstm_gates(float k_f, float k_i, float v) {
    const MinLstmGates gate(k_f, k_i, v);
    const float quotient = fast_reciprocal(gate.sum * gate.one_v);
    const float smaller = fminf(gate.w_f, gate.w_i) * gate.one_v * quotient, larger = 1.0f - smaller;
    const float candidate = v >= 0.0f ? v + 0.5f : gate.e_v * gate.sum * quotient;
    return gate.w_i <= gate.w_f ? Affine{smaller, larger * candidate} : Affine{larger, smaller * candidate};
}

// Of one step of a backward pass: the decay, and what the state's gradient is multiplied with for those of k_f, k_i, v:
//
//   (h_{t-1} - c) a z sigma(-k_f)      -(h_{t-1} - c) a z sigma(-k_i)      z g'(v)
//
// Of the same 5 special functions. `before` is h_{t-1}.
struct MinLstmSlopes {
    float a, to_f, to_i, to_v;
};

__device__ __forceinline__ MinLstmSlopes minlstm_slopes(float k_f, float k_i, float v, float before) {
    const MinLstmGates gate(k_f, k_i, v);
    const float one_f = 1.0f + gate.e_f, one_i = 1.0f + gate.e_i, both = one_f * one_i;
    const float quotient = fast_reciprocal(gate.sum * gate.one_v * both);
    const float inverse_sum = gate.one_v * both * quotient, inverse_v = gate.sum * both * quotient;
    const float smaller = fminf(gate.w_f, gate.w_i) * inverse_sum, larger = 1.0f - smaller;
    const float a = gate.w_i <= gate.w_f ? smaller : larger, z = gate.w_i <= gate.w_f ? larger : smaller;
    const float below = gate.e_v * inverse_v;
    const float c = v >= 0.0f ? v + 0.5f : below, slope = v >= 0.0f ? 1.0f : below * inverse_v;
    const float off = gate.sum * gate.one_v * quotient; // 1 / both
    const float not_f = (k_f >= 0.0f ? gate.e_f : 1.0f) * one_i * off;
    const float not_i = (k_i >= 0.0f ? gate.e_i : 1.0f) * one_f * off;
    const float to_gates = (before - c) * (a * z);
    return MinLstmSlopes{a, to_gates * not_f, -to_gates * not_i, z * slope};
}
