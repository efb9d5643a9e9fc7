// A barrier in shared memory on which arriving and waiting are apart (mbarrier, sm_80 and later): producers arrive
// and go on, consumers wait. It goes through phases; a phase ends when `count` arrivals have come, and the next one
// begins. Who waits names the parity (0, 1, 0, ...) of the phase whose end it needs; parity 1 of a fresh barrier has
// "ended".
#pragma once

#include "backoff.cuh"

struct Mbarrier {
    unsigned long long word; // opaque

    // By one thread, before a __syncthreads() that all who use it pass.
    __device__ __forceinline__ void init(unsigned count) {
        asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(address()), "r"(count) : "memory");
    }

    // What this thread wrote before is seen by who waits for the phase.
    __device__ __forceinline__ void arrive() {
        asm volatile("{\n .reg .b64 phase;\n mbarrier.arrive.shared.b64 phase, [%0];\n}" ::"r"(address()) : "memory");
    }

    // Arrives by itself, later: when all asynchronous copies that this thread has begun have landed.
    __device__ __forceinline__ void arrive_when_copied() {
        asm volatile("cp.async.mbarrier.arrive.noinc.shared.b64 [%0];" ::"r"(address()) : "memory");
    }

    __device__ __forceinline__ void wait(unsigned parity) {
        while (!ended(parity)) {
#if __CUDA_ARCH__ < 900 // from sm_90 on the hardware sleeps in try_wait
            backoff();
#endif
        }
    }

  private:
    __device__ __forceinline__ bool ended(unsigned parity) {
        unsigned done;
#if __CUDA_ARCH__ >= 900
        asm volatile("{\n .reg .pred p;\n mbarrier.try_wait.parity.shared.b64 p, [%1], %2;\n selp.u32 %0, 1, 0, p;\n}"
                     : "=r"(done)
                     : "r"(address()), "r"(parity)
                     : "memory");
#else
        asm volatile("{\n .reg .pred p;\n mbarrier.test_wait.parity.shared.b64 p, [%1], %2;\n selp.u32 %0, 1, 0, p;\n}"
                     : "=r"(done)
                     : "r"(address()), "r"(parity)
                     : "memory");
#endif
        return done;
    }

    __device__ __forceinline__ unsigned address() { return (unsigned)__cvta_generic_to_shared(this); }
};
