// A walk over time for any cell, a line of channels at a time. A cell is a struct that says
//
//   READ, WRITTEN    how many rows of io_t it reads and writes at a step
//   BEFORE           whether it reads the state before the step besides (a backward pass, which walks against time)
//   WEIGHTS, SUMS    how many float32 per channel it reads that do not change, and sums over time it makes
//   step(values)     what GROUP vectors of channels make of a step: reads in, before, weight, state; writes out and the
//                    new state; adds to sum
//
// A thread owns a slice of channels of one sequence for all time. Its state stays in L1. A sequence may be marked
// (time_walk.hpp): a mark is asked for once a row, so that channels pay nothing for it.
#pragma once

#include "exponential.hpp"
#include "time_walk.hpp"

#if !defined(STORES_STREAM)
#define STORES_STREAM 0
#endif

constexpr int GROUP = VECTORS < 2 ? 1 : 2; // vectors that go through the exponentials together
constexpr float GATE_LIMIT = 60.0f;        // e^-60 is 19 digits below what it is added to
#define EACH for (int i = 0; i < GROUP; ++i)

constexpr int some(int count) { return count > 0 ? count : 1; }

typedef floats Vectors[GROUP];

template <class Cell> struct Values {
    Vectors in[Cell::READ], before, weight[some(Cell::WEIGHTS)], state, out[Cell::WRITTEN], sum[some(Cell::SUMS)];
};

// Rows of H channels, `rows` of them from one step to the next: a part of (B, T, rows, H).
template <typename V> struct Rows {
    V *at;
    index_t rows;
};

// What a walk is over. `before` has a row of each step's own, `before_first` (B, H) stands for that before the first;
// sums are (B, SUMS, H); of weights `rows` counts those from one sequence to the next: 0 for (H), 1 for (B, H).
template <class Cell> struct CellWalk {
    Rows<const io_t> in[Cell::READ];
    Rows<io_t> out[Cell::WRITTEN];
    const float *first;
    float *last;
    Rows<const io_t> before;
    const float *before_first;
    Rows<const float> weight[some(Cell::WEIGHTS)];
    float *sum;
    const uint8_t *marks; // (B, T), or null where every step goes on
};

// Pointers at one step of one slice.
template <class Cell> struct Place {
    const io_t *in[Cell::READ], *before;
    const float *before_first, *weight[some(Cell::WEIGHTS)];
    io_t *out[Cell::WRITTEN];
    float *state, *sum[some(Cell::SUMS)];
};

template <class Cell, bool STREAMED> INLINE void line_of(const Place<Cell> &at, index_t channel) {
    Line made[Cell::WRITTEN];
    for (int first = 0; first < VECTORS; first += GROUP) {
        Values<Cell> values;
        EACH {
            const index_t c = channel + (first + i) * LANES;
            for (int s = 0; s < Cell::READ; ++s) values.in[s][i] = load_io(at.in[s] + c);
            if (Cell::BEFORE)
                values.before[i] = at.before         ? load_io(at.before + c)
                                   : at.before_first ? load(at.before_first + c)
                                                     : floats{};
            for (int w = 0; w < Cell::WEIGHTS; ++w) values.weight[w][i] = load(at.weight[w] + c);
            for (int s = 0; s < Cell::SUMS; ++s) values.sum[s][i] = load(at.sum[s] + c);
            values.state[i] = load(at.state + c);
        }
        Cell::step(values);
        EACH {
            const index_t c = channel + (first + i) * LANES;
            store(at.state + c, values.state[i]);
            for (int s = 0; s < Cell::SUMS; ++s) store(at.sum[s] + c, values.sum[s][i]);
            for (int s = 0; s < Cell::WRITTEN; ++s) made[s].v[first + i] = values.out[s][i];
        }
    }
    for (int s = 0; s < Cell::WRITTEN; ++s) put_line<STREAMED>(at.out[s] + channel, made[s]);
}

// The same arithmetic on fewer channels than a line has. State, sums and weights are whole lines.
template <class Cell> inline void part_of(Place<Cell> at, index_t channel, index_t count) {
    io_t in[Cell::READ][LINE] = {}, before[LINE] = {}, out[Cell::WRITTEN][LINE];
    float before_first[LINE] = {};
    io_t *written[Cell::WRITTEN];
    for (int s = 0; s < Cell::READ; ++s) {
        std::memcpy(in[s], at.in[s] + channel, count * sizeof(io_t));
        at.in[s] = in[s];
    }
    if (Cell::BEFORE && at.before) {
        std::memcpy(before, at.before + channel, count * sizeof(io_t));
        at.before = before;
    }
    if (Cell::BEFORE && at.before_first) {
        std::memcpy(before_first, at.before_first + channel, count * sizeof(float));
        at.before_first = before_first;
    }
    for (int s = 0; s < Cell::WRITTEN; ++s) {
        written[s] = at.out[s] + channel;
        at.out[s] = out[s];
    }
    at.state += channel;
    for (int w = 0; w < Cell::WEIGHTS; ++w) at.weight[w] += channel;
    for (int s = 0; s < Cell::SUMS; ++s) at.sum[s] += channel;
    line_of<Cell, false>(at, 0);
    for (int s = 0; s < Cell::WRITTEN; ++s) std::memcpy(written[s], out[s], count * sizeof(io_t));
}

