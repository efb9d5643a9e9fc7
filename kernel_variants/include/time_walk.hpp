// How a host kernel walks a sequence that somebody trains on: in either direction of time, over steps that go on, start
// anew or are padding, and, for gradients, the same way back.
#pragma once

#include "slices.hpp"

// What a step is (marks: one byte a step, or a null pointer where all of them go on).
constexpr uint8_t START_ANEW = 1;  // the state that enters it is 0: the decay counts as 0, in gradients too
constexpr uint8_t SKIPPED = 2;     // padding: the state passes by, outputs and gradients are 0

// Below this many elements the start of a parallel region costs more than it saves.
constexpr index_t WORTH_THREADS = 1 << 15;

// The steps of one sequence in the order in which the recurrence takes them.
struct Steps {
    const uint8_t *marks;
    index_t T;
    bool reverse;

    index_t at(index_t step) const { return reverse ? T - 1 - step : step; }
    uint8_t mark(index_t step) const { return marks ? marks[at(step)] : 0; }
    // The last step before this one that is no padding; -1 where there is none and the initial state comes in.
    index_t before(index_t step) const {
        do --step;
        while (step >= 0 && mark(step) == SKIPPED);
        return step;
    }
    // The next step after this one that is no padding; T where there is none.
    index_t after(index_t step) const {
        do ++step;
        while (step < T && mark(step) == SKIPPED);
        return step;
    }
};

inline Steps steps_of(const uint8_t *marks, index_t sequence, index_t T, index_t reverse) {
    return Steps{marks ? marks + sequence * T : nullptr, T, reverse != 0};
}

// body(sequence, first channel, channels), on as many threads as asked for (0: as OpenMP has them); on this one where
// there is little to do.
template <class Body>
inline void for_each_walk(index_t B, index_t T, index_t H, index_t threads, const Body &body) {
    if (threads == 1 || B * T * H < WORTH_THREADS) {
        const WithoutSubnormals here;
        for (index_t sequence = 0; sequence < B; ++sequence)
            for (index_t first = 0; first < H; first += SLICE)
                body(sequence, first, H - first < SLICE ? H - first : SLICE);
        return;
    }
#if defined(_OPENMP)
    if (threads > 0) omp_set_num_threads((int)threads);
#endif
    for_each_slice(B, H, body);
}

// How far ahead in each of its streams a walk asks for lines.
constexpr index_t AHEAD_BYTES = 4096;

// The same in elements of a tensor (B, T, H), from a step to the one that is walked so much later. A walk asks for a line
// with each line that it works on: the hardware's prefetchers follow a row to its end and start anew at the next, and a
// row asked for all at once waits for itself, with the arithmetic behind it. Past the ends of a tensor it does no harm.
inline index_t elements_ahead(index_t width, index_t H, bool from_the_end) {
    const index_t rows = rows_of_prefetch(AHEAD_BYTES, width * sizeof(io_t));
    return (from_the_end ? -rows : rows) * H;
}

// Whether rows of this tensor may be stored past the caches: every line of every row begins on a boundary.
inline bool in_whole_lines(const io_t *p, index_t H) { return H % LINE == 0 && to_boundary(p, LINE) == 0; }

template <bool PAST_CACHES>
INLINE void put_line(io_t *p, const Line &line) {
    if constexpr (PAST_CACHES)
        stream_line(p, line);
    else
        store_line(p, line);
}
