// What tiles tell each other in a single-pass scan (decoupled look-back, Merrill and Garland 2016), for vectors: a tile
// publishes a value for every channel, and one flag for all of them.
//
// A flag only ever rises. The order that makes it safe: the vector is stored, every thread that stored it meets the
// others (__syncwarp), and one of them releases the flag; a reader acquires the flag, its warp meets, and the vector is
// there. Which tiles have started is known from tickets (ticket.cuh).
#pragma once

#include "backoff.cuh"
#include "ticket.cuh"

enum Progress { NOTHING = 0, SUMMARY = 1, STATE = 2 }; // of a tile: what it does to a state; the state that leaves it

// By one thread, after its warp's stores and a __syncwarp().
__device__ __forceinline__ void release(unsigned *flag, unsigned progress) {
    asm volatile("st.release.gpu.global.u32 [%0], %1;" ::"l"(flag), "r"(progress) : "memory");
}

__device__ __forceinline__ unsigned acquire(unsigned *flag) {
    unsigned progress;
    asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(progress) : "l"(flag) : "memory");
    return progress;
}

// By a whole warp: waits until the tile has come as far as `least`, and says how far it is.
__device__ __forceinline__ unsigned wait_for(unsigned *flag, unsigned least, int lane) {
    unsigned progress = NOTHING;
    if (lane == 0)
        while ((progress = acquire(flag)) < least) backoff();
    __syncwarp(); // what lane 0 has acquired the others may now read; a shuffle alone orders no memory
    return __shfl_sync(0xffffffffu, progress, 0);
}
