// SRU's second version with gates and highway inside the walk, on the CPU's vector units: either way in time, and back.
//
// Idea: as sru_scan/56_walk.cpp; the gates see the state that is in a register anyway. Backwards the gradients of its
// weights are summed in L1 as the walk passes, and sequences meet at the end, in order.
//
// Traffic: k, v, r, x once in, h and c once out: 6E bytes per element, 8E with ordinary stores; backwards k, v, r, x,
// gh and c in, four gradients out: 10E, 14E with ordinary stores.
// Improves (simd): time, against torch's eight operations per step.
// Improves (streaming): time, by a quarter at most forwards and by two sevenths back.
#include "curve.hpp"

namespace {

// e^x for each; sigma(x) is e / (1 + e).
INLINE void clamped_exponential(const Vectors &x, Vectors &e) {
    EACH e[i] = at_most(at_least(x[i], -GATE_LIMIT), GATE_LIMIT);
    exponential(e);
}

struct Sru2 {
    static constexpr int READ = 4, WRITTEN = 2, WEIGHTS = HAS_MASK + 2, SUMS = 0;
    static constexpr bool BEFORE = false;

    static INLINE void step(Values<Sru2> &at) {
        Vectors e_k, e_r, y, slope;
        EACH {
            e_k[i] = -(at.in[0][i] + at.weight[HAS_MASK][i] * at.state[i]);
            e_r[i] = at.in[2][i] + at.weight[HAS_MASK + 1][i] * at.state[i];
        }
        clamped_exponential(e_k, e_k);
        clamped_exponential(e_r, e_r);
        EACH at.state[i] = at.out[1][i] = (e_k[i] * at.state[i] + at.in[1][i]) / (e_k[i] + 1.0f);
        masked_curve(at.state, at.weight, y, slope);
        EACH at.out[0][i] = (e_r[i] * y[i] + at.in[3][i]) / (e_r[i] + 1.0f);
    }
};

struct Sru2Back {
    static constexpr int READ = 5, WRITTEN = 4, WEIGHTS = HAS_MASK + 2, SUMS = 2;
    static constexpr bool BEFORE = true;

    static INLINE void step(Values<Sru2Back> &at) {
        Vectors e_k, e_r, c, y, slope, z, not_s;
        EACH {
            e_k[i] = -(at.in[0][i] + at.weight[HAS_MASK][i] * at.before[i]);
            e_r[i] = at.in[2][i] + at.weight[HAS_MASK + 1][i] * at.before[i];
        }
        clamped_exponential(e_k, e_k);
        clamped_exponential(e_r, e_r);
        EACH {
            z[i] = splat(1.0f) / (e_k[i] + 1.0f), not_s[i] = splat(1.0f) / (e_r[i] + 1.0f);
            c[i] = (e_k[i] * at.before[i] + at.in[1][i]) * z[i];
        }
        masked_curve(c, at.weight, y, slope);
        EACH {
            const floats a = e_k[i] * z[i], gh_s = at.in[4][i] * (e_r[i] * not_s[i]);
            const floats lambda = gh_s * slope[i] + at.state[i];
            const floats dk = lambda * (at.in[1][i] - at.before[i]) * (a * z[i]);
            const floats dr = gh_s * not_s[i] * (y[i] - at.in[3][i]);
            at.out[0][i] = dk;
            at.out[1][i] = lambda * z[i];
            at.out[2][i] = dr;
            at.out[3][i] = at.in[4][i] * not_s[i];
            at.state[i] = a * lambda + at.weight[HAS_MASK][i] * dk + at.weight[HAS_MASK + 1][i] * dr;
            at.sum[0][i] = at.sum[0][i] + dk * at.before[i];
            at.sum[1][i] = at.sum[1][i] + dr * at.before[i];
        }
    }
};

}  // namespace

// k, v, r: rows of (B, T, parts, H) io_t, x a row of (B, T, highway_rows, H); with DROPOUT m (B, H), always w_k, w_r
// (H), c0 (B, H) float32; h, c rows of (B, T, directions, H) io_t; c_last (B, H) float32; marks (B, T) bytes or null
// (time_walk.hpp).
extern "C" void sru2_scan_walk(const io_t *k, const io_t *v, const io_t *r, const io_t *x, MASK_GIVEN const float *w_k,
                               const float *w_r, const float *c0, io_t *h, io_t *c, float *c_last, index_t B, index_t T,
                               index_t H, index_t from_the_end, const uint8_t *marks, index_t threads, index_t parts,
                               index_t directions, index_t highway_rows) {
    walk_cell<Sru2>({{{k, parts}, {v, parts}, {r, parts}, {x, highway_rows}}, {{h, directions}, {c, directions}},
                     c0, c_last, {}, nullptr, {MASK_ROW {w_k, 0}, {w_r, 0}}, nullptr, marks},
                    B, T, H, from_the_end, threads);
}

// The same, c as it was kept, gh like h, gc_last (B, H) float32. Written: dk, dv, dr, dx like k, v, r, x; dc0 (B, H)
// and sums (B, 2, H) float32, of dk c_{t-1} and dr c_{t-1}.
extern "C" void sru2_scan_walk_backward(const io_t *k, const io_t *v, const io_t *r, const io_t *x, const io_t *gh,
                                        MASK_GIVEN const float *w_k, const float *w_r, const io_t *c, const float *c0,
                                        const float *gc_last, io_t *dk, io_t *dv, io_t *dr, io_t *dx, float *dc0,
                                        index_t B, index_t T, index_t H, index_t from_the_end, const uint8_t *marks,
                                        index_t threads, index_t parts, index_t directions, index_t highway_rows,
                                        float *sums) {
    walk_cell<Sru2Back>({{{k, parts}, {v, parts}, {r, parts}, {x, highway_rows}, {gh, directions}},
                         {{dk, parts}, {dv, parts}, {dr, parts}, {dx, highway_rows}}, gc_last, dc0, {c, directions}, c0,
                         {MASK_ROW {w_k, 0}, {w_r, 0}}, sums, marks},
                        B, T, H, from_the_end, threads);
}

// sums (B, count) float32 -> dw (count).
extern "C" void sru2_scan_sum(const float *sums, float *dw, index_t B, index_t count) {
    for (index_t i = 0; i < count; ++i) {
        float total = 0.0f;
        for (index_t sequence = 0; sequence < B; ++sequence) total += sums[sequence * count + i];
        dw[i] = total;
    }
}
