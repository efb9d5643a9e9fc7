// Copies from global to shared memory that run while the thread goes on (cp.async, sm_80 and later): the bytes in
// flight occupy neither registers nor a waiting thread.
#pragma once

// Copies BYTES = 4, 8 or 16, both addresses aligned to that. 16 bytes go past L1.
template <int BYTES> __device__ __forceinline__ void copy_async(void *shared, const void *global) {
    static_assert(BYTES == 4 || BYTES == 8 || BYTES == 16, "cp.async copies 4, 8 or 16 bytes");
    const unsigned to = (unsigned)__cvta_generic_to_shared(shared);
    if (BYTES == 16)
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(global) : "memory");
    else
        asm volatile("cp.async.ca.shared.global [%0], [%1], %2;" ::"r"(to), "l"(global), "n"(BYTES) : "memory");
}

// Waits until all that this thread has begun to copy is there: a thread does not end before its copies.
__device__ __forceinline__ void wait_for_copies() {
    asm volatile("cp.async.wait_all;" ::: "memory");
}
