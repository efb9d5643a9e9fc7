// The gates inside the scan, on the CPU's vector units.
//
// Idea: a and b never exist in memory. Serial in time, SIMD over channels; a thread owns a slice of channels of one
// sequence for all time, their state stays in L1, and k and v turn into gates in registers on the way.
//
// Traffic: k, v once in, h once out, and, because an ordinary store reads its line first, h once in: 4E bytes per
// element.
// Improves: bytes: a scan of gates that were computed before moves 4E too, and computing them another 4 to 6E.
#include "gated_line.hpp"
#include "slices.hpp"

// kv (B, T, 2, H) io_t: k = kv[..., 0, :], v = kv[..., 1, :]; h0 (B, H) float32 or null; h (B, T, H) io_t;
// h_last (B, H) float32.
extern "C" void gated_scan_simd(const io_t *kv, const float *h0, io_t *h, float *h_last, index_t B, index_t T,
                                index_t H) {
    for_each_slice(B, H, [=](index_t sequence, index_t first, index_t width) {
        alignas(LINE_BYTES) float state[SLICE];
        load_state(state, h0, sequence * H + first, width);
        const io_t *k = kv + sequence * T * 2 * H + first;
        io_t *out = h + sequence * T * H + first;
        for (index_t t = 0; t < T; ++t, k += 2 * H, out += H) {
            index_t i = 0;
            for (; i + LINE <= width; i += LINE) store_line(out + i, step(k + i, k + H + i, state + i));
            if (i < width) step_part(k + i, k + H + i, state + i, out + i, width - i);
        }
        std::memcpy(h_last + sequence * H + first, state, width * sizeof(float));
    });
}
