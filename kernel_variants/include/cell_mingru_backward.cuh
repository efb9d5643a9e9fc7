// minGRU's backward pass, compiled with REVERSED (of a recurrence that begins with the last step: without, and with
// OF_THE_SECOND_DIRECTION): from gh = dL/dh to dk and dv, the gates made of k and v again.
//
//   lambda_t = gh_t + mu_{t+1}      mu_t = a_t lambda_t
//   dk_t = lambda_t (c_t - h_{t-1}) sigma(k_t) sigma(-k_t)      dv_t = lambda_t sigma(k_t) g'(v_t)
//
// As in cell_scan_backward.cuh the carry is mu. What multiplies lambda is made when the step is read, so that a thread
// that holds steps in registers holds four numbers of each and neither k nor v.
#pragma once

#if defined(REVERSED) == defined(OF_THE_SECOND_DIRECTION)
#error "a backward pass goes from the last step to the first, that of a recurrence from the last one the other way"
#endif

#define CELL_INPUTS(STREAM) STREAM(io_t, k, 2, 0) STREAM(io_t, v, 2, 0) STREAM(io_t, gh, 1, 0)
#define CELL_EARLIER(STREAM) STREAM(io_t, h, 1, 0)
#define CELL_OUTPUTS(STREAM) STREAM(io_t, dk, 2, 0) STREAM(io_t, dv, 2, 0)
#include "gates.cuh"
#include "streams.cuh"

struct Cell {
    struct Step {
        float a, gh, to_k, to_v;

        __device__ __forceinline__ operator Affine() const { return Affine{a, a * gh}; }
    };
    static constexpr bool EMITS_STATE = false;
    static __device__ __forceinline__ Step step(const Values &in) {
        const Slopes slopes = gate_slopes(in.k, in.v, in.h);
        return Step{slopes.a, in.gh, slopes.to_k, slopes.to_v};
    }
    static __device__ __forceinline__ Emitted emit(const Step &step, float before, float) {
        const float lambda = step.gh + before;
        return Emitted{lambda * step.to_k, lambda * step.to_v};
    }
};
