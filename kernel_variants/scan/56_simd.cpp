// Serial in time, vectors over channels, every core.
//
// Idea: channels are independent, so a vector instruction steps as many as it has lanes, and a thread owns a slice of
// channels of one sequence for all time. Whole rows a thread wherever there are sequences enough: it then reads two
// streams and writes one, each linear. The state stays in L1.
//
// Traffic: as 55_scalar.cpp, 8 + 2E bytes per element.
// Improves: GB/s, to what ordinary stores reach (the plain triad); the arithmetic is no limit any more.
#include "scan_line.hpp"
#include "slices.hpp"

// a, b (B, T, H) float32; h0 (B, H) float32 or null; h (B, T, H) io_t; h_last (B, H) float32.
extern "C" void scan_simd(const float *a, const float *b, const float *h0, io_t *h, float *h_last,
                          index_t B, index_t T, index_t H) {
    for_each_slice(B, H, [=](index_t sequence, index_t first, index_t width) {
        alignas(LINE_BYTES) float state[SLICE];
        load_state(state, h0, sequence * H + first, width);
        index_t row = sequence * T * H + first;
        for (index_t t = 0; t < T; ++t, row += H) {
            index_t i = 0;
            for (; i + LINE <= width; i += LINE) store_line(h + row + i, step(a + row + i, b + row + i, state + i));
            if (i < width) step_part(a + row + i, b + row + i, state + i, h + row + i, width - i);
        }
        std::memcpy(h_last + sequence * H + first, state, width * sizeof(float));
    });
}
