// The scan as a layer needs it: streaming.cpp's walk in either direction of time, over sequences that start anew or end
// early. A step's mark is asked for once a row, so that channels pay nothing for it.
//
// Traffic: a, b once in, h once out.
#include "scan_line.hpp"
#include "time_walk.hpp"

namespace {

template <bool PAST_CACHES>
void walk(const float *a, const float *b, const float *h0, const uint8_t *marks, io_t *h, float *h_last, index_t B,
          index_t T, index_t H, index_t reverse, index_t threads) {
    for_each_walk(B, T, H, threads, [=](index_t sequence, index_t first, index_t width) {
        alignas(LINE_BYTES) float state[SLICE];
        load_state(state, h0, sequence * H + first, width);
        const Steps steps = steps_of(marks, sequence, T, reverse);
        for (index_t step = 0; step < T; ++step) {
            const index_t row = (sequence * T + steps.at(step)) * H + first;
            const uint8_t mark = steps.mark(step);
            if (mark == SKIPPED) {
                std::memset(h + row, 0, width * sizeof(io_t));
                continue;
            }
            if (mark == START_ANEW) std::memset(state, 0, width * sizeof(float));
            index_t i = 0;
            for (; i + LINE <= width; i += LINE)
                put_line<PAST_CACHES>(h + row + i, ::step(a + row + i, b + row + i, state + i));
            if (i < width) step_part(a + row + i, b + row + i, state + i, h + row + i, width - i);
        }
        std::memcpy(h_last + sequence * H + first, state, width * sizeof(float));
        if (PAST_CACHES) fence_streams();
    });
}

}  // namespace

// a, b (B, T, H) float32; h0 (B, H) float32 or null; marks (B, T) bytes or null (time_walk.hpp); h (B, T, H) io_t;
// h_last (B, H) float32.
extern "C" void scan_walk(const float *a, const float *b, const float *h0, const uint8_t *marks, io_t *h, float *h_last,
                          index_t B, index_t T, index_t H, index_t reverse, index_t past_caches, index_t threads) {
    (past_caches && in_whole_lines(h, H) ? walk<true> : walk<false>)(a, b, h0, marks, h, h_last, B, T, H, reverse,
                                                                     threads);
}
