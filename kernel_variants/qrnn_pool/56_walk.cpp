// QRNN's pooling with its gates inside the scan, on the CPU's vector units: forwards, and back.
//
// Idea: as gated_scan/56_simd.cpp, over include/cell_walk.hpp, for the kind of pooling that POOL_ROWS says
// (cell_qrnn.cuh).
//
// Traffic: of fo-pooling k, v, o once in, h and c once out: 5E bytes per element, 7E with ordinary stores; backwards
// k, v, o, gh and c in, three gradients out: 8E, 11E with ordinary stores.
// Improves (simd): bytes, by all that eager gates write and read again.
// Improves (streaming): time, by two sevenths at most: behind the bandwidth, the exponentials are the limit.
#define TANH
#include "curve.hpp"

#if !defined(POOL_ROWS)
#define POOL_ROWS 3
#endif

namespace {

constexpr bool HAS_O = POOL_ROWS > 2, HAS_I = POOL_ROWS > 3;

// sigma(x) and sigma(-x) of one exponential: neither is one minus the other.
INLINE void sigmas(const Vectors &x, Vectors &open, Vectors &closed) {
    EACH open[i] = at_most(at_least(x[i], -GATE_LIMIT), GATE_LIMIT);
    exponential(open);
    EACH closed[i] = splat(1.0f) / (open[i] + 1.0f);
    EACH open[i] = open[i] * closed[i];
}

struct Qrnn {
    static constexpr int READ = POOL_ROWS, WRITTEN = HAS_O ? 2 : 1, WEIGHTS = 0, SUMS = 0;
    static constexpr bool BEFORE = false;

    static INLINE void step(Values<Qrnn> &at) {
        Vectors a, write, t, slope, o, closed;
        sigmas(at.in[0], write, a);
        if constexpr (HAS_I) sigmas(at.in[POOL_ROWS - 1], write, closed);
        curve(at.in[1], t, slope);
        EACH at.state[i] = a[i] * at.state[i] + write[i] * t[i];
        if constexpr (HAS_O) {
            sigmas(at.in[POOL_ROWS > 2 ? 2 : 0], o, closed);
            EACH at.out[0][i] = o[i] * at.state[i], at.out[WRITTEN - 1][i] = at.state[i];
        } else {
            EACH at.out[0][i] = at.state[i];
        }
    }
};

struct QrnnBack {
    static constexpr int READ = POOL_ROWS + 1, WRITTEN = POOL_ROWS, WEIGHTS = 0, SUMS = 0;
    static constexpr bool BEFORE = true;

    static INLINE void step(Values<QrnnBack> &at) {
        Vectors a, z, write, not_write, t, slope, o, not_o;
        sigmas(at.in[0], z, a);
        curve(at.in[1], t, slope);
        if constexpr (HAS_I)
            sigmas(at.in[POOL_ROWS - 1], write, not_write);
        else
            EACH write[i] = z[i];
        if constexpr (HAS_O) sigmas(at.in[2], o, not_o);
        EACH {
            const floats gh = at.in[POOL_ROWS][i], src = HAS_O ? gh * o[i] : gh, lambda = src + at.state[i];
            at.out[0][i] = lambda * ((HAS_I ? floats{} : t[i]) - at.before[i]) * (a[i] * z[i]);
            at.out[1][i] = lambda * write[i] * slope[i];
            if constexpr (HAS_O) at.out[2][i] = src * not_o[i] * (a[i] * at.before[i] + write[i] * t[i]);
            if constexpr (HAS_I) at.out[POOL_ROWS - 1][i] = lambda * t[i] * (write[i] * not_write[i]);
            at.state[i] = a[i] * lambda;
        }
    }
};

}  // namespace

// k, v and, with POOL_ROWS, o and i: rows of (B, T, POOL_ROWS, H) io_t; c0 (B, H) float32; h and, with o, c (B, T, H)
// io_t; c_last (B, H) float32; marks (B, T) bytes or null (time_walk.hpp). Backwards gh like h and c as it was kept,
// gc_last (B, H) float32; written are the rows' gradients and dc0.
#if POOL_ROWS == 2
#define ROWS_OF(ROW) ROW(k), ROW(v)
#define STATES_OF {h, 1}
#define STATES_GIVEN io_t *h
#elif POOL_ROWS == 3
#define ROWS_OF(ROW) ROW(k), ROW(v), ROW(o)
#define STATES_OF {h, 1}, {c, 1}
#define STATES_GIVEN io_t *h, io_t *c
#else
#define ROWS_OF(ROW) ROW(k), ROW(v), ROW(o), ROW(enter)
#define STATES_OF {h, 1}, {c, 1}
#define STATES_GIVEN io_t *h, io_t *c
#endif
#define READ_ROW(name) const io_t *name
#define WRITTEN_ROW(name) io_t *to_##name
#define A_ROW(name) {name, POOL_ROWS}
#define A_GRADIENT(name) {to_##name, POOL_ROWS}

extern "C" void qrnn_pool_walk(ROWS_OF(READ_ROW), const float *c0, STATES_GIVEN, float *c_last, index_t B, index_t T,
                               index_t H, index_t from_the_end, const uint8_t *marks, index_t threads) {
    walk_cell<Qrnn>({{ROWS_OF(A_ROW)}, {STATES_OF}, c0, c_last, {}, nullptr, {}, nullptr, marks}, B, T, H,
                    from_the_end, threads);
}

extern "C" void qrnn_pool_walk_backward(ROWS_OF(READ_ROW), const io_t *gh, const io_t *c, const float *c0,
                                        const float *gc_last, ROWS_OF(WRITTEN_ROW), float *dc0, index_t B, index_t T,
                                        index_t H, index_t from_the_end, const uint8_t *marks, index_t threads) {
    walk_cell<QrnnBack>({{ROWS_OF(A_ROW), {gh, 1}}, {ROWS_OF(A_GRADIENT)}, gc_last, dc0, {c, 1}, c0, {}, nullptr,
                         marks},
                        B, T, H, from_the_end, threads);
}
