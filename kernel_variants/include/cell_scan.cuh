// The plain scan: h_t = a_t h_{t-1} + b_t, with a and b from memory, in float32 whatever the dtype of h.
#pragma once

#define CELL_INPUTS(STREAM) STREAM(float, a, 1, 0) STREAM(float, b, 1, 0)
#define CELL_OUTPUTS(STREAM) STREAM(io_t, h, 1, 0)
#include "streams.cuh"

struct Cell {
    typedef Affine Step;
    static constexpr bool EMITS_STATE = true;
    static __device__ __forceinline__ Step step(const Values &in) { return Affine{in.a, in.b}; }
    static __device__ __forceinline__ Emitted emit(const Step &, float, float after) { return Emitted{after}; }
};
