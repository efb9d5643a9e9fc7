// One stage of a ring in shared memory: a tile's rows of both streams, filled by one warp and read by others.
#pragma once

#include "async_copy.cuh"
#include "mbarrier.cuh"
#include "steps.cuh"
#include "vector.cuh"

template <int ROWS, int CHANNELS> struct Stage {
    in_t a[ROWS][CHANNELS];
    in_t b[ROWS][CHANNELS];

    // Whether rows can be copied in pieces of 16 bytes; else they are copied value by value.
    static __device__ __forceinline__ bool pieces_fit(const in_t *in_a, const in_t *in_b, index_t H) {
        return packs_fit<16 / sizeof(in_t)>(in_a, H) && packs_fit<16 / sizeof(in_t)>(in_b, H);
    }

    // By one warp: begins to copy `rows` rows of `channels` channels and lets every lane arrive at `full` when its own
    // copies are there.
    __device__ __forceinline__ void fill(const in_t *in_a, const in_t *in_b, index_t row, int rows, int channels,
                                         bool in_pieces, int lane, Mbarrier &full) {
        copy(a, in_a, row, rows, channels, in_pieces, lane);
        copy(b, in_b, row, rows, channels, in_pieces, lane);
        if (in_pieces || sizeof(in_t) >= 4)
            full.arrive_when_copied();
        else
            full.arrive();
    }

  private:
    static __device__ __forceinline__ void copy(in_t (*to)[CHANNELS], const in_t *from, index_t row, int rows,
                                                int channels, bool in_pieces, int lane) {
        constexpr int values = 16 / sizeof(in_t), pieces = CHANNELS / values;
        constexpr int least = sizeof(in_t) < 4 ? 4 : sizeof(in_t);
        if (in_pieces) {
#pragma unroll
            for (int i = lane; i < ROWS * pieces; i += 32) {
                const int step = i / pieces, channel = i % pieces * values;
                if (step < rows && channel < channels) copy_async<16>(&to[step][channel], from + step * row + channel);
            }
        } else {
            for (int step = 0; step < rows; ++step)
                for (int channel = lane; channel < channels; channel += 32) {
                    if constexpr (sizeof(in_t) >= least) // 2 bytes are less than an asynchronous copy takes
                        copy_async<least>(&to[step][channel], from + step * row + channel);
                    else
                        to[step][channel] = from[step * row + channel];
                }
        }
    }
};
