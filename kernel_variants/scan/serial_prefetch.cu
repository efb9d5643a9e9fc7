// The serial scan with its next AHEAD steps on the way in registers.
//
// Idea: loads do not wait for the recurrence, only the multiply-adds do. So every thread keeps AHEAD steps of both
// streams in registers, and refills each pair the moment it is consumed, with the step AHEAD later: 2 AHEAD loads are
// always in flight. The slots are a ring whose index the unrolled loop makes a constant; nothing is ever copied.
//
// Moves: the bytes stay at their least; long-scoreboard stalls fall and DRAM throughput rises, for 2 AHEAD registers a
// thread. By Little's law a machine of 4 TB/s and 700 ns needs about 3 MB in flight: B * H * AHEAD * (bytes of a pair)
// says how many channels that takes.
#include "steps.cuh"

#ifndef AHEAD
#define AHEAD 16
#endif

// in_a, in_b: rows of H channels (steps.cuh); h0 (B, H) float32 or null; h (B, T, H) io_t; h_last (B, H) float32.
// grid (ceil(H / blockDim.x), B).
extern "C" __global__ void scan_serial_prefetch(const in_t *__restrict__ in_a, const in_t *__restrict__ in_b,
                                                const float *__restrict__ h0, io_t *__restrict__ h,
                                                float *__restrict__ h_last, index_t T, index_t H) {
    const index_t channel = blockIdx.x * (index_t)blockDim.x + threadIdx.x;
    if (channel >= H) return;
    const index_t sequence = blockIdx.y;
    const index_t row = row_of(H);
    in_a += sequence * T * row + channel;
    in_b += sequence * T * row + channel;
    h += sequence * T * H + channel;
    float state = h0 ? h0[sequence * H + channel] : 0.0f;

    in_t from_a[AHEAD], from_b[AHEAD];
#pragma unroll
    for (int i = 0; i < AHEAD; ++i) {
        if (i >= T) break;
        from_a[i] = in_a[i * row];
        from_b[i] = in_b[i * row];
    }
    in_a += AHEAD * row; // now the next step to load
    in_b += AHEAD * row;

    index_t t = 0;
    for (; t + 2 * AHEAD <= T; t += AHEAD) {
#pragma unroll
        for (int i = 0; i < AHEAD; ++i) {
            const Affine step = step_of(from_a[i], from_b[i]);
            from_a[i] = *in_a;
            from_b[i] = *in_b;
            in_a += row;
            in_b += row;
            state = apply(step, state);
            store_io(h, state);
            h += H;
        }
    }
    // What is left: under 2 AHEAD steps, the first AHEAD of them in registers.
    for (; t < T; t += AHEAD) {
#pragma unroll
        for (int i = 0; i < AHEAD; ++i) {
            if (t + i >= T) break;
            const Affine step = step_of(from_a[i], from_b[i]);
            if (t + i + AHEAD < T) {
                from_a[i] = *in_a;
                from_b[i] = *in_b;
            }
            in_a += row;
            in_b += row;
            state = apply(step, state);
            store_io(h, state);
            h += H;
        }
    }
    h_last[sequence * H + channel] = state;
}
