// One stage of a ring in shared memory: a tile's rows of every input stream, filled by one warp and read by others.
#pragma once

#include "async_copy.cuh"
#include "cell.cuh"
#include "mbarrier.cuh"

template <int ROWS, int CHANNELS> struct Stage {
#define STREAM_STAGE(type, name, rows, more) type name[ROWS][CHANNELS];
    CELL_READ(STREAM_STAGE)

    // What was copied, from a step and channel of the tile on.
    __device__ __forceinline__ Inputs at(int step, int channel) const {
#define STREAM_STAGED(type, name, rows, more) Stream<const type>{&this->name[step][channel], CHANNELS},
#define STREAM_EARLIER_STAGED(type, name, rows, more)                                                                  \
    EarlierStream<type>{&this->name[step][channel], CHANNELS, nullptr, nullptr, true},
        return Inputs{CELL_INPUTS(STREAM_STAGED) CELL_EARLIER(STREAM_EARLIER_STAGED)};
    }

    // Whether rows can be copied in pieces of 16 bytes; else they are copied value by value.
    static __device__ __forceinline__ bool pieces_fit(const Inputs &in, index_t H) {
#define STREAM_PIECES_FIT(type, name, rows, more) &&::packs_fit<16 / sizeof(type)>(in.name.at, H)
        return true CELL_READ(STREAM_PIECES_FIT);
    }

    // By one warp: begins to copy `rows` rows of `channels` channels and lets every lane arrive at `full` when its own
    // copies are there.
    __device__ __forceinline__ void fill(const Inputs &in, int rows_there, int channels, bool in_pieces, int lane,
                                         Mbarrier &full) {
#define STREAM_COPY(type, name, rows, more) copy(this->name, in.name.at, in.name.row, rows_there, channels, in_pieces, lane);
#define STREAM_COPY_EARLIER(type, name, rows, more)                                                                    \
    stored |= copy_earlier(this->name, in.name, rows_there, channels, in_pieces, lane);
#define STREAM_COPIES(type, name, rows, more) &&sizeof(type) >= LEAST
#define STREAM_SOME_COPIES(type, name, rows, more) || sizeof(type) >= LEAST
        bool stored = false; // something not copied but stored: to arrive then takes waiting for the copies
        CELL_INPUTS(STREAM_COPY)
        CELL_EARLIER(STREAM_COPY_EARLIER)
        if (!stored && (in_pieces || (true CELL_READ(STREAM_COPIES)))) {
            full.arrive_when_copied();
        } else {
            if (in_pieces || (false CELL_READ(STREAM_SOME_COPIES))) wait_for_copies();
            full.arrive();
        }
    }

  private:
    static constexpr int LEAST = 4; // bytes: fewer than an asynchronous copy takes are loaded and stored

    // Rows of the steps before. That before the recurrence's first step, the last of one tile, is no row of the stream:
    // it is stored.
    template <typename V>
    static __device__ __forceinline__ bool copy_earlier(V (*to)[CHANNELS], const EarlierStream<V> &from, int rows,
                                                        int channels, bool in_pieces, int lane) {
        const int zero = rows - 1;
        const bool there = rows > 0 && from.at_zero(zero);
        copy(to, from.before(0), from.row, rows - there, channels, in_pieces, lane);
        if (there)
            for (int channel = lane; channel < channels; channel += 32) to[zero][channel] = from.initial(channel);
        return there;
    }

    template <typename V>
    static __device__ __forceinline__ void copy(V (*to)[CHANNELS], const V *from, index_t row, int rows,
                                                int channels, bool in_pieces, int lane) {
        constexpr int values = 16 / sizeof(V), pieces = CHANNELS / values, at_once = 32 / pieces;
        static_assert(32 % pieces == 0, "a warp copies whole rows at once");
        if (in_pieces) {
            // A lane's pieces lie below each other, `at_once` rows apart: one addition each where all rows are there.
            const int step = lane / pieces, channel = lane % pieces * values;
            const V *piece = from + step * row + channel;
            if (channel >= channels) return;
            if (ROWS % at_once == 0 && rows == ROWS) {
#pragma unroll
                for (int later = 0; later < ROWS; later += at_once, piece += at_once * row)
                    copy_async<16>(&to[step + later][channel], piece);
            } else {
                for (int later = 0; step + later < rows; later += at_once, piece += at_once * row)
                    copy_async<16>(&to[step + later][channel], piece);
            }
        } else {
            for (int step = 0; step < rows; ++step)
                for (int channel = lane; channel < channels; channel += 32) {
                    const V *value = from + step * row + channel;
                    if constexpr (sizeof(V) >= LEAST)
                        copy_async<sizeof(V)>(&to[step][channel], value);
                    else
                        to[step][channel] = *value;
                }
        }
    }
};
