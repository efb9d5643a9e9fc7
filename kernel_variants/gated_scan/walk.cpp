// The scan with its gates inside as a layer needs it: streaming.cpp's walk for either candidate, gates that may see the
// state, either direction of time, sequences that start anew or end early.
//
// Idea: what distinguishes a step (start anew, padding) is asked once a row, so that channels pay nothing for it.
// Traffic: k, v once in, h once out, 3E an element; where h is small enough to be read from a cache by whoever comes next
// it is stored there (`past_caches` = 0).
#include "gated_walk.hpp"

namespace {

template <bool LINEAR, bool RECURRENT, bool PAST_CACHES>
void row(const io_t *k, const io_t *v, const float *w, float *state, io_t *h, index_t width, index_t ahead) {
    index_t i = 0;
    for (; i + LINE <= width; i += LINE) {
        __builtin_prefetch(k + i + ahead), __builtin_prefetch(v + i + ahead);
        put_line<PAST_CACHES>(h + i, gated_step<LINEAR, RECURRENT>(k + i, v + i, w + i, state + i));
    }
    if (i < width) {
        const size_t bytes = (width - i) * sizeof(io_t);
        io_t part_k[LINE] = {}, part_v[LINE] = {}, part_h[LINE];
        std::memcpy(part_k, k + i, bytes);
        std::memcpy(part_v, v + i, bytes);
        store_line(part_h, gated_step<LINEAR, RECURRENT>(part_k, part_v, w + i, state + i));
        std::memcpy(h + i, part_h, bytes);
    }
}

template <bool LINEAR, bool RECURRENT, bool PAST_CACHES>
void walk(const io_t *kv, const float *h0, const float *w, const uint8_t *marks, io_t *h, float *h_last, index_t B,
          index_t T, index_t H, index_t reverse, index_t threads) {
    for_each_walk(B, T, H, threads, [=](index_t sequence, index_t first, index_t width) {
        alignas(LINE_BYTES) float state[SLICE], weight[RECURRENT ? SLICE : LINE];
        if (width % LINE) std::memset(state + width / LINE * LINE, 0, LINE * sizeof(float));
        load_state(state, h0, sequence * H + first, width);
        if (RECURRENT) {
            std::memset(weight, 0, sizeof weight);
            std::memcpy(weight, w + first, width * sizeof(float));
        }
        const index_t ahead = 2 * elements_ahead(width, H, reverse);
        const Steps steps = steps_of(marks, sequence, T, reverse);
        for (index_t step = 0; step < T; ++step) {
            const index_t at = sequence * T + steps.at(step);
            const io_t *k = kv + at * 2 * H + first;
            io_t *out = h + at * H + first;
            const uint8_t mark = steps.mark(step);
            if (mark == SKIPPED) {
                std::memset(out, 0, width * sizeof(io_t));
                continue;
            }
            if (mark == START_ANEW) std::memset(state, 0, width * sizeof(float));
            row<LINEAR, RECURRENT, PAST_CACHES>(k, k + H, weight, state, out, width, ahead);
        }
        std::memcpy(h_last + sequence * H + first, state, width * sizeof(float));
        if (PAST_CACHES) fence_streams();
    });
}

}  // namespace

// kv (B, T, 2, H) io_t; h0 (B, H) float32 or null; w (H) float32 or null (it goes with `linear`); marks (B, T) bytes or
// null (time_walk.hpp); h (B, T, H) io_t; h_last (B, H) float32.
extern "C" void gated_scan_walk(const io_t *kv, const float *h0, const float *w, const uint8_t *marks, io_t *h,
                                float *h_last, index_t B, index_t T, index_t H, index_t reverse, index_t linear,
                                index_t past_caches, index_t threads) {
    const bool streams = past_caches && in_whole_lines(h, H);
    const auto run = w        ? (streams ? walk<true, true, true> : walk<true, true, false>)
                     : linear ? (streams ? walk<true, false, true> : walk<true, false, false>)
                              : (streams ? walk<false, false, true> : walk<false, false, false>);
    run(kv, h0, w, marks, h, h_last, B, T, H, reverse, threads);
}
