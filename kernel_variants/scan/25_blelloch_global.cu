// The work-efficient tree in global memory, a launch per level (Blelloch 1990).
//
// Idea: T compositions instead of T log2 T. The up-sweep composes pairs of neighbours to summaries, in place: node
// [2 d i, 2 d (i + 1)) lives at its last step. The down-sweep starts from the root with h0 and hands each left child
// the state that enters its parent, each right child that state with the left summary applied.
//
// Traffic: 12 values per element (2 + 1 for the leaves going up, 3 for the levels above, 2.5 for them coming down, 3.5
// for the leaves), in 2 log2 T - 1 launches.
// Improves: bytes, from 6 log2 T values per element to 12. What limits it: a level touches every 2d-th row, so that
// nothing stays in a cache from one level to the next, and where H is under 8 each 32-byte sector carries 32 bytes for
// 4 H that are used; near the root a level has fewer rows than the machine has multiprocessors and costs a launch too.
//
// T need not be a power of two. Going up, only nodes that end within T get a summary: no other is ever a left child
// with a sibling. Going down, a node that straddles the end lives at T - 1, and one whose right child lies past it has
// none.
#include "cell.cuh"

#define PAIR_ROWS 8 // pairs of a block; block (32, PAIR_ROWS): a warp reads 32 neighbouring channels of one row

struct Pair {
    index_t left, right; // the rows where the two children live
    bool present;        // there is a left child and a channel
    bool both;           // there is a right child too
    bool whole;          // no step of it lies past the end
};

__device__ __forceinline__ Pair pair_of(index_t distance, index_t T, index_t H, index_t *channel) {
    const index_t i = blockIdx.y * (index_t)PAIR_ROWS + threadIdx.y;
    *channel = blockIdx.x * (index_t)blockDim.x + threadIdx.x;
    Pair pair;
    pair.left = 2 * distance * i + distance - 1;
    pair.right = pair.left + distance;
    pair.present = 2 * distance * i < T && *channel < H;
    pair.both = pair.left < T - 1;
    pair.whole = pair.right < T;
    if (pair.left > T - 1) pair.left = T - 1;
    if (pair.right > T - 1) pair.right = T - 1;
    return pair;
}

// The first level up, from the streams of the cell to the summaries of pairs: node_a, node_b (B, T, H) float32, in the
// order in which steps are walked. grid (ceil(H / 32), ceil(pairs / PAIR_ROWS), B).
extern "C" __global__ void blelloch_first(INPUTS, float *__restrict__ node_a, float *__restrict__ node_b, index_t T,
                                          index_t H) {
    index_t channel;
    const Pair pair = pair_of(1, T, H, &channel);
    if (!pair.present || !pair.whole) return;
    const Inputs in = inputs(GIVEN_INPUTS, H).at(blockIdx.z, pair.left, channel, T, H);
    const Affine both = compose(step_of(in.read(1)), step_of(in.read()));
    const index_t right = blockIdx.z * T * H + channel + pair.right * H;
    node_a[right] = both.a;
    node_b[right] = both.b;
}

// A level up above it, in place. Grid as above.
extern "C" __global__ void blelloch_up(float *node_a, float *node_b, index_t T, index_t H, index_t distance) {
    index_t channel;
    const Pair pair = pair_of(distance, T, H, &channel);
    if (!pair.present || !pair.whole) return;
    const index_t base = blockIdx.z * T * H + channel;
    const index_t left = base + pair.left * H, right = base + pair.right * H;
    const Affine both = compose(Affine{node_a[right], node_b[right]}, Affine{node_a[left], node_b[left]});
    node_a[right] = both.a;
    node_b[right] = both.b;
}

// One level down, above the leaves. node_a, node_b hold the summaries going up; on the way down node_b of a node's row
// is overwritten by the state that enters it. At the top (`top` = 1) that state is h0 (B, H) or null. Grid as above.
extern "C" __global__ void blelloch_down(const float *node_a, float *node_b, const float *__restrict__ h0, index_t T,
                                         index_t H, index_t distance, int top) {
    index_t channel;
    const Pair pair = pair_of(distance, T, H, &channel);
    if (!pair.present) return;
    const index_t base = blockIdx.z * T * H + channel;
    const index_t left = base + pair.left * H, right = base + pair.right * H;
    const float entering = top ? (h0 ? h0[blockIdx.z * H + channel] : 0.0f) : node_b[right];
    if (pair.both) node_b[right] = apply(Affine{node_a[left], node_b[left]}, entering);
    node_b[left] = entering;
}

// The leaves: two steps from the state that enters the pair. Streams of the cell; h0 (B, H) float32 or null; h_last
// (B, H) float32. Grid as above, with distance 1.
extern "C" __global__ void blelloch_leaves(INPUTS, const float *__restrict__ h0, OUTPUTS, float *__restrict__ h_last,
                                           const float *__restrict__ node_b, index_t T, index_t H, int top) {
    index_t channel;
    const Pair pair = pair_of(1, T, H, &channel);
    if (!pair.present) return;
    const Inputs in = inputs(GIVEN_INPUTS, H).at(blockIdx.z, pair.left, channel, T, H);
    const Outputs out = outputs(GIVEN_OUTPUTS, H).at(blockIdx.z, pair.left, channel, T, H);
    const index_t state_at = blockIdx.z * H + channel;
    const float entering = top ? (h0 ? h0[state_at] : 0.0f) : node_b[(blockIdx.z * T + pair.right) * H + channel];
    const Step first = step_of(in.read());
    float state = apply(first, entering);
    out.store(Cell::emit(first, entering, state));
    if (pair.both) {
        const Step second = step_of(in.read(1));
        const float before = state;
        state = apply(second, before);
        out.store(Cell::emit(second, before, state), 1);
    }
    if (pair.right == T - 1) h_last[state_at] = state;
}
