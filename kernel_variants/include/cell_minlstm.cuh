// minLSTM, gates inside the scan (minlstm_gates.cuh). Its pre-activations k_f, k_i and v are the three parts of a row
// of (B, T, 3, H).
#pragma once

#define CELL_INPUTS(STREAM) STREAM(io_t, k_f, 3, 0) STREAM(io_t, k_i, 3, 0) STREAM(io_t, v, 3, 0)
#define CELL_OUTPUTS(STREAM) STREAM(io_t, h, 1, 0)
#include "minlstm_gates.cuh"
#include "streams.cuh"

struct Cell {
    typedef Affine Step;
    static constexpr bool EMITS_STATE = true;
    static __device__ __forceinline__ Step step(const Values &in) { return minlstm_gates(in.k_f, in.k_i, in.v); }
    static __device__ __forceinline__ Emitted emit(const Step &, float, float after) { return Emitted{after}; }
};
