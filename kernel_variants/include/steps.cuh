// Where a scan's steps come from. A scan kernel is written once over two input streams and compiled twice:
//
//   plain    in_a = a, in_b = b             float32   a row of H every step
//   GATED    in_a = k, in_b = v             io_t      the two halves of a row of 2 H: kv (B, T, 2, H)
//
// GATED puts the gates inside the scan: the pre-activations are read once, and a and b are never in memory.
#pragma once

#include "affine.cuh"
#include "io.cuh"

#if defined(GATED)
#include "gates.cuh"
typedef io_t in_t;
#else
typedef float in_t;
#endif

// Elements between a stream's rows t and t + 1.
__device__ __forceinline__ index_t row_of(index_t H) {
#if defined(GATED)
    return 2 * H;
#else
    return H;
#endif
}

// The step that a pair of raw values stands for.
__device__ __forceinline__ Affine step_of(in_t from_a, in_t from_b) {
#if defined(GATED)
    return gates(widen(from_a), widen(from_b));
#else
    return Affine{from_a, from_b};
#endif
}
