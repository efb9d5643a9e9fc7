// The gates inside the scan, output past the caches.
//
// Idea: simd.cpp's walk, but h is written by non-temporal stores of whole 64-byte lines: an ordinary store first reads
// the line that it is about to overwrite.
// Moves: k, v once in, h once out, 3E an element; ordinary stores move 4E. GB/s must rise accordingly, until the two
// exponentials an element bind.
//
// A thread owns a slice of channels of one sequence for all time, whole rows wherever there are enough sequences: then
// it reads two streams and writes one, each linear, and the hardware's own prefetcher keeps up. (Half rows a thread
// reached 60 % of that on two Zen 3 cores.) Where a row does not start on a line, the channels before the first
// boundary and after the last go through ordinary stores.
//
// SLICE: most channels a thread owns; their state stays in L1. PREFETCH_BYTES: how far ahead in its stream of k
// and of v a thread asks for lines; 0 leaves it to the hardware.
#include "exponential.hpp"
#include "slices.hpp"

#if !defined(PREFETCH_BYTES)
#define PREFETCH_BYTES 0
#endif

namespace {

INLINE Line step(const io_t *k, const io_t *v, float *state) {
    Line line;
    for (int i = 0; i < VECTORS; ++i) {
        line.v[i] = mingru_step(load_io(k + i * LANES), load_io(v + i * LANES), load(state + i * LANES));
        store(state + i * LANES, line.v[i]);
    }
    return line;
}

// The same arithmetic on fewer channels than a line has, so that no result depends on how memory is aligned.
void step_part(const io_t *k, const io_t *v, float *state, io_t *h, index_t count) {
    io_t part_k[LINE] = {}, part_v[LINE] = {}, part_h[LINE];
    float part_state[LINE] = {};
    std::memcpy(part_k, k, count * sizeof(io_t));
    std::memcpy(part_v, v, count * sizeof(io_t));
    std::memcpy(part_state, state, count * sizeof(float));
    store_line(part_h, step(part_k, part_v, part_state));
    std::memcpy(state, part_state, count * sizeof(float));
    std::memcpy(h, part_h, count * sizeof(io_t));
}

}  // namespace

// kv (B, T, 2, H) io_t: k = kv[..., 0, :], v = kv[..., 1, :]; h0 (B, H) float32 or null; h (B, T, H) io_t;
// h_last (B, H) float32.
extern "C" void gated_scan_streaming(const io_t *kv, const float *h0, io_t *h, float *h_last, index_t B, index_t T,
                                     index_t H) {
    for_each_slice(B, H, [=](index_t sequence, index_t first, index_t width) {
        alignas(LINE_BYTES) float state[SLICE];
        load_state(state, h0, sequence * H + first, width);
        const io_t *k = kv + sequence * T * 2 * H + first;
        io_t *out = h + sequence * T * H + first;
        const index_t rows_ahead = rows_of_prefetch(PREFETCH_BYTES, width) * 2 * H;
        for (index_t t = 0; t < T; ++t, k += 2 * H, out += H) {
            const io_t *v = k + H;
            index_t i = to_boundary(out, width);
            if (i > 0) step_part(k, v, state, out, i);
            for (; i + LINE <= width; i += LINE) {
                if (PREFETCH_BYTES > 0) {
                    __builtin_prefetch(k + i + rows_ahead);
                    __builtin_prefetch(v + i + rows_ahead);
                }
                stream_line(out + i, step(k + i, v + i, state + i));
            }
            if (i < width) step_part(k + i, v + i, state + i, out + i, width - i);
        }
        std::memcpy(h_last + sequence * H + first, state, width * sizeof(float));
        fence_streams();
    });
}
