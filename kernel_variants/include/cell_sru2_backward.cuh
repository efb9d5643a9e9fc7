// Back through SRU's second version, against its direction of time. Forwards its gates see the state, k + w_k c_{t-1}
// and r + w_r c_{t-1}, and nothing is linear; backwards all states are known, and what remains is a linear scan:
//
//   lambda_t = gh_t s m phi'(c_t) + mu_{t+1}      mu_t = J_t lambda_t + w_r dr_t      J = a + w_k (v - c_{t-1}) a z
//
// The gradients of k, v, r and x are those of the first version (cell_sru_backward.cuh).
#pragma once

#define CELL_INPUTS(STREAM)                                                                                            \
    STREAM(io_t, k, PARTS, 0) STREAM(io_t, v, PARTS, 0) STREAM(io_t, r, PARTS, 0) STREAM(io_t, x, HIGHWAY_ROWS, 0)     \
    STREAM(io_t, gh, DIRECTIONS, 0) MASK(STREAM) STREAM(float, w_k, 0, 0) STREAM(float, w_r, 0, 0)
#define CELL_EARLIER(STREAM) STREAM(io_t, c, DIRECTIONS, 0)
#define CELL_OUTPUTS(STREAM)                                                                                           \
    STREAM(io_t, dk, PARTS, 0) STREAM(io_t, dv, PARTS, 0) STREAM(io_t, dr, PARTS, 0) STREAM(io_t, dx, HIGHWAY_ROWS, 0)
#include "sru_gates.cuh"
#include "streams.cuh"

struct Cell {
    struct Step {
        float slope, more, src, to_k, to_v, dr, dx; // mu_t = slope lambda_t + more

        __device__ __forceinline__ operator Affine() const { return Affine{slope, slope * src + more}; }
    };
    static constexpr bool EMITS_STATE = false;
    static __device__ __forceinline__ Step step(const Values &in) {
        const SruGates gate(in.k + in.w_k * in.c, in.r + in.w_r * in.c);
        const Curve y = phi(gate.a * in.c + gate.z * in.v, MASK_OF(in));
        const float of_gate = in.gh * gate.s, dr = of_gate * gate.not_s * (y.value - in.x);
        const float to_k = (in.v - in.c) * (gate.a * gate.z);
        return Step{gate.a + in.w_k * to_k, in.w_r * dr, of_gate * y.slope, to_k, gate.z, dr, in.gh * gate.not_s};
    }
    static __device__ __forceinline__ Emitted emit(const Step &step, float before, float) {
        const float lambda = step.src + before;
        return Emitted{lambda * step.to_k, lambda * step.to_v, step.dr, step.dx};
    }
};
