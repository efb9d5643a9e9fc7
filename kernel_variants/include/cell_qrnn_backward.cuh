// Back through QRNN's pooling, compiled with REVERSED: from gh = dL/dh to the gradients of k, v, o and i.
//
//   src = gh sigma(o), or gh      lambda_t = src_t + mu_{t+1}      mu_t = a lambda_t      t = tanh(v)
//   f, fo:  dk = lambda (t - c_{t-1}) a sigma(k)      dv = lambda sigma(k) (1 - t^2)
//   ifo:    dk = -lambda c_{t-1} a sigma(k)           dv = lambda sigma(i) (1 - t^2)
//           di = lambda t sigma(i) sigma(-i)
//   do = gh c_t sigma(o) sigma(-o)
//
// c_t is made of c_{t-1} again. Of f-pooling the states are h.
#pragma once

#if !defined(REVERSED)
#error "a backward pass goes from the last step to the first: compile with REVERSED"
#endif
#include "curve.cuh"

#define QRNN_K_AND_V(STREAM, d) STREAM(io_t, d##k, POOL_ROWS, 0) STREAM(io_t, d##v, POOL_ROWS, 0)
#if POOL_ROWS == 2
#define QRNN_ROWS(STREAM, d) QRNN_K_AND_V(STREAM, d)
#elif POOL_ROWS == 3
#define QRNN_ROWS(STREAM, d) QRNN_K_AND_V(STREAM, d) STREAM(io_t, d##o, POOL_ROWS, 0)
#else
#define QRNN_ROWS(STREAM, d)                                                                                           \
    QRNN_K_AND_V(STREAM, d) STREAM(io_t, d##o, POOL_ROWS, 0) STREAM(io_t, d##enter, POOL_ROWS, 0)
#endif
#define CELL_INPUTS(STREAM) QRNN_ROWS(STREAM, ) STREAM(io_t, gh, 1, 0)
#define CELL_EARLIER(STREAM) STREAM(io_t, c, 1, 0)
#define CELL_OUTPUTS(STREAM) QRNN_ROWS(STREAM, grad_)
#include "streams.cuh"

struct Cell {
    struct Step {
        float a, src, to_k, to_v, of_o, to_i;

        __device__ __forceinline__ operator Affine() const { return Affine{a, a * src}; }
    };
    static constexpr bool EMITS_STATE = false;
    static __device__ __forceinline__ Step step(const Values &in) {
        const Gate k = gate_of(in.k);
        const Curve t = tanh_curve(in.v);
        Step step = {k.closed, in.gh, (t.value - in.c) * (k.open * k.closed), k.open * t.slope, 0.0f, 0.0f};
        float written = k.open * t.value;
#if POOL_ROWS == 4
        const Gate i = gate_of(in.enter);
        written = i.open * t.value;
        step.to_k = -in.c * (k.open * k.closed);
        step.to_v = i.open * t.slope;
        step.to_i = written * i.closed;
#endif
#if POOL_ROWS >= 3
        const Gate o = gate_of(in.o);
        step.src = in.gh * o.open;
        step.of_o = step.src * o.closed * (k.closed * in.c + written);
#endif
        return step;
    }
    static __device__ __forceinline__ Emitted emit(const Step &step, float before, float) {
        const float lambda = step.src + before;
#if POOL_ROWS == 2
        return Emitted{lambda * step.to_k, lambda * step.to_v};
#elif POOL_ROWS == 3
        return Emitted{lambda * step.to_k, lambda * step.to_v, step.of_o};
#else
        return Emitted{lambda * step.to_k, lambda * step.to_v, step.of_o, lambda * step.to_i};
#endif
    }
};
