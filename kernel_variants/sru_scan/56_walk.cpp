// SRU's first version with gates and highway inside the scan, on the CPU's vector units: either way in time, and back.
//
// Idea: as gated_scan/56_simd.cpp, over include/cell_walk.hpp. The highway is an epilogue of the state that is in a
// register anyway; backwards c_t is made of c_{t-1} again, so that one row of states is read.
//
// Traffic: k, v, r, x once in, h and c once out: 6E bytes per element, 8E with ordinary stores; backwards k, v, r, x,
// gh and c in, four gradients out: 10E, 14E with ordinary stores.
// Improves (simd): bytes, by all that eager gates and highway write and read again.
// Improves (streaming): time, by a quarter at most, forwards, and by two sevenths back.
#include "curve.hpp"

namespace {

// e^x for each; sigma(x) is e / (1 + e).
INLINE void clamped_exponential(const Vectors &x, Vectors &e) {
    EACH e[i] = at_most(at_least(x[i], -GATE_LIMIT), GATE_LIMIT);
    exponential(e);
}

struct Sru {
    static constexpr int READ = 4, WRITTEN = 2, WEIGHTS = HAS_MASK, SUMS = 0;
    static constexpr bool BEFORE = false;

    static INLINE void step(Values<Sru> &at) {
        Vectors e_k, e_r, y, slope;
        EACH e_k[i] = -at.in[0][i];
        clamped_exponential(e_k, e_k);
        clamped_exponential(at.in[2], e_r);
        EACH at.state[i] = at.out[1][i] = (e_k[i] * at.state[i] + at.in[1][i]) / (e_k[i] + 1.0f);
        masked_curve(at.state, at.weight, y, slope);
        EACH at.out[0][i] = (e_r[i] * y[i] + at.in[3][i]) / (e_r[i] + 1.0f);
    }
};

struct SruBack {
    static constexpr int READ = 5, WRITTEN = 4, WEIGHTS = HAS_MASK, SUMS = 0;
    static constexpr bool BEFORE = true;

    static INLINE void step(Values<SruBack> &at) {
        Vectors e_k, e_r, c, y, slope, z, not_s;
        EACH e_k[i] = -at.in[0][i];
        clamped_exponential(e_k, e_k);
        clamped_exponential(at.in[2], e_r);
        EACH {
            z[i] = splat(1.0f) / (e_k[i] + 1.0f), not_s[i] = splat(1.0f) / (e_r[i] + 1.0f);
            c[i] = (e_k[i] * at.before[i] + at.in[1][i]) * z[i];
        }
        masked_curve(c, at.weight, y, slope);
        EACH {
            const floats a = e_k[i] * z[i], gh_s = at.in[4][i] * (e_r[i] * not_s[i]);
            const floats lambda = gh_s * slope[i] + at.state[i];
            at.out[0][i] = lambda * (at.in[1][i] - at.before[i]) * (a * z[i]);
            at.out[1][i] = lambda * z[i];
            at.out[2][i] = gh_s * not_s[i] * (y[i] - at.in[3][i]);
            at.out[3][i] = at.in[4][i] * not_s[i];
            at.state[i] = a * lambda;
        }
    }
};

}  // namespace

// k, v, r: rows of (B, T, parts, H) io_t, x a row of (B, T, highway_rows, H); with DROPOUT m and always c0 (B, H)
// float32; h, c rows of (B, T, directions, H) io_t; c_last (B, H) float32; marks (B, T) bytes or null (time_walk.hpp).
extern "C" void sru_scan_walk(const io_t *k, const io_t *v, const io_t *r, const io_t *x, MASK_GIVEN const float *c0,
                              io_t *h, io_t *c, float *c_last, index_t B, index_t T, index_t H, index_t from_the_end,
                              const uint8_t *marks, index_t threads, index_t parts, index_t directions,
                              index_t highway_rows) {
    walk_cell<Sru>({{{k, parts}, {v, parts}, {r, parts}, {x, highway_rows}}, {{h, directions}, {c, directions}},
                    c0, c_last, {}, nullptr, {MASK_ROW}, nullptr, marks},
                   B, T, H, from_the_end, threads);
}

// The same, c as it was kept, gh like h, gc_last (B, H) float32. Written: dk, dv, dr, dx like k, v, r, x; dc0 (B, H)
// float32.
extern "C" void sru_scan_walk_backward(const io_t *k, const io_t *v, const io_t *r, const io_t *x, const io_t *gh,
                                       MASK_GIVEN const io_t *c, const float *c0, const float *gc_last, io_t *dk,
                                       io_t *dv, io_t *dr, io_t *dx, float *dc0, index_t B, index_t T, index_t H,
                                       index_t from_the_end, const uint8_t *marks, index_t threads, index_t parts,
                                       index_t directions, index_t highway_rows) {
    walk_cell<SruBack>({{{k, parts}, {v, parts}, {r, parts}, {x, highway_rows}, {gh, directions}},
                        {{dk, parts}, {dv, parts}, {dr, parts}, {dx, highway_rows}}, gc_last, dc0, {c, directions}, c0,
                        {MASK_ROW}, nullptr, marks},
                       B, T, H, from_the_end, threads);
}
