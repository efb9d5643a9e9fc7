// Serial in time, vectors over channels, h past the caches.
//
// Idea: h is not read again here, so it is written by non-temporal stores of whole 64-byte lines. An ordinary store
// first reads the line that it is about to overwrite, and evicts another one for it.
//
// Traffic: 8 + E bytes per element, the least there is; 56_simd.cpp moves 8 + 2E.
// Improves: time, by that ratio (a quarter in float32), to what the non-temporal triad reaches.
//
// PREFETCH_BYTES: how far ahead in its streams of a and b a thread asks for lines; 0 leaves it to the hardware, whose
// prefetchers like whole linear rows (and dislike being told).
#include "scan_line.hpp"
#include "slices.hpp"

#if !defined(PREFETCH_BYTES)
#define PREFETCH_BYTES 0
#endif

// a, b (B, T, H) float32; h0 (B, H) float32 or null; h (B, T, H) io_t; h_last (B, H) float32.
extern "C" void scan_streaming(const float *a, const float *b, const float *h0, io_t *h, float *h_last,
                               index_t B, index_t T, index_t H) {
    for_each_slice(B, H, [=](index_t sequence, index_t first, index_t width) {
        alignas(LINE_BYTES) float state[SLICE];
        load_state(state, h0, sequence * H + first, width);
        index_t row = sequence * T * H + first;
        const index_t ahead = rows_of_prefetch(PREFETCH_BYTES, width * sizeof(float)) * H;
        for (index_t t = 0; t < T; ++t, row += H) {
            const float *row_a = a + row, *row_b = b + row;
            io_t *out = h + row;
            // A row need not start on a line: what precedes its first boundary and follows its last is stored plainly.
            index_t i = to_boundary(out, width);
            if (i > 0) step_part(row_a, row_b, state, out, i);
            for (; i + LINE <= width; i += LINE) {
                if (PREFETCH_BYTES > 0) {
                    __builtin_prefetch(row_a + i + ahead);
                    __builtin_prefetch(row_b + i + ahead);
                }
                stream_line(out + i, step(row_a + i, row_b + i, state + i));
            }
            if (i < width) step_part(row_a + i, row_b + i, state + i, out + i, width - i);
        }
        std::memcpy(h_last + sequence * H + first, state, width * sizeof(float));
        fence_streams();
    });
}
