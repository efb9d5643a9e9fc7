// Serial in time, one float at a time: the recurrence as one writes it first in C.
//
// Idea: none yet; it walks memory in the order in which it lies (time outside, channels inside) and keeps the state of
// a row in h_last. One core, no vectors: the compiler is told not to find them.
//
// Traffic: a, b once in, h once out and, because an ordinary store reads its line first, h once in: 8 + 2E bytes per
// element.
// Improves: time, against torch's two operations per step. What limits it is the core: one multiply-add per
// instruction. 56_simd.cpp changes that and nothing else.
#include "simd.hpp"

#if defined(__clang__)
#define ONE_AT_A_TIME
#define LOOP_ONE_AT_A_TIME _Pragma("clang loop vectorize(disable)")
#else
#define ONE_AT_A_TIME __attribute__((optimize("no-tree-vectorize")))
#define LOOP_ONE_AT_A_TIME
#endif

// a, b (B, T, H) float32; h0 (B, H) float32 or null; h (B, T, H) io_t; h_last (B, H) float32.
extern "C" ONE_AT_A_TIME void scan_scalar(const float *a, const float *b, const float *h0, io_t *h, float *h_last,
                                          index_t B, index_t T, index_t H) {
    for (index_t sequence = 0; sequence < B; ++sequence) {
        float *state = h_last + sequence * H;
        for (index_t channel = 0; channel < H; ++channel) state[channel] = h0 ? h0[sequence * H + channel] : 0.0f;
        for (index_t t = 0; t < T; ++t) {
            const index_t row = (sequence * T + t) * H;
            LOOP_ONE_AT_A_TIME
            for (index_t channel = 0; channel < H; ++channel) {
                state[channel] = a[row + channel] * state[channel] + b[row + channel];
                store_io_one(h + row + channel, state[channel]);
            }
        }
    }
}
