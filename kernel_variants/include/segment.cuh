// A segment: LENGTH consecutive steps of WIDTH neighbouring channels, held by one thread in registers.
//
// Time is split three ways in the same manner: read a segment and turn it to affine maps, compose them to a summary,
// learn from outside which state enters, replay from that state. The values are read once, the gates computed once.
#pragma once

#include "steps.cuh"
#include "vector.cuh"

#define LANES 32 // of a warp; lane l of a warp has channels [l WIDTH, l WIDTH + WIDTH) of the block's 32 WIDTH

// Of `length` steps that begin at `first`, those that lie before T.
__device__ __forceinline__ int steps_there(index_t first, int length, index_t T) {
    return first >= T ? 0 : T - first < length ? (int)(T - first) : length;
}

// Of `width` channels that begin at `first`, those that lie before H.
__device__ __forceinline__ int channels_there(index_t first, int width, index_t H) {
    return steps_there(first, width, H);
}

template <int LENGTH, int WIDTH> struct Segment {
    Affine step[LENGTH][WIDTH];

    // Rows of the two streams, `row` elements apart, from the address of this thread's first channel. Of the LENGTH
    // rows `rows` are there, of the WIDTH channels `channels`; what is not there is the identity. `packs`: rows can be
    // read in packs (vector.cuh).
    __device__ __forceinline__ void read(const in_t *in_a, const in_t *in_b, index_t row, int rows, int channels,
                                         bool packs) {
        if (rows == LENGTH && channels == WIDTH && (WIDTH == 1 || packs)) {
            Pack<in_t, WIDTH> from_a[LENGTH], from_b[LENGTH]; // all loads before the first use: they fly together
#pragma unroll
            for (int s = 0; s < LENGTH; ++s, in_a += row, in_b += row) {
                from_a[s] = load_pack<WIDTH>(in_a);
                from_b[s] = load_pack<WIDTH>(in_b);
            }
#pragma unroll
            for (int s = 0; s < LENGTH; ++s)
#pragma unroll
                for (int v = 0; v < WIDTH; ++v) step[s][v] = step_of(from_a[s].at[v], from_b[s].at[v]);
        } else {
#pragma unroll
            for (int s = 0; s < LENGTH; ++s, in_a += row, in_b += row)
#pragma unroll
                for (int v = 0; v < WIDTH; ++v)
                    step[s][v] = s < rows && v < channels ? step_of(in_a[v], in_b[v]) : identity();
        }
    }

    // What the whole segment does to the state that enters it.
    __device__ __forceinline__ void summarise(Affine (&summary)[WIDTH]) const {
#pragma unroll
        for (int v = 0; v < WIDTH; ++v) {
            summary[v] = step[0][v];
#pragma unroll
            for (int s = 1; s < LENGTH; ++s) summary[v] = compose(step[s][v], summary[v]);
        }
    }

    // Walks from the state that enters and stores every state in rows of H; `state` is then what leaves.
    __device__ __forceinline__ void replay(float (&state)[WIDTH], io_t *h, index_t H, int rows, int channels,
                                           bool packs) const {
        if (rows == LENGTH && channels == WIDTH && (WIDTH == 1 || packs)) {
#pragma unroll
            for (int s = 0; s < LENGTH; ++s, h += H) store_pack<WIDTH>(h, advance(state, s));
        } else {
#pragma unroll
            for (int s = 0; s < LENGTH; ++s, h += H) {
                const Pack<io_t, WIDTH> out = advance(state, s);
                if (s < rows) store_some(h, out, channels);
            }
        }
    }

  private:
    __device__ __forceinline__ Pack<io_t, WIDTH> advance(float (&state)[WIDTH], int s) const {
        Pack<io_t, WIDTH> out;
#pragma unroll
        for (int v = 0; v < WIDTH; ++v) {
            state[v] = apply(step[s][v], state[v]);
            out.at[v] = narrow(state[v]);
        }
        return out;
    }
};

// Maps in shared memory, [segment][channel of the block]: each is written by the warp that has it, and after a barrier
// all warps can take states through them.
template <int WIDTH> struct Summaries {
    Affine *at;

    __device__ __forceinline__ Affine &of(int segment, int lane, int v) const {
        return at[(segment * LANES + lane) * WIDTH + v];
    }
    __device__ __forceinline__ void write(int segment, int lane, const Affine (&summary)[WIDTH]) const {
#pragma unroll
        for (int v = 0; v < WIDTH; ++v) of(segment, lane, v) = summary[v];
    }
    // `state` goes through segments [0, SEGMENTS); `entering` becomes what it was before segment `own`.
    template <int SEGMENTS>
    __device__ __forceinline__ void pass(float (&state)[WIDTH], float (&entering)[WIDTH], int own, int lane) const {
#pragma unroll
        for (int segment = 0; segment < SEGMENTS; ++segment)
#pragma unroll
            for (int v = 0; v < WIDTH; ++v) {
                if (segment == own) entering[v] = state[v];
                state[v] = apply(of(segment, lane, v), state[v]);
            }
    }
    // `state` goes through segments [0, segments).
    __device__ __forceinline__ void pass(float (&state)[WIDTH], int segments, int lane) const {
#pragma unroll 4
        for (int segment = 0; segment < segments; ++segment)
#pragma unroll
            for (int v = 0; v < WIDTH; ++v) state[v] = apply(of(segment, lane, v), state[v]);
    }
    // `whole` becomes what it was, followed by segments [first, last).
    __device__ __forceinline__ void compose_all(Affine (&whole)[WIDTH], int first, int last, int lane) const {
        for (int segment = first; segment < last; ++segment)
#pragma unroll
            for (int v = 0; v < WIDTH; ++v) whole[v] = compose(of(segment, lane, v), whole[v]);
    }
};
