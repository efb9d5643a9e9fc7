// The states that pass along a row of tiles of one strip of channels, for tiles that are long in the making: those
// whose steps come out of a matrix product. Built on look_back.cuh.
//
// A tile publishes its summary (what it does to a state) as soon as it has it, and the state that leaves it as soon as
// it knows that. To learn the state that enters it, a tile walks back to the nearest tile that has published its state,
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

// The scan of a tile that lies in the registers of a block: a thread holds a segment, some consecutive steps of a
// channel, and SEGMENTS of them make the tile. Each segment's summary is written first; `pass_states` then fills
// `entering`.
template <int SEGMENTS, int CHANNELS> struct StripScan {
    Affine summary[SEGMENTS][CHANNELS];
    float entering[SEGMENTS][CHANNELS];

    // By the whole block, of CHANNELS threads at least, all summaries written before. `first_state` as in enter_tile.
    // Returns the state that leaves the tile, to the threads that own a channel.
    __device__ __forceinline__ float pass_states(const TileChain &chain, index_t tile, float first_state) {
        __syncthreads();
        const int channel = threadIdx.x;
        Affine whole = identity();
        if (channel < CHANNELS)
            for (int i = 0; i < SEGMENTS; ++i) whole = compose(summary[i][channel], whole);
        float leaving, state = enter_tile(chain, tile, whole, first_state, leaving);
        if (channel < CHANNELS)
            for (int i = 0; i < SEGMENTS; ++i) {
                entering[i][channel] = state;
                state = apply(summary[i][channel], state);
            }
        __syncthreads();
        return leaving;
    }
};

// Which part of (B, T, H) a tile is: stretches of time, in each the sequences, in each the strips of channels. A grid
// has fewer than 2^31 tiles, so 32 bits count them.
struct TilePlace {
    unsigned tile, strips;
    index_t sequence, first_step, first_channel;

    __device__ __forceinline__ TilePlace(unsigned ticket, int steps, int channels, index_t B, index_t H)
        : tile(ticket) {
        const unsigned of_sequence = (unsigned)((H + channels - 1) / channels);
        strips = of_sequence * (unsigned)B;
        first_step = tile / strips * (index_t)steps;
        sequence = tile % strips / of_sequence;
        first_channel = tile % of_sequence * (index_t)channels;
    }
};
