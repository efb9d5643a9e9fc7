// minLSTM's backward pass, compiled with REVERSED: from gh = dL/dh to the gradients of k_f, k_i and v, the gates made
// again (minlstm_gates.cuh). As in cell_mingru_backward.cuh the carry is mu_t = a_t (gh_t + mu_{t+1}), and what
// multiplies lambda is made when the step is read: a thread holds five numbers of each.
#pragma once

#if !defined(REVERSED)
#error "a backward pass goes from the last step to the first: compile with REVERSED"
#endif

#define CELL_INPUTS(STREAM)                                                                                            \
    STREAM(io_t, k_f, 3, 0) STREAM(io_t, k_i, 3, 0) STREAM(io_t, v, 3, 0) STREAM(io_t, gh, 1, 0)
#define CELL_EARLIER(STREAM) STREAM(io_t, h, 1, 0)
#define CELL_OUTPUTS(STREAM) STREAM(io_t, dk_f, 3, 0) STREAM(io_t, dk_i, 3, 0) STREAM(io_t, dv, 3, 0)
#include "minlstm_gates.cuh"
#include "streams.cuh"

struct Cell {
    struct Step {
        float a, gh, to_f, to_i, to_v;

        __device__ __forceinline__ operator Affine() const { return Affine{a, a * gh}; }
    };
    static constexpr bool EMITS_STATE = false;
    static __device__ __forceinline__ Step step(const Values &in) {
        const MinLstmSlopes slopes = minlstm_slopes(in.k_f, in.k_i, in.v, in.h);
        return Step{slopes.a, in.gh, slopes.to_f, slopes.to_i, slopes.to_v};
    }
    static __device__ __forceinline__ Emitted emit(const Step &step, float before, float) {
        const float lambda = step.gh + before;
        return Emitted{lambda * step.to_f, lambda * step.to_i, lambda * step.to_v};
    }
};
