// minLSTM (arXiv 2410.01201), gates inside the scan: a forget and an input gate, normalised to sum to 1.
//
//   f = sigma(k_f)    i = sigma(k_i)    a = f / (f + i)    b = i / (f + i) g(v)
//
// As written that is 0 / 0 once both logits are below -100. With w_f = 1 + exp(-k_f), w_i = 1 + exp(-k_i) it is
// a = w_i / (w_f + w_i), and both scaled by exp(-m), m = max(0, -k_f, -k_i), no exponential overflows and the sum is at
// least 1. Differences of logits come before their exponentials, so that they keep their digits at logits of any size.
// As in gates.cuh one reciprocal serves both quotients, and the larger gate is 1 minus the smaller.
//
// k_f, k_i and v are the three parts of a row of (B, T, 3, H).
#pragma once

#define CELL_INPUTS(STREAM) STREAM(io_t, k_f, 3, 0) STREAM(io_t, k_i, 3, 0) STREAM(io_t, v, 3, 0)
#define CELL_OUTPUTS(STREAM) STREAM(io_t, h, 1, 0)
#include "special.cuh"
#include "streams.cuh"

struct Cell {
    typedef Affine Step;
    static constexpr bool EMITS_STATE = true;

    static __device__ __forceinline__ Step step(const Values &in) {
        const float log2_e = 1.4426950408889634f;
        const float m = fmaxf(0.0f, fmaxf(-in.k_f, -in.k_i));
        const float one = fast_exp2(-m * log2_e);
        const float w_f = one + fast_exp2((-in.k_f - m) * log2_e), w_i = one + fast_exp2((-in.k_i - m) * log2_e);
        const float e = fast_exp2(-fabsf(in.v) * log2_e);
        const float sum = w_f + w_i, one_e = 1.0f + e;
        const float quotient = fast_reciprocal(sum * one_e);
        const float smaller = fminf(w_f, w_i) * one_e * quotient;
        const float larger = 1.0f - smaller;
        const float candidate = in.v >= 0.0f ? in.v + 0.5f : e * sum * quotient;
        return w_i <= w_f ? Affine{smaller, larger * candidate} : Affine{larger, smaller * candidate};
    }
    static __device__ __forceinline__ Emitted emit(const Step &, float, float after) { return Emitted{after}; }
};
