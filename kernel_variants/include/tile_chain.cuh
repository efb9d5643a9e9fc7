// The states that pass along a row of tiles of one strip of channels, for tiles that are long in the making: those whose
// steps come out of a matrix product. Built on look_back.cuh.
//
// A tile publishes its summary (what it does to a state) as soon as it has it, and the state that leaves it as soon as it
// knows that. To learn the state that enters it, a tile walks back to the nearest tile that has published its state,
// and applies the summaries from there on, forwards. It so repeats, operation by operation, what each of those tiles
// will do itself: whichever tile it starts from, the bits are the same, and yet no tile waits for another's look-back.
#pragma once
#include "affine.cuh"
#include "io.cuh"
#include "look_back.cuh"

// Tiles are numbered by ticket: all strips of all sequences at one stretch of time, then the next stretch. So the tile
// before tile n of the same strip is tile n - strips, and has its ticket earlier.
struct TileChain {
    unsigned *flags;  // one ticket counter, then a flag a tile; all zero before the launch
    float *a, *b;     // summaries, (tiles, width)
    float *state;     // states that leave, (tiles, width)
    int width;        // channels of a strip
    index_t strips;   // tiles at one stretch of time: strips of a sequence times sequences
};

// By the whole block, whose threads [0, width) own a channel each; `summary` and `first_state` (the state before the
// first tile) count for those only. Returns the state that enters the tile; `leaving` becomes the one that leaves it.
__device__ __forceinline__ float enter_tile(const TileChain &chain, index_t tile, Affine summary, float first_state,
                                            float &leaving) {
    __shared__ index_t nearest;
    const int channel = threadIdx.x;
    const bool owner = channel < chain.width;
    const index_t at = tile * chain.width + channel;
    unsigned *flags = chain.flags + 1;
    float state = first_state;
    if (tile >= chain.strips) {
        if (owner) chain.a[at] = summary.a, chain.b[at] = summary.b;
        __syncthreads();
        if (threadIdx.x == 0) {
            release(flags + tile, SUMMARY);
            nearest = tile;
            unsigned progress;
            do {
                nearest -= chain.strips;
                while ((progress = acquire(flags + nearest)) == NOTHING) backoff();
            } while (progress != STATE);
        }
        __syncthreads();
        if (owner) {
            index_t from = nearest * chain.width + channel;
            state = __ldcg(chain.state + from);
            while ((from += chain.strips * chain.width) < at)
                state = apply(Affine{__ldcg(chain.a + from), __ldcg(chain.b + from)}, state);
        }
    }
    leaving = apply(summary, state);
    if (owner) chain.state[at] = leaving;
    __syncthreads();
    if (threadIdx.x == 0) release(flags + tile, STATE);
    return state;
}
