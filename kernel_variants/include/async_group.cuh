// Waiting for this thread's own asynchronous copies (async_copy.cuh) in groups, in the order in which they were begun.
// Who needs the copies of other threads meets them at a barrier afterwards.
#pragma once
#include "async_copy.cuh"

// Everything begun since the last call is one group.
__device__ __forceinline__ void end_group() {
    asm volatile("cp.async.commit_group;" ::: "memory");
}

// Until all but the latest LATEST groups are there.
template <int LATEST> __device__ __forceinline__ void wait_for_groups() {
    asm volatile("cp.async.wait_group %0;" ::"n"(LATEST) : "memory");
}
