// The serial scan with wide accesses: VECTOR neighbouring channels a thread.
//
// Idea: one 16-byte load fetches four float32 (eight bf16) channels where the serial rung spends four (eight) loads.
// The instructions and the requests that the memory pipeline must queue fall by VECTOR for the same bytes.
//
// Moves: the bytes stay at their least; sectors a request rise from 4 to 16. What it costs: VECTOR times fewer
// threads, and it is threads that keep loads in flight here: without a prefetch it pays only where channels abound.
// Rows that packs do not fit (H no multiple of VECTOR, or an address between two 16-byte boundaries) are read value by
// value, by the same code.
#include "steps.cuh"
#include "vector.cuh"

#ifndef VECTOR
#define VECTOR 4
#endif

template <bool WHOLE>
__device__ __forceinline__ void walk(const in_t *__restrict__ in_a, const in_t *__restrict__ in_b,
                                     io_t *__restrict__ h, float (&state)[VECTOR], index_t T, index_t H, int count) {
    const index_t row = row_of(H);
    for (index_t t = 0; t < T; ++t) {
        Pack<in_t, VECTOR> from_a, from_b;
        Pack<io_t, VECTOR> out;
        if (WHOLE) {
            from_a = load_pack<VECTOR>(in_a + t * row);
            from_b = load_pack<VECTOR>(in_b + t * row);
        } else {
            load_some(from_a, in_a + t * row, count);
            load_some(from_b, in_b + t * row, count);
        }
#pragma unroll
        for (int i = 0; i < VECTOR; ++i) {
            state[i] = apply(step_of(from_a.at[i], from_b.at[i]), state[i]);
            out.at[i] = narrow(state[i]);
        }
        if (WHOLE)
            store_pack<VECTOR>(h + t * H, out);
        else
            store_some(h + t * H, out, count);
    }
}

// in_a, in_b: rows of H channels (steps.cuh); h0 (B, H) float32 or null; h (B, T, H) io_t; h_last (B, H) float32.
// grid (ceil(H / (VECTOR * blockDim.x)), B).
extern "C" __global__ void scan_serial_vector(const in_t *__restrict__ in_a, const in_t *__restrict__ in_b,
                                              const float *__restrict__ h0, io_t *__restrict__ h,
                                              float *__restrict__ h_last, index_t T, index_t H) {
    const index_t channel = (blockIdx.x * (index_t)blockDim.x + threadIdx.x) * VECTOR;
    if (channel >= H) return;
    const int count = H - channel < VECTOR ? (int)(H - channel) : VECTOR;
    const bool whole = packs_fit<VECTOR>(in_a, H) && packs_fit<VECTOR>(in_b, H) && packs_fit<VECTOR>(h, H);
    const index_t sequence = blockIdx.y, start = sequence * T * row_of(H) + channel, at = sequence * H + channel;

    float state[VECTOR];
#pragma unroll
    for (int i = 0; i < VECTOR; ++i) state[i] = h0 && i < count ? h0[at + i] : 0.0f;
    if (whole)
        walk<true>(in_a + start, in_b + start, h + sequence * T * H + channel, state, T, H, count);
    else
        walk<false>(in_a + start, in_b + start, h + sequence * T * H + channel, state, T, H, count);
#pragma unroll
    for (int i = 0; i < VECTOR; ++i)
        if (i < count) h_last[at + i] = state[i];
}
