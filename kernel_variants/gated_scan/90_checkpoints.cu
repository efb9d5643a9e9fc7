// Back through the scan with its gates inside, h made again from checkpoints.
//
// Idea: h is k and v told once more. A chunk of CHUNK steps needs but the state that enters it: the thread that owns
// the channel walks the chunk forwards from there, keeps what each step multiplies the gradient with, and walks it
// back. Of h only every CHUNK-th row is ever read, so no other needs to be kept, and the gates are still computed once.
//
// Traffic: k, v and gh in, dk and dv out, and 1 of h for every CHUNK elements: 5 + 1 / CHUNK values per element where
// the walk that reads h moves 6, in one launch.
// Improves: kept bytes, from 3 values per element to 2 + 1 / CHUNK; time by a sixth at most. Where h is the input of a
// product as well, it is kept anyway.
//
// What limits it: 3 CHUNK registers a thread, and a chain of dependent steps twice as long.
#include "gates.cuh"
#include "io.cuh"

#ifndef CHUNK
#define CHUNK 32 // steps
#endif

// kv (B, T, 2, H) io_t; h (B, T, H) io_t, of which rows CHUNK - 1, 2 CHUNK - 1, ... are read; h0 (B, H) float32 or
// null; gh (B, T, H) io_t; gh_last (B, H) float32 or null; dkv (B, T, 2, H) io_t; dh0 (B, H) float32.
// grid (ceil(H / blockDim.x), B).
extern "C" __global__ void gated_scan_checkpoints(const io_t *__restrict__ kv, const io_t *__restrict__ h,
                                                  const float *__restrict__ h0, const io_t *__restrict__ gh,
                                                  const float *__restrict__ gh_last, io_t *__restrict__ dkv,
                                                  float *__restrict__ dh0, index_t T, index_t H) {
    const index_t channel = blockIdx.x * (index_t)blockDim.x + threadIdx.x;
    if (channel >= H) return;
    const index_t sequence = blockIdx.y, state_at = sequence * H + channel;
    kv += sequence * T * 2 * H + channel;
    dkv += sequence * T * 2 * H + channel;
    h += sequence * T * H + channel;
    gh += sequence * T * H + channel;
    float carried = gh_last ? gh_last[state_at] : 0.0f;

    for (index_t start = (T - 1) / CHUNK * CHUNK; start >= 0; start -= CHUNK) {
        const int there = T - start < CHUNK ? (int)(T - start) : CHUNK;
        float a[CHUNK], to_k[CHUNK], to_v[CHUNK];
        float state = start > 0 ? load_io(h + (start - 1) * H) : h0 ? h0[state_at] : 0.0f;
#pragma unroll
        for (int i = 0; i < CHUNK; ++i) {
            if (i >= there) break;
            const io_t *step = kv + (start + i) * 2 * H;
            const Slopes slopes = gate_slopes(load_io(step), load_io(step + H), state);
            state = slopes.a * state + slopes.b;
            a[i] = slopes.a;
            to_k[i] = slopes.to_k;
            to_v[i] = slopes.to_v;
        }
#pragma unroll
        for (int i = CHUNK - 1; i >= 0; --i) {
            if (i >= there) continue;
            const float lambda = load_io(gh + (start + i) * H) + carried;
            io_t *step = dkv + (start + i) * 2 * H;
            store_io(step, lambda * to_k[i]);
            store_io(step + H, lambda * to_v[i]);
            carried = a[i] * lambda;
        }
    }
    dh0[state_at] = carried;
}
