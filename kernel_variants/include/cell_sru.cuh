// SRU's first version, whose gates see the input alone (sru_gates.cuh): a scan of c, and h an epilogue of it.
//
// Rows of pre (B, T, PARTS, H): k, v, r, and x where the highway has a product of its own; else x is a row of
// (B, T, DIRECTIONS, H), the layer's input (HIGHWAY_ROWS: of how many rows per step it is one). Both directions of a
// layer lie beside each other; a launch has one of them.
#pragma once

#define CELL_INPUTS(STREAM)                                                                                            \
    STREAM(io_t, k, PARTS, 0) STREAM(io_t, v, PARTS, 0) STREAM(io_t, r, PARTS, 0) STREAM(io_t, x, HIGHWAY_ROWS, 0)     \
    MASK(STREAM)
#define CELL_OUTPUTS(STREAM) STREAM(io_t, h, DIRECTIONS, 0) STREAM(io_t, c, DIRECTIONS, 0)
#include "sru_gates.cuh"
#include "streams.cuh"

struct Cell {
    struct Step {
        float a, b, s, direct;

        __device__ __forceinline__ operator Affine() const { return Affine{a, b}; }
    };
    static constexpr bool EMITS_STATE = false;
    static __device__ __forceinline__ Step step(const Values &in) {
        const SruGates gate(in.k, in.r);
        return Step{gate.a, gate.z * in.v, gate.s * MASK_OF(in), gate.not_s * in.x};
    }
    static __device__ __forceinline__ Emitted emit(const Step &step, float, float after) {
        return Emitted{step.s * phi(after).value + step.direct, after};
    }
};
