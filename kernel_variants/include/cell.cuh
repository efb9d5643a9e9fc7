// What a scan kernel computes: the cell that it was compiled for (-DCELL_...; none: the plain scan).
//
// Every scan kernel is written once, over a cell. A cell is one header and says:
//
//   CELL_INPUTS, CELL_OUTPUTS   the streams that it reads and writes (streams.cuh)
//   CELL_EARLIER                those that it reads at the step before, if any
//   Cell::Step                  what a thread keeps of a step: Affine, or a struct that converts to it and holds what
//                               `emit` needs besides; its first two numbers being 1 and 0 leaves the state as it is
//   Cell::step(values)          the values of the input streams at (b, t, channel) -> the step
//   Cell::emit(step, before, after)   the step, the state before and after it -> the values of the output streams
//   Cell::EMITS_STATE           whether `emit` looks at `after` alone
//
// A backward pass is a cell too, read against its recurrence: from the last step to the first (-DREVERSED) where that
// goes forwards. Where the adjoint is mu_t = a_t (gh_t + mu_{t+1}), `step` is (a, a gh), and `emit` turns the mu before and
// after a step to gradients.
#pragma once

#if defined(CELL_MINGRU)
#include "cell_mingru.cuh"
#elif defined(CELL_MINLSTM)
#include "cell_minlstm.cuh"
#elif defined(CELL_MINLSTM_BACKWARD)
#include "cell_minlstm_backward.cuh"
#elif defined(CELL_MINGRU_BACKWARD)
#include "cell_mingru_backward.cuh"
#elif defined(CELL_SCAN_BACKWARD)
#include "cell_scan_backward.cuh"
#elif defined(CELL_SRU)
#include "cell_sru.cuh"
#elif defined(CELL_SRU_BACKWARD)
#include "cell_sru_backward.cuh"
#elif defined(CELL_SRU2_BACKWARD)
#include "cell_sru2_backward.cuh"
#elif defined(CELL_QRNN)
#include "cell_qrnn.cuh"
#elif defined(CELL_QRNN_BACKWARD)
#include "cell_qrnn_backward.cuh"
#else
#include "cell_scan.cuh"
#endif

typedef Cell::Step Step;

// The step that raw values stand for.
__device__ __forceinline__ Step step_of(const Raw &raw) { return Cell::step(widened(raw)); }

// In place of a step that is not there: the state stays as it is.
__device__ __forceinline__ Step no_step() {
    return Step{1.0f, 0.0f};
}