template <class Cell, bool STREAMED>
void walk_slices(const CellWalk<Cell> &walk, index_t B, index_t T, index_t H, bool from_the_end, index_t threads) {
    for_each_walk(B, T, H, threads, [=](index_t sequence, index_t first, index_t width) {
        alignas(LINE_BYTES) float state[SLICE], weight[some(Cell::WEIGHTS)][Cell::WEIGHTS ? SLICE : 1],
            sum[some(Cell::SUMS)][Cell::SUMS ? SLICE : 1];
        const index_t states = sequence * H + first, lines = (width + LINE - 1) / LINE * LINE;
        Place<Cell> at;
        at.state = state;
        std::memset(state, 0, lines * sizeof(float));
        load_state(state, walk.first, states, width);
        for (int w = 0; w < Cell::WEIGHTS; ++w) {
            std::memset(weight[w], 0, lines * sizeof(float));
            std::memcpy(weight[w], walk.weight[w].at + sequence * walk.weight[w].rows * H + first,
                        width * sizeof(float));
            at.weight[w] = weight[w];
        }
        for (int s = 0; s < Cell::SUMS; ++s) {
            std::memset(sum[s], 0, lines * sizeof(float));
            at.sum[s] = sum[s];
        }
        const index_t ahead = elements_ahead(width, H, from_the_end);
        const Steps steps = steps_of(walk.marks, sequence, T, from_the_end);
        for (index_t step = 0; step < T; ++step) {
            const index_t row = sequence * T + steps.at(step);
            const uint8_t mark = steps.mark(step);
            if (mark == SKIPPED) {
                for (int s = 0; s < Cell::WRITTEN; ++s)
                    std::memset(walk.out[s].at + row * walk.out[s].rows * H + first, 0, width * sizeof(io_t));
                continue;
            }
            if (mark == START_ANEW && !Cell::BEFORE) std::memset(state, 0, lines * sizeof(float));
            for (int s = 0; s < Cell::READ; ++s) at.in[s] = walk.in[s].at + row * walk.in[s].rows * H + first;
            for (int s = 0; s < Cell::WRITTEN; ++s) at.out[s] = walk.out[s].at + row * walk.out[s].rows * H + first;
            if (Cell::BEFORE) {
                // It walks against the recurrence: the step before this one is walked next.
                const index_t earlier = steps.after(step);
                const bool goes_on = mark != START_ANEW, has_row = goes_on && earlier < T;
                const index_t earlier_row = sequence * T + (has_row ? steps.at(earlier) : 0);
                at.before = has_row ? walk.before.at + earlier_row * walk.before.rows * H + first : nullptr;
                at.before_first = goes_on && !has_row && walk.before_first ? walk.before_first + states : nullptr;
            }
            index_t channel = 0;
            for (; channel + LINE <= width; channel += LINE) {
                for (int s = 0; s < Cell::READ; ++s)
                    __builtin_prefetch(at.in[s] + channel + ahead * walk.in[s].rows);
                if (Cell::BEFORE && at.before) __builtin_prefetch(at.before + channel + ahead * walk.before.rows);
                line_of<Cell, STREAMED>(at, channel);
            }
            if (channel < width) part_of(at, channel, width - channel);
            if (mark == START_ANEW && Cell::BEFORE) std::memset(state, 0, lines * sizeof(float));
        }
        std::memcpy(walk.last + states, state, width * sizeof(float));
        for (int s = 0; s < Cell::SUMS; ++s)
            std::memcpy(walk.sum + (sequence * Cell::SUMS + s) * H + first, sum[s], width * sizeof(float));
        if (STREAMED) fence_streams();
    });
}

// Outputs go past the caches (-DSTORES_STREAM=1) where their rows are whole lines. `threads` as for_each_walk's.
template <class Cell>
inline void walk_cell(const CellWalk<Cell> &walk, index_t B, index_t T, index_t H, bool from_the_end,
                      index_t threads) {
    if constexpr (STORES_STREAM) {
        bool whole = true;
        for (int s = 0; s < Cell::WRITTEN; ++s) whole = whole && in_whole_lines(walk.out[s].at, H);
        if (whole) return walk_slices<Cell, true>(walk, B, T, H, from_the_end, threads);
    }
    walk_slices<Cell, false>(walk, B, T, H, from_the_end, threads);
}
