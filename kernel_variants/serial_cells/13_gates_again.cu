// The gates of a block of time, done again where the states are still there: one launch for all of its steps.
//
// Idea: h is the layer's output and lies there anyway. So the product with the state, which forwards waits for every
// step, is one product for all steps of the block on the way back; what is left of a step is elementwise, and an LSTM's
// inner state a linear recurrence in one channel. A thread takes a channel of a sequence and walks the block.
//
// Traffic: p and q read, what backpropagation needs written.
// Improves: steps that wait for each other, 2 T instead of 3 T; launches as many.
// What limits it: threads, B * H of them, of which each has a block of steps to walk.
#include "cell_step.cuh"
#include "io.cuh"

// p (B, steps, GATES, H); q (B, steps, GATES, H), U h_{t-1} of every step, float32; offset (GATES, H), entering (B, H):
// the LSTM's state before step `begin`, with which all of these begin → kept (B, steps, KEPT, H).
// Grid: a thread per channel and sequence.
extern "C" __global__ void serial_cell_gates_again(const io_t *__restrict__ p, const float *__restrict__ q,
                                                   const io_t *__restrict__ offset,
                                                   const float *__restrict__ entering, float *__restrict__ kept,
                                                   index_t begin, index_t steps, index_t B, index_t H) {
    const index_t i = blockIdx.x * (index_t)blockDim.x + threadIdx.x;
    if (i >= B * H) return;
    const index_t channel = i % H;
    float s = CELL == 4 ? entering[i] : 0.0f, offsets[GATES];
#pragma unroll
    for (int gate = 0; gate < GATES; ++gate) offsets[gate] = load_io(offset + gate * H + channel);
    for (index_t own = i / H * steps, end = own + steps; own < end; ++own) {
        float inputs[GATES], dots[GATES];
#pragma unroll
        for (int gate = 0; gate < GATES; ++gate) {
            const index_t at = (own * GATES + gate) * H + channel;
            inputs[gate] = load_io(p + at);
            dots[gate] = q[at] + offsets[gate];
        }
        step(inputs, dots, 0.0f, s, Kept{kept + own * KEPT * H + channel, H}, true);
    }
}
