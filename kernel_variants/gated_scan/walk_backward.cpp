// Backwards through the scan with its gates inside: gradients of k, v, h0 (and w) from those of h and h_last.
//
// Idea: with m the gradient that reaches h_{t-1} through step t, the gradient of h_t is gh_t + m_{t+1}, and m_t is the
// decay times it: a linear scan over flipped time whose carry needs no neighbour's decay. The gates are computed again
// from k and v, so that a and b are neither kept nor read, and h_{t-1} is a row of what forward wrote.
//
// Traffic: k, v, h, gh once in, dk, dv once out: 6E per element, the least of any that keeps h.
// Improves (simd): bytes, from the 13E of gates and scan apart to 8E: ordinary stores read what they overwrite.
// Improves (streaming): time, by a quarter at most: behind the bandwidth come the two exponentials an element.
#include "gated_walk.hpp"

namespace {

struct OfOutput {
    const io_t *h;
    INLINE floats operator()(index_t at) const { return load_io(h + at); }
    INLINE float one(index_t at) const { return load_io_one(h + at); }
    INLINE void prefetch(index_t at) const { __builtin_prefetch(h + at); }
};

struct OfState {
    const float *state;
    INLINE floats operator()(index_t at) const { return state ? load(state + at) : floats{}; }
    INLINE float one(index_t at) const { return state ? state[at] : 0.0f; }
    INLINE void prefetch(index_t) const {}
};

template <bool LINEAR, bool RECURRENT, bool PAST_CACHES, class Before>
void row(const io_t *k, const io_t *v, const Before &before, const io_t *gh, const float *w, float *carry, float *w_sum,
         io_t *dk, io_t *dv, index_t width, index_t ahead) {
    index_t i = 0;
    for (; i + LINE <= width; i += LINE) {
        __builtin_prefetch(k + i + 2 * ahead), __builtin_prefetch(v + i + 2 * ahead);
        if (gh) __builtin_prefetch(gh + i + ahead);
        before.prefetch(i + ahead);
        const GateGradients out = gated_step_back<LINEAR, RECURRENT>(
            k + i, v + i, [&](int at) { return before(i + at); }, gh ? gh + i : nullptr, w + i, carry + i, w_sum + i);
        put_line<PAST_CACHES>(dk + i, out.k);
        put_line<PAST_CACHES>(dv + i, out.v);
    }
    if (i < width) {
        const size_t count = width - i;
        io_t part[5][LINE] = {};
        float part_before[LINE] = {};
        std::memcpy(part[0], k + i, count * sizeof(io_t));
        std::memcpy(part[1], v + i, count * sizeof(io_t));
        if (gh) std::memcpy(part[2], gh + i, count * sizeof(io_t));
        for (size_t j = 0; j < count; ++j) part_before[j] = before.one(i + j);
        const GateGradients out = gated_step_back<LINEAR, RECURRENT>(
            part[0], part[1], [&](int at) { return load(part_before + at); }, gh ? part[2] : nullptr, w + i, carry + i,
            w_sum + i);
        store_line(part[3], out.k);
        store_line(part[4], out.v);
        std::memcpy(dk + i, part[3], count * sizeof(io_t));
        std::memcpy(dv + i, part[4], count * sizeof(io_t));
    }
}

template <bool LINEAR, bool RECURRENT, bool PAST_CACHES>
void walk(const io_t *kv, const io_t *h, const float *h0, const float *w, const uint8_t *marks, const io_t *gh,
          const float *gh_last, io_t *dkv, float *dh0, float *dw, index_t B, index_t T, index_t H, index_t reverse,
          index_t threads) {
    for_each_walk(B, T, H, threads, [=](index_t sequence, index_t first, index_t width) {
        alignas(LINE_BYTES) float carry[SLICE], weight[RECURRENT ? SLICE : LINE], w_sum[RECURRENT ? SLICE : LINE];
        if (width % LINE) std::memset(carry + width / LINE * LINE, 0, LINE * sizeof(float));
        load_state(carry, gh_last, sequence * H + first, width);
        if (RECURRENT) {
            std::memset(weight, 0, sizeof weight);
            std::memset(w_sum, 0, sizeof w_sum);
            std::memcpy(weight, w + first, width * sizeof(float));
        }
        const index_t ahead = elements_ahead(width, H, !reverse);
        const Steps steps = steps_of(marks, sequence, T, reverse);
        for (index_t step = T - 1; step >= 0; --step) {
            const index_t at = sequence * T + steps.at(step);
            const io_t *k = kv + at * 2 * H + first, *g = gh ? gh + at * H + first : nullptr;
            io_t *dk = dkv + at * 2 * H + first;
            const uint8_t mark = steps.mark(step);
            if (mark == SKIPPED) {
                std::memset(dk, 0, width * sizeof(io_t));
                std::memset(dk + H, 0, width * sizeof(io_t));
                continue;
            }
            const index_t before = mark == START_ANEW ? -1 : steps.before(step);
            if (before >= 0) {
                const OfOutput rows{h + (sequence * T + steps.at(before)) * H + first};
                row<LINEAR, RECURRENT, PAST_CACHES>(k, k + H, rows, g, weight, carry, w_sum, dk, dk + H, width, ahead);
            } else {
                const OfState rows{mark == START_ANEW || !h0 ? nullptr : h0 + sequence * H + first};
                row<LINEAR, RECURRENT, PAST_CACHES>(k, k + H, rows, g, weight, carry, w_sum, dk, dk + H, width, ahead);
                if (mark == START_ANEW) std::memset(carry, 0, width * sizeof(float));
            }
        }
        std::memcpy(dh0 + sequence * H + first, carry, width * sizeof(float));
        if (RECURRENT) std::memcpy(dw + sequence * H + first, w_sum, width * sizeof(float));
        if (PAST_CACHES) fence_streams();
    });
}

}  // namespace

// kv (B, T, 2, H), h (B, T, H) io_t as forward had and made them; h0 (B, H) float32 or null; w (H) float32 or null (it
// goes with `linear`); marks (B, T) bytes or null; gh (B, T, H) io_t or null; gh_last (B, H) float32 or null. Written:
// dkv (B, T, 2, H) io_t, dh0 (B, H) float32, and with w its gradient a sequence, dw (B, H) float32.
extern "C" void gated_scan_walk_backward(const io_t *kv, const io_t *h, const float *h0, const float *w,
                                         const uint8_t *marks, const io_t *gh, const float *gh_last, io_t *dkv,
                                         float *dh0, float *dw, index_t B, index_t T, index_t H, index_t reverse,
                                         index_t linear, index_t past_caches, index_t threads) {
    const bool streams = past_caches && in_whole_lines(dkv, H);
    const auto run = w        ? (streams ? walk<true, true, true> : walk<true, true, false>)
                     : linear ? (streams ? walk<true, false, true> : walk<true, false, false>)
                              : (streams ? walk<false, false, true> : walk<false, false, false>);
    run(kv, h, h0, w, marks, gh, gh_last, dkv, dh0, dw, B, T, H, reverse, threads);
}
