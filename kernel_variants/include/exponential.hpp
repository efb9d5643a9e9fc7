// exp and the gates of minGRU on float vectors.
//
// Written over N vectors at once, operation by operation: an exponential is a chain of a dozen dependent instructions,
// and a core's scheduler is too small to see far behind it.
#pragma once

#include "simd.hpp"

#define EACH for (int i = 0; i < N; ++i)

// x → e^x for |x| <= 87 (the caller sees to it). e^x = 2^(x log2 e) = 2^n 2^f with n the nearest integer and
// f in [-1/2, 1/2]: 2^n is made of its exponent's bits, 2^f a polynomial of degree 5, fitted to least relative error with
// 2^0 = 1 exact (so that sigma(0) = 1/2).
//
// Relative error below 1.1e-7 (polynomial) + 1.4e-8 |x| (log2 e is one float) + rounding. In the gates the second term
// only grows where e^x itself vanishes against 1. NaN stays NaN, whatever its bits: 2^n is multiplied with and not added
// to the exponent of 2^f, as is often done, which turns a NaN of other low bits into a number.
template <int N>
INLINE void exponential(floats (&x)[N]) {
    constexpr float LOG2_E = 1.44269504f;
    // Adding 1.5 * 2^23 rounds to an integer n, left in the low bits; with the exponent's bias 127 on top those bits are
    // the exponent of 2^n.
    constexpr float SHIFT = 12582912.0f + 127.0f;
    floats shifted[N], f[N], p[N];
    EACH shifted[i] = x[i] * LOG2_E + SHIFT;
    EACH f[i] = x[i] * LOG2_E - (shifted[i] - SHIFT);
    EACH p[i] = f[i] * 0.00132647273f + 0.00967151299f;
    EACH p[i] = p[i] * f[i] + 0.0555073358f;
    EACH p[i] = p[i] * f[i] + 0.240222424f;
    EACH p[i] = p[i] * f[i] + 0.693147004f;
    EACH p[i] = p[i] * f[i] + 1.0f;
    EACH x[i] = p[i] * bits<floats>(bits<ints>(shifted[i]) << 23);
}

// One step of minGRU with the log-safe candidate: k, v and h_{t-1} → h_t = sigma(-k) h_{t-1} + sigma(k) g(v).
//
// With e = exp(-k), sigma(k) = 1/(1+e) and sigma(-k) = e/(1+e): neither is one minus the other. With
// w = exp(min(v, 0)), g(v) = (w + 2 max(v, 0))/(1+w) on both sides of zero. So
//     h_t = [ e (1+w) h_{t-1} + w + 2 max(v, 0) ] / [ (1+e)(1+w) ]
// two exponentials and one division. |k| and -v stop at LIMIT: e (1+w) h stays finite for any |h| < 1e12, and the gate
// that should be smaller than e^-60 = 9e-27 adds that much of c or of h, 19 digits below the last one of the other.
template <int N>
INLINE void mingru_step(const floats (&k)[N], const floats (&v)[N], floats (&h)[N]) {
    constexpr float LIMIT = 60.0f;
    floats e[N], w[N], rectified[N];
    EACH e[i] = -at_most(at_least(k[i], -LIMIT), LIMIT);
    EACH w[i] = at_least(at_most(v[i], 0.0f), -LIMIT);
    EACH rectified[i] = at_least(v[i], 0.0f);
    exponential(e);
    exponential(w);
    EACH {
        const floats fresh = rectified[i] * 2.0f + w[i];
        w[i] = w[i] + 1.0f;
        h[i] = e[i] * w[i] * h[i] + fresh;
        e[i] = (e[i] + 1.0f) * w[i];
    }
    EACH h[i] = h[i] / e[i];
}

#undef EACH
