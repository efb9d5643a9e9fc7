// Who owns which channels: (sequence, slice of channels) pairs dealt to the threads of OpenMP.
#pragma once

#include "simd.hpp"
#include "subnormals.hpp"

#if defined(_OPENMP)
#include <omp.h>
#endif

// Most channels a slice has: 16 KiB of float32 state, half of a usual L1.
#if !defined(SLICE)
#define SLICE 4096
#endif
static_assert(SLICE % LINE == 0, "a slice is whole lines");

// Slices a row, the fewest such that the threads get equal shares: whole rows move fastest, idle threads are worse.
inline index_t slices_of_row(index_t B, index_t H, index_t threads) {
    const index_t lines = (H + LINE - 1) / LINE;
    index_t slices = (H + SLICE - 1) / SLICE;
    // Four tasks a thread even out to within a fifth, whatever the remainder.
    while ((B * slices) % threads != 0 && B * slices < 4 * threads && slices < lines) ++slices;
    return slices;
}

// body(sequence, first channel, channels), in parallel and without subnormals. Slices start at multiples of a line, so
// that two threads never write the same line of an aligned row.
template <class Body>
inline void for_each_slice(index_t B, index_t H, const Body &body) {
#if defined(_OPENMP)
    const index_t threads = omp_get_max_threads();
#else
    const index_t threads = 1;
#endif
    const index_t slices = slices_of_row(B, H, threads);
    const index_t lines = (H + LINE - 1) / LINE;
#pragma omp parallel
    {
        const WithoutSubnormals here;
#pragma omp for schedule(static)
        for (index_t task = 0; task < B * slices; ++task) {
            const index_t sequence = task / slices, slice = task % slices;
            const index_t first = lines * slice / slices * LINE;
            const index_t end = lines * (slice + 1) / slices * LINE, last = end < H ? end : H;
            body(sequence, first, last - first);
        }
    }
}

INLINE void load_state(float *state, const float *h0, index_t at, index_t width) {
    if (h0)
        std::memcpy(state, h0 + at, width * sizeof(float));
    else
        std::memset(state, 0, width * sizeof(float));
}

// A prefetch distance in whole rows of a slice (at least one, unless it is 0): the same channels of a later step.
INLINE index_t rows_of_prefetch(index_t bytes, index_t row_bytes) { return (bytes + row_bytes - 1) / row_bytes; }
