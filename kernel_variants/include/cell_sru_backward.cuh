// Back through SRU's first version, against its direction of time: from gh = dL/dh to the gradients of k, v, r and x.
//
//   src_t = gh_t s m phi'(c_t)      lambda_t = src_t + mu_{t+1}      mu_t = a lambda_t
//   dv = lambda z      dk = lambda (v - c_{t-1}) a z      dr = gh (m phi(c_t) - x) s (1 - s)      dx = gh (1 - s)
//
// c_t is made of c_{t-1} again: the one row of states is enough. dr and dx are made when the step is read.
#pragma once

#define CELL_INPUTS(STREAM)                                                                                            \
    STREAM(io_t, k, PARTS, 0) STREAM(io_t, v, PARTS, 0) STREAM(io_t, r, PARTS, 0) STREAM(io_t, x, HIGHWAY_ROWS, 0)     \
    STREAM(io_t, gh, DIRECTIONS, 0) MASK(STREAM)
#define CELL_EARLIER(STREAM) STREAM(io_t, c, DIRECTIONS, 0)
#define CELL_OUTPUTS(STREAM)                                                                                           \
    STREAM(io_t, dk, PARTS, 0) STREAM(io_t, dv, PARTS, 0) STREAM(io_t, dr, PARTS, 0) STREAM(io_t, dx, HIGHWAY_ROWS, 0)
#include "sru_gates.cuh"
#include "streams.cuh"

struct Cell {
    struct Step {
        float a, src, to_k, to_v, dr, dx;

        __device__ __forceinline__ operator Affine() const { return Affine{a, a * src}; }
    };
    static constexpr bool EMITS_STATE = false;
    static __device__ __forceinline__ Step step(const Values &in) {
        const SruGates gate(in.k, in.r);
        const Curve y = phi(gate.a * in.c + gate.z * in.v, MASK_OF(in));
        const float to_gates = gate.a * gate.z, of_gate = in.gh * gate.s;
        return Step{gate.a, of_gate * y.slope, (in.v - in.c) * to_gates, gate.z,
                    of_gate * gate.not_s * (y.value - in.x), in.gh * gate.not_s};
    }
    static __device__ __forceinline__ Emitted emit(const Step &step, float before, float) {
        const float lambda = step.src + before;
        return Emitted{lambda * step.to_k, lambda * step.to_v, step.dr, step.dx};
    }
};
