// A work-efficient tree in shared memory (Blelloch 1990), a chunk of time after another.
//
// Idea: the steps of a chunk are the leaves of a binary tree. The up-sweep composes pairs of neighbours to summaries,
// level by level, until one map stands for the chunk; the down-sweep gives the root the state that enters the chunk
// and hands each left child its parent's state, each right child that state with the left summary applied. About
// 2 CHUNK compositions and 2 log2 CHUNK dependent levels, where the serial walk has CHUNK of each.
//
// Traffic: inputs once in, h once out, in one launch; all the rest stays on the chip.
// Improves (blelloch_unpadded): bytes and launches, against the tree in global memory.
// Improves (blelloch): shared-memory bank conflicts, to none; nothing else changes.
//
// What limits it: a barrier per level, up and down; half of the threads idle after each level; and, without padding,
// the banks. Level d touches every 2d-th word, so 32 lanes meet in 32 / (2d) banks: up to 32 passes for one access. One
// word of padding after every 32 (PAD_SHIFT 5) spreads them over all banks. PAD_SHIFT 31 pads nothing and leaves every
// instruction as it is: what differs is only the conflicts.
#include "cell.cuh"

#ifndef CHUNK
#define CHUNK 128 // steps of a chunk, a power of two
#endif
#ifndef CHANNELS
#define CHANNELS 8 // channels of a block: 8 float32 are one 32-byte sector
#endif
#ifndef PAD_SHIFT
#define PAD_SHIFT 5
#endif

#define THREADS (CHANNELS * CHUNK / 2)
#define PITCH (CHUNK + CHUNK / 32) // words of a channel, with room for padding whether it is used or not

// Streams of the cell; h0 (B, H) float32 or null; h_last (B, H) float32.
// grid (ceil(H / CHANNELS), B), block THREADS.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
    scan_blelloch(INPUTS, const float *__restrict__ h0, OUTPUTS, float *__restrict__ h_last, index_t T, index_t H) {
    __shared__ float decay[CHANNELS * PITCH];
    __shared__ float input[CHANNELS * PITCH]; // up: the summaries' b. down: the state that enters a node
    __shared__ float carry[CHANNELS];

    int shift = PAD_SHIFT;
    asm volatile("" : "+r"(shift)); // not folded, so that both paddings compile to the same instructions
#define PADDED(n) ((n) + ((n) >> shift))

    // Memory is walked with neighbouring threads on neighbouring channels, the tree with neighbouring threads on
    // neighbouring pairs of one channel.
    const int channel = threadIdx.x % CHANNELS, first_row = threadIdx.x / CHANNELS;
    const int pair = threadIdx.x % (CHUNK / 2), line = (threadIdx.x / (CHUNK / 2)) * PITCH;
    const index_t sequence = blockIdx.y;
    const index_t global_channel = blockIdx.x * (index_t)CHANNELS + channel;
    const bool present = global_channel < H;
    const Inputs in = inputs(GIVEN_INPUTS, H).at(sequence, 0, global_channel, T, H);
    const Outputs out = outputs(GIVEN_OUTPUTS, H).at(sequence, 0, global_channel, T, H);

    if (threadIdx.x < CHANNELS)
        carry[channel] = present && h0 ? h0[sequence * H + global_channel] : 0.0f;

    for (index_t start = 0; start < T; start += CHUNK) {
        Step leaf[2];
#pragma unroll
        for (int i = 0; i < 2; ++i) {
            const int leaf_row = first_row + i * (CHUNK / 2);
            const index_t t = start + leaf_row;
            leaf[i] = present && t < T ? step_of(in.read(t)) : no_step();
            const Affine map = leaf[i];
            decay[channel * PITCH + PADDED(leaf_row)] = map.a;
            input[channel * PITCH + PADDED(leaf_row)] = map.b;
        }
        __syncthreads();

        for (int distance = 1; distance < CHUNK; distance *= 2) {
            if (pair < CHUNK / (2 * distance)) {
                const int left = line + PADDED(2 * distance * pair + distance - 1);
                const int right = line + PADDED(2 * distance * pair + 2 * distance - 1);
                const Affine both = compose(Affine{decay[right], input[right]}, Affine{decay[left], input[left]});
                decay[right] = both.a;
                input[right] = both.b;
            }
            __syncthreads();
        }

        // The root. The thread that writes it is the one that reads it at the first level down.
        if (pair == 0) input[line + PADDED(CHUNK - 1)] = carry[threadIdx.x / (CHUNK / 2)];

        for (int distance = CHUNK / 2; distance > 0; distance /= 2) {
            if (pair < CHUNK / (2 * distance)) {
                const int left = line + PADDED(2 * distance * pair + distance - 1);
                const int right = line + PADDED(2 * distance * pair + 2 * distance - 1);
                const float entering = input[right];
                input[right] = apply(Affine{decay[left], input[left]}, entering);
                input[left] = entering;
            }
            __syncthreads();
        }

#pragma unroll
        for (int i = 0; i < 2; ++i) {
            const int leaf_row = first_row + i * (CHUNK / 2);
            const index_t t = start + leaf_row;
            const float before = input[channel * PITCH + PADDED(leaf_row)];
            const float state = apply(leaf[i], before);
            if (leaf_row == CHUNK - 1) carry[channel] = state;
            if (present && t < T) {
                out.store(Cell::emit(leaf[i], before, state), t);
                if (t == T - 1) h_last[sequence * H + global_channel] = state;
            }
        }
        // No barrier here: the leaves that a thread has just read are those that it overwrites next.
    }
}
