// A segment: LENGTH consecutive steps of WIDTH neighbouring channels, held by one thread in registers.
//
// Time is split three ways in the same manner: read a segment and turn it to affine maps, compose them to a summary,
// learn from outside which state enters, replay from that state. The values are read once, the gates computed once.
#pragma once

#include "cell.cuh"

constexpr int LANES = 32; // of a warp; lane l of a warp has channels [l WIDTH, l WIDTH + WIDTH) of the block's 32 WIDTH

// Of `length` steps that begin at `first`, those that lie before T.
__device__ __forceinline__ int steps_there(index_t first, int length, index_t T) {
    return first >= T ? 0 : T - first < length ? (int)(T - first) : length;
}

// Of `width` channels that begin at `first`, those that lie before H.
__device__ __forceinline__ int channels_there(index_t first, int width, index_t H) {
    return steps_there(first, width, H);
}

template <int LENGTH, int WIDTH> struct Segment {
    Step step[LENGTH][WIDTH];

    // From this thread's first step and channel on. Of the LENGTH steps `rows` are there, of the WIDTH channels
    // `channels`; what is not there leaves the state as it is. `packs`: rows can be read in packs (vector.cuh).
    __device__ __forceinline__ void read(Inputs in, int rows, int channels, bool packs) {
        if (rows == LENGTH && channels == WIDTH && (WIDTH == 1 || packs)) {
            RawPack<WIDTH> raw[LENGTH]; // all loads before the first use: they fly together
#pragma unroll
            for (int s = 0; s < LENGTH; ++s, in.advance()) raw[s] = in.read_pack<WIDTH>();
#pragma unroll
            for (int s = 0; s < LENGTH; ++s)
#pragma unroll
                for (int v = 0; v < WIDTH; ++v) step[s][v] = step_of(raw[s].at(v));
        } else {
#pragma unroll
            for (int s = 0; s < LENGTH; ++s, in.advance())
#pragma unroll
                for (int v = 0; v < WIDTH; ++v)
                    step[s][v] = s < rows && v < channels ? step_of(in.read(0, v)) : no_step();
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

    // Walks from the state that enters and stores what the cell emits; `state` is then what leaves. INDEXED: rows are
    // addressed from the first one, which keeps no moving pointer in a register.
    template <bool INDEXED = false>
    __device__ __forceinline__ void replay(float (&state)[WIDTH], Outputs out, int rows, int channels,
                                           bool packs) const {
        if (rows == LENGTH && channels == WIDTH && (WIDTH == 1 || packs)) {
            if constexpr (INDEXED) {
#pragma unroll
                for (int s = 0; s < LENGTH; ++s) out.store_pack(advance(state, s), s);
            } else {
#pragma unroll
                for (int s = 0; s < LENGTH; ++s, out.advance()) out.store_pack(advance(state, s));
            }
        } else {
#pragma unroll
            for (int s = 0; s < LENGTH; ++s, out.advance()) {
                const EmittedPack<WIDTH> emitted = advance(state, s);
                if (s < rows) out.store_some(emitted, channels);
            }
        }
    }

  private:
    __device__ __forceinline__ EmittedPack<WIDTH> advance(float (&state)[WIDTH], int s) const {
        EmittedPack<WIDTH> emitted;
#pragma unroll
        for (int v = 0; v < WIDTH; ++v) {
            const float before = state[v];
            state[v] = apply(step[s][v], before);
            emitted.set(v, Cell::emit(step[s][v], before, state[v]));
        }
        return emitted;
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
