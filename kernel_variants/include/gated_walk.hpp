// Steps of a gated cell and their gradients, on lines of channels: what scans with gates inside share.
//
//     z = sigma(k)    a = sigma(-k)    h_t = a h_{t-1} + z c        k = k_t, or k_t + w h_{t-1} (RECURRENT)
//     c = g(v), the log-safe candidate, or v itself (LINEAR)
//
// RECURRENT is a cell whose gate also sees its own channel of the state (SRU's second version): serial in time on the
// way forward; on the way back it is a linear scan like the others, whose decay is a + w z a (c - h_{t-1}).
#pragma once

#include "exponential.hpp"
#include "time_walk.hpp"

// Vectors that go through the exponentials together.
constexpr int GROUP = VECTORS < 2 ? 1 : 2;

#define EACH for (int i = 0; i < GROUP; ++i)

constexpr float GATE_LIMIT = 60.0f;  // see mingru_step: e^-60 is 19 digits below what it is added to

template <bool LINEAR, bool RECURRENT>
INLINE Line gated_step(const io_t *k, const io_t *v, const float *w, float *state) {
    Line line;
    for (int first = 0; first < VECTORS; first += GROUP) {
        floats gate[GROUP], c[GROUP], h[GROUP];
        EACH {
            const int at = (first + i) * LANES;
            gate[i] = load_io(k + at), c[i] = load_io(v + at), h[i] = load(state + at);
            if (RECURRENT) gate[i] = gate[i] + load(w + at) * h[i];
        }
        if constexpr (LINEAR) {
            EACH gate[i] = -at_most(at_least(gate[i], -GATE_LIMIT), GATE_LIMIT);
            exponential(gate);
            EACH h[i] = (gate[i] * h[i] + c[i]) / (gate[i] + 1.0f);
        } else {
            mingru_step(gate, c, h);
        }
        EACH store(state + (first + i) * LANES, line.v[first + i] = h[i]);
    }
    return line;
}

struct GateGradients {
    Line k, v;
};

// `before` is h_{t-1} (io_t or float); gh may be null. carry: what later steps add to the gradient of h_t; on return what
// this step and later ones add to that of h_{t-1}. w_sum collects the gradient of w.
template <bool LINEAR, bool RECURRENT, class Before>
INLINE GateGradients gated_step_back(const io_t *k, const io_t *v, const Before &before, const io_t *gh, const float *w,
                                     float *carry, float *w_sum) {
    GateGradients out;
    for (int first = 0; first < VECTORS; first += GROUP) {
        floats e[GROUP], c[GROUP], h[GROUP], z[GROUP], slope[GROUP];
        EACH {
            const int at = (first + i) * LANES;
            e[i] = load_io(k + at), c[i] = load_io(v + at), h[i] = before(at);
            if (RECURRENT) e[i] = e[i] + load(w + at) * h[i];
            e[i] = -at_most(at_least(e[i], -GATE_LIMIT), GATE_LIMIT);
        }
        exponential(e);
        if constexpr (LINEAR) {
            EACH z[i] = splat(1.0f) / (e[i] + 1.0f);
        } else {
            floats f[GROUP];
            EACH f[i] = at_least(at_most(c[i], 0.0f), -GATE_LIMIT);
            exponential(f);
            EACH {
                const floats one_e = e[i] + 1.0f, one_f = f[i] + 1.0f;
                const floats quotient = splat(1.0f) / (one_e * one_f);
                const floats inverse_f = quotient * one_e, value = c[i];
                z[i] = quotient * one_f;
                c[i] = (f[i] + 2.0f * at_least(value, 0.0f)) * inverse_f;
                slope[i] = value < 0.0f ? f[i] * inverse_f * inverse_f : splat(1.0f);
            }
        }
        EACH {
            const int at = (first + i) * LANES;
            const floats decay = e[i] * z[i];
            floats gradient = load(carry + at);
            if (gh) gradient = gradient + load_io(gh + at);
            const floats to_v = gradient * z[i];
            const floats to_k = to_v * decay * (c[i] - h[i]);
            floats next = gradient * decay;
            if (RECURRENT) {
                next = next + load(w + at) * to_k;
                store(w_sum + at, load(w_sum + at) + to_k * h[i]);
            }
            store(carry + at, next);
            out.k.v[first + i] = to_k;
            out.v.v[first + i] = LINEAR ? to_v : to_v * slope[i];
        }
    }
    return out;
}

#undef EACH
