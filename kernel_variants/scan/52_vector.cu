// The serial scan with wide accesses: VECTOR neighbouring channels a thread.
//
// Idea: one 16-byte load fetches four float32 (eight bf16) channels where the serial rung spends four (eight) loads.
// The instructions and the requests that the memory pipeline must queue fall by VECTOR for the same bytes.
//
// Traffic: as the serial rung, the least there is, in one launch.
// Improves: sectors per request, from 4 to 16. What it costs: VECTOR times fewer threads, and it is threads that keep
// loads in flight here: without a prefetch it pays only where channels abound.
// Rows that packs do not fit (H no multiple of VECTOR, or an address between two 16-byte boundaries) are read value by
// value, by the same code.
#include "cell.cuh"

#ifndef VECTOR
#define VECTOR 4
#endif

template <bool WHOLE>
__device__ __forceinline__ void walk(const Inputs &in, const Outputs &out, float (&state)[VECTOR], index_t T,
                                     int count) {
    for (index_t t = 0; t < T; ++t) {
        RawPack<VECTOR> raw;
        EmittedPack<VECTOR> emitted;
        if (WHOLE)
            raw = in.read_pack<VECTOR>(t);
        else
            in.read_some(raw, count, t);
#pragma unroll
        for (int i = 0; i < VECTOR; ++i) {
            const Step step = step_of(raw.at(i));
            const float before = state[i];
            state[i] = apply(step, before);
            emitted.set(i, Cell::emit(step, before, state[i]));
        }
        if (WHOLE)
            out.store_pack(emitted, t);
        else
            out.store_some(emitted, count, t);
    }
}

// Streams of the cell; h0 (B, H) float32 or null; h_last (B, H) float32.
// grid (ceil(H / (VECTOR * blockDim.x)), B).
extern "C" __global__ void scan_serial_vector(INPUTS, const float *__restrict__ h0, OUTPUTS,
                                              float *__restrict__ h_last, index_t T, index_t H) {
    const index_t channel = (blockIdx.x * (index_t)blockDim.x + threadIdx.x) * VECTOR;
    if (channel >= H) return;
    const int count = H - channel < VECTOR ? (int)(H - channel) : VECTOR;
    const Inputs in = inputs(GIVEN_INPUTS, H);
    const Outputs out = outputs(GIVEN_OUTPUTS, H);
    const Inputs own_in = in.at(blockIdx.y, 0, channel, T, H);
    const Outputs own_out = out.at(blockIdx.y, 0, channel, T, H);
    const bool whole = in.packs_fit<VECTOR>(H) && out.packs_fit<VECTOR>(H);
    const index_t sequence = blockIdx.y, at = sequence * H + channel;

    float state[VECTOR];
#pragma unroll
    for (int i = 0; i < VECTOR; ++i) state[i] = h0 && i < count ? h0[at + i] : 0.0f;
    if (whole)
        walk<true>(own_in, own_out, state, T, count);
    else
        walk<false>(own_in, own_out, state, T, count);
#pragma unroll
    for (int i = 0; i < VECTOR; ++i)
        if (i < count) h_last[at + i] = state[i];
}
