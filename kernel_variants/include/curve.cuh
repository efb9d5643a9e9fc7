// tanh and its slope, and the logistic function of both signs: 2 special functions each.
#pragma once

#include "special.cuh"

struct Curve {
    float value, slope;
};

// tanh is (1 - e) / (1 + e) with e = exp(-2 |x|), and near 0, where that difference loses digits, its series to x^9; the
// slope 4 e / (1 + e)^2 is no difference at all.
__device__ __forceinline__ Curve tanh_curve(float x) {
    const float e = fast_exp2(-fabsf(x) * 2.8853900817779268f);
    const float inverse = fast_reciprocal(1.0f + e), square = x * x;
    const float higher = 0.13333333f + square * (-0.053968254f + square * 0.021869488f);
    const float near = x + x * square * (-0.33333333f + square * higher);
    return Curve{square < 0.0625f ? near : copysignf((1.0f - e) * inverse, x), 4.0f * e * inverse * inverse};
}

struct Gate {
    float open, closed; // sigma(x), sigma(-x)
};

// As in gates.cuh: the gate near 1 is 1 minus the small one.
__device__ __forceinline__ Gate gate_of(float x) {
    const float e = fast_exp2(-fabsf(x) * 1.4426950408889634f);
    const float small = e * fast_reciprocal(1.0f + e), large = 1.0f - small;
    return x >= 0.0f ? Gate{large, small} : Gate{small, large};
}
