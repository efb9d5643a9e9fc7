// The serial scan with its next AHEAD steps on the way in registers.
//
// Idea: loads do not wait for the recurrence, only the multiply-adds do. So every thread keeps AHEAD steps of both
// streams in registers, and refills each pair the moment it is consumed, with the step AHEAD later: 2 AHEAD loads are
// always in flight. The slots are a ring whose index the unrolled loop makes a constant; nothing is ever copied.
//
// Traffic: as the serial rung, the least there is, in one launch.
// Improves: long-scoreboard stalls fall and DRAM throughput rises, for 2 AHEAD registers per thread. By Little's law a
// machine of 4 TB/s and 700 ns needs about 3 MB in flight: B * H * AHEAD * (bytes of a pair) gives the channels it
// takes.
#include "cell.cuh"

#ifndef AHEAD
#define AHEAD 16
#endif

// Streams of the cell; h0 (B, H) float32 or null; h_last (B, H) float32.
// grid (ceil(H / blockDim.x), B).
extern "C" __global__ void scan_serial_prefetch(INPUTS, const float *__restrict__ h0, OUTPUTS,
                                                float *__restrict__ h_last, index_t T, index_t H) {
    const index_t channel = blockIdx.x * (index_t)blockDim.x + threadIdx.x;
    if (channel >= H) return;
    const index_t sequence = blockIdx.y;
    Inputs in = inputs(GIVEN_INPUTS, H).at(sequence, 0, channel, T, H);
    Outputs out = outputs(GIVEN_OUTPUTS, H).at(sequence, 0, channel, T, H);
    float state = h0 ? h0[sequence * H + channel] : 0.0f;

    RawSteps<AHEAD> raw;
#pragma unroll
    for (int i = 0; i < AHEAD; ++i) {
        if (i >= T) break;
        raw.set(i, in.read(i));
    }
    in.advance(AHEAD); // now at the next step to load

    index_t t = 0;
    for (; t + 2 * AHEAD <= T; t += AHEAD) {
#pragma unroll
        for (int i = 0; i < AHEAD; ++i) {
            const Step step = step_of(raw.at(i));
            raw.set(i, in.read());
            in.advance();
            const float before = state;
            state = apply(step, before);
            out.store(Cell::emit(step, before, state));
            out.advance();
        }
    }
    // What is left: under 2 AHEAD steps, the first AHEAD of them in registers.
    for (; t < T; t += AHEAD) {
#pragma unroll
        for (int i = 0; i < AHEAD; ++i) {
            if (t + i >= T) break;
            const Step step = step_of(raw.at(i));
            if (t + i + AHEAD < T) raw.set(i, in.read());
            in.advance();
            const float before = state;
            state = apply(step, before);
            out.store(Cell::emit(step, before, state));
            out.advance();
        }
    }
    h_last[sequence * H + channel] = state;
}
