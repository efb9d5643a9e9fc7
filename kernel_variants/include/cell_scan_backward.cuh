// The scan's backward pass, compiled with REVERSED: from gh = dL/dh to da and db.
//
//   lambda_t = gh_t + mu_{t+1}      mu_t = a_t lambda_t      db_t = lambda_t      da_t = lambda_t h_{t-1}
//
// The carry is mu, not lambda: mu_t = a_t mu_{t+1} + a_t gh_t needs no neighbour's a, at the edge of a tile or
// elsewhere. In place of h0 stands dL/dh_T (or null), in place of h_last comes dL/dh_0 = mu_1.
#pragma once

#if !defined(REVERSED)
#error "a backward pass goes from the last step to the first: compile with REVERSED"
#endif

#define CELL_INPUTS(STREAM) STREAM(float, a, 1, 0) STREAM(io_t, gh, 1, 0)
#define CELL_EARLIER(STREAM) STREAM(io_t, h, 1, 0)
#define CELL_OUTPUTS(STREAM) STREAM(float, da, 1, 0) STREAM(float, db, 1, 0)
#include "streams.cuh"

struct Cell {
    // Three floats and not four: a gh is made where it is needed, since registers bound how many steps a thread holds.
    struct Step {
        float a, gh, h;

        __device__ __forceinline__ operator Affine() const { return Affine{a, a * gh}; }
    };
    static constexpr bool EMITS_STATE = false;
    static __device__ __forceinline__ Step step(const Values &in) { return Step{in.a, in.gh, in.h}; }
    static __device__ __forceinline__ Emitted emit(const Step &step, float before, float) {
        const float lambda = step.gh + before;
        return Emitted{lambda * step.h, lambda};
    }
};
