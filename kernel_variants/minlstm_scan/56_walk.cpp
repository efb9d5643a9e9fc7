// minLSTM with its gates inside the scan, on the CPU's vector units: forwards, and back.
//
// Idea: as gated_scan/56_simd.cpp, over include/cell_walk.hpp. Of the two sigmas, their quotient and the candidate four
// exponentials and one division are left:
//
//     w_f = 1 + exp(-k_f), w_i = 1 + exp(-k_i), both times exp(lower logit) where that is negative
//     h_t = [ w_i (1+w) h_{t-1} + w_f (w + 2 max(v, 0)) ] / [ (w_f + w_i) (1+w) ]        w = exp(min(v, 0))
//
// Traffic: k_f, k_i, v once in, h once out: 4E bytes per element, 5E with ordinary stores; backwards k_f, k_i, v, gh
// and h in, three gradients out: 8E, 11E with ordinary stores.
// Improves (simd): bytes, by all that eager gates write and read again.
// Improves (streaming): time, by a fifth at most: behind the bandwidth, the exponentials per element are the limit.
#include "cell_walk.hpp"

namespace {

// w_f and w_i of the head comment. Exponents are differences of logits, at most 0.
struct Normalised {
    Vectors w_f, w_i;

    INLINE Normalised(const Vectors &k_f, const Vectors &k_i) {
        Vectors one;
        EACH {
            const floats lower = k_f[i] < k_i[i] ? k_f[i] : k_i[i];
            one[i] = at_most(lower, 0.0f);
            w_f[i] = at_least(one[i] - k_f[i], -GATE_LIMIT);
            w_i[i] = at_least(one[i] - k_i[i], -GATE_LIMIT);
            one[i] = at_least(one[i], -GATE_LIMIT);
        }
        exponential(one);
        exponential(w_f);
        exponential(w_i);
        EACH w_f[i] = w_f[i] + one[i], w_i[i] = w_i[i] + one[i];
    }
};

struct MinLstm {
    static constexpr int READ = 3, WRITTEN = 1, WEIGHTS = 0, SUMS = 0;
    static constexpr bool BEFORE = false;

    static INLINE void step(Values<MinLstm> &at) {
        const Normalised gate(at.in[0], at.in[1]);
        Vectors w;
        EACH w[i] = at_least(at_most(at.in[2][i], 0.0f), -GATE_LIMIT);
        exponential(w);
        EACH {
            const floats fresh = at_least(at.in[2][i], 0.0f) * 2.0f + w[i], one = w[i] + 1.0f;
            const floats both = (gate.w_f[i] + gate.w_i[i]) * one;
            at.state[i] = (gate.w_i[i] * one * at.state[i] + gate.w_f[i] * fresh) / both;
            at.out[0][i] = at.state[i];
        }
    }
};

struct MinLstmBack {
    static constexpr int READ = 4, WRITTEN = 3, WEIGHTS = 0, SUMS = 0;
    static constexpr bool BEFORE = true;

    static INLINE void step(Values<MinLstmBack> &at) {
        const Normalised gate(at.in[0], at.in[1]);
        Vectors w, e_f, e_i;
        EACH {
            w[i] = at_least(at_most(at.in[2][i], 0.0f), -GATE_LIMIT);
            e_f[i] = at_most(at_least(at.in[0][i], -GATE_LIMIT), GATE_LIMIT);
            e_i[i] = at_most(at_least(at.in[1][i], -GATE_LIMIT), GATE_LIMIT);
        }
        exponential(w);
        exponential(e_f);
        exponential(e_i);
        EACH {
            const floats inverse = splat(1.0f) / (gate.w_f[i] + gate.w_i[i]), inverse_w = splat(1.0f) / (w[i] + 1.0f);
            const floats a = gate.w_i[i] * inverse, z = gate.w_f[i] * inverse;
            const floats v = at.in[2][i], c = (w[i] + 2.0f * at_least(v, 0.0f)) * inverse_w;
            const floats lambda = at.in[3][i] + at.state[i];
            const floats to_gates = lambda * (at.before[i] - c) * (a * z);
            at.out[0][i] = to_gates / (e_f[i] + 1.0f);
            at.out[1][i] = -to_gates / (e_i[i] + 1.0f);
            at.out[2][i] = lambda * z * (v < 0.0f ? w[i] * inverse_w * inverse_w : splat(1.0f));
            at.state[i] = a * lambda;
        }
    }
};

}  // namespace

// k_f, k_i, v: the parts of (B, T, 3, H) io_t; h0 (B, H) float32 or null; h (B, T, H) io_t; h_last (B, H) float32;
// marks (B, T) bytes or null (time_walk.hpp).
extern "C" void minlstm_scan_walk(const io_t *k_f, const io_t *k_i, const io_t *v, const float *h0, io_t *h,
                                  float *h_last, index_t B, index_t T, index_t H, index_t from_the_end,
                                  const uint8_t *marks, index_t threads) {
    walk_cell<MinLstm>({{{k_f, 3}, {k_i, 3}, {v, 3}}, {{h, 1}}, h0, h_last, {}, nullptr, {}, nullptr, marks}, B, T, H,
                       from_the_end, threads);
}

// h (B, T, H), gh (B, T, H) io_t; gh_last (B, H) float32 or null. Written: the gradients of k_f, k_i and v, parts of
// (B, T, 3, H) io_t, and dh0 (B, H) float32.
extern "C" void minlstm_scan_walk_backward(const io_t *k_f, const io_t *k_i, const io_t *v, const io_t *gh,
                                           const io_t *h, const float *h0, const float *gh_last, io_t *dk_f, io_t *dk_i,
                                           io_t *dv, float *dh0, index_t B, index_t T, index_t H, index_t from_the_end,
                                           const uint8_t *marks, index_t threads) {
    walk_cell<MinLstmBack>({{{k_f, 3}, {k_i, 3}, {v, 3}, {gh, 1}}, {{dk_f, 3}, {dk_i, 3}, {dv, 3}}, gh_last, dh0,
                            {h, 1}, h0, {}, nullptr, marks},
                           B, T, H, from_the_end, threads);
}
