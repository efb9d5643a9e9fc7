// QRNN's pooling (arXiv 1611.01576) with k the logit of what comes in:
//
//   a = sigma(-k)      b = w tanh(v)      c_t = a c_{t-1} + b      h_t = c_t, or sigma(o) c_t
//
// The rows of pre (B, T, POOL_ROWS, H) say which: 2, f-pooling, k and v alone, w = sigma(k) and h is c; 3, fo-pooling,
// with o; 4, ifo-pooling, with an input gate of its own, w = sigma(i).
#pragma once

#include "curve.cuh"

#if POOL_ROWS == 2
#define CELL_INPUTS(STREAM) STREAM(io_t, k, POOL_ROWS, 0) STREAM(io_t, v, POOL_ROWS, 0)
#define CELL_OUTPUTS(STREAM) STREAM(io_t, h, 1, 0)
#elif POOL_ROWS == 3
#define CELL_INPUTS(STREAM) STREAM(io_t, k, POOL_ROWS, 0) STREAM(io_t, v, POOL_ROWS, 0) STREAM(io_t, o, POOL_ROWS, 0)
#define CELL_OUTPUTS(STREAM) STREAM(io_t, h, 1, 0) STREAM(io_t, c, 1, 0)
#else
#define CELL_INPUTS(STREAM)                                                                                            \
    STREAM(io_t, k, POOL_ROWS, 0) STREAM(io_t, v, POOL_ROWS, 0) STREAM(io_t, o, POOL_ROWS, 0)                          \
    STREAM(io_t, enter, POOL_ROWS, 0)
#define CELL_OUTPUTS(STREAM) STREAM(io_t, h, 1, 0) STREAM(io_t, c, 1, 0)
#endif
#include "streams.cuh"

#if POOL_ROWS == 2
struct Cell {
    typedef Affine Step;
    static constexpr bool EMITS_STATE = true;
    static __device__ __forceinline__ Step step(const Values &in) {
        const Gate k = gate_of(in.k);
        return Affine{k.closed, k.open * tanh_curve(in.v).value};
    }
    static __device__ __forceinline__ Emitted emit(const Step &, float, float after) { return Emitted{after}; }
};
#else
struct Cell {
    struct Step {
        float a, b, o;

        __device__ __forceinline__ operator Affine() const { return Affine{a, b}; }
    };
    static constexpr bool EMITS_STATE = false;
    static __device__ __forceinline__ Step step(const Values &in) {
        const Gate k = gate_of(in.k);
#if POOL_ROWS == 3
        const float write = k.open;
#else
        const float write = gate_of(in.enter).open;
#endif
        return Step{k.closed, write * tanh_curve(in.v).value, gate_of(in.o).open};
    }
    static __device__ __forceinline__ Emitted emit(const Step &step, float, float after) {
        return Emitted{step.o * after, after};
    }
};
#endif
