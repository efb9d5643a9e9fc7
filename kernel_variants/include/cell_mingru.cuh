// minGRU: the gates are made of k and v inside the scan (gates.cuh), so that a and b are never in memory.
// k and v are the two halves of a row of kv (B, T, 2, H).
#pragma once

#define CELL_INPUTS(STREAM) STREAM(io_t, k, 2, 0) STREAM(io_t, v, 2, 0)
#define CELL_OUTPUTS(STREAM) STREAM(io_t, h, 1, 0)
#include "gates.cuh"
#include "streams.cuh"

struct Cell {
    typedef Affine Step;
    static constexpr bool EMITS_STATE = true;
    static __device__ __forceinline__ Step step(const Values &in) { return gates(in.k, in.v); }
    static __device__ __forceinline__ Emitted emit(const Step &, float, float after) { return Emitted{after}; }
};
