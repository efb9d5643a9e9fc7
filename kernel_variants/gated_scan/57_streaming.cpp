// The gates inside the scan, h past the caches.
//
// Idea: the walk of 56_simd.cpp, but h is written by non-temporal stores of whole 64-byte lines (an ordinary store
// first reads the line that it is about to overwrite), and the same channels of the next row are prefetched: rows of k
// and v alternate, so that the hardware's prefetchers, which follow a stream to the end of its page, start anew at each
// row.
//
// Traffic: k, v once in, h once out, 3E bytes per element; ordinary stores move 4E.
// Improves: time, by a quarter at most: behind the bandwidth, the two exponentials per element are the limit.
//
// PREFETCH_BYTES: how far ahead in its stream of k and of v a thread asks for lines; 0 leaves it to the hardware.
#include "gated_line.hpp"
#include "slices.hpp"

#if !defined(PREFETCH_BYTES)
#define PREFETCH_BYTES 4096
#endif

// kv (B, T, 2, H) io_t: k = kv[..., 0, :], v = kv[..., 1, :]; h0 (B, H) float32 or null; h (B, T, H) io_t;
// h_last (B, H) float32.
extern "C" void gated_scan_streaming(const io_t *kv, const float *h0, io_t *h, float *h_last, index_t B, index_t T,
                                     index_t H) {
    for_each_slice(B, H, [=](index_t sequence, index_t first, index_t width) {
        alignas(LINE_BYTES) float state[SLICE];
        load_state(state, h0, sequence * H + first, width);
        const io_t *k = kv + sequence * T * 2 * H + first;
        io_t *out = h + sequence * T * H + first;
        const index_t ahead = rows_of_prefetch(PREFETCH_BYTES, width * sizeof(io_t)) * 2 * H;
        for (index_t t = 0; t < T; ++t, k += 2 * H, out += H) {
            const io_t *v = k + H;
            // A row need not start on a line: what precedes its first boundary and follows its last is stored plainly.
            index_t i = to_boundary(out, width);
            if (i > 0) step_part(k, v, state, out, i);
            for (; i + LINE <= width; i += LINE) {
                if (PREFETCH_BYTES > 0) {
                    __builtin_prefetch(k + i + ahead);
                    __builtin_prefetch(v + i + ahead);
                }
                stream_line(out + i, step(k + i, v + i, state + i));
            }
            if (i < width) step_part(k + i, v + i, state + i, out + i, width - i);
        }
        std::memcpy(h_last + sequence * H + first, state, width * sizeof(float));
        fence_streams();
    });
}
