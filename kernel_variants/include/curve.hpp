// phi and its slope on vectors of channels: the identity, or tanh (-DTANH).
#pragma once

#include "cell_walk.hpp"

// y = phi(c), slope = phi'(c). tanh is (1 - e) / (1 + e) with e = exp(-2 |c|), and its series to c^9 near 0, where that
// difference loses digits.
INLINE void curve(const Vectors &c, Vectors &y, Vectors &slope) {
#if defined(TANH)
    Vectors e;
    EACH e[i] = at_least((c[i] < 0.0f ? c[i] : -c[i]) * 2.0f, -GATE_LIMIT);
    exponential(e);
    EACH {
        const floats inverse = splat(1.0f) / (e[i] + 1.0f), square = c[i] * c[i];
        const floats far = (splat(1.0f) - e[i]) * inverse;
        floats series = square * 0.021869488f - 0.053968254f;
        series = (series * square + 0.13333333f) * square - 0.33333333f;
        y[i] = square < 0.0625f ? c[i] + c[i] * square * series : (c[i] < 0.0f ? -far : far);
        slope[i] = e[i] * 4.0f * inverse * inverse;
    }
#else
    EACH y[i] = c[i], slope[i] = splat(1.0f);
#endif
}

// SRU's mask m (-DDROPOUT), (B, H): the cell's first weight. phi(c) is multiplied by it at every step.
#if defined(DROPOUT)
constexpr int HAS_MASK = 1;
#define MASK_GIVEN const float *m,
#define MASK_ROW {m, 1},
#else
constexpr int HAS_MASK = 0;
#define MASK_GIVEN
#define MASK_ROW
#endif

INLINE void masked_curve(const Vectors &c, const Vectors *weight, Vectors &y, Vectors &slope) {
    curve(c, y, slope);
    if constexpr (HAS_MASK) EACH y[i] = y[i] * weight[0][i], slope[i] = slope[i] * weight[0][i];
}
