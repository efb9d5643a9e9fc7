"""Small kernels with one fault each, and the same without it: what each checker is held to.

Each is a body of CUDA C++ with `#if FIX` around what is right. `x` has N floats, `y` as many outputs (0 before where
the case says so), B blocks of T threads.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    name: str
    kind: str
    """What the checkers call it; empty: a wrong result alone."""
    body: str
    blocks: int = 1
    threads: int = 64
    clears: bool = False
    """y is cleared before."""
    depends: bool = False
    """The result is wrong in some schedules alone."""


FAULTS = (
    Fault("a missing barrier", "race", """
        __shared__ float s[64];
        s[threadIdx.x] = x[threadIdx.x];
        if (FIX) __syncthreads();
        y[threadIdx.x] = s[63 - threadIdx.x];"""),
    Fault("a slot written again before all have read it", "race", """
        __shared__ float s;
        float sum = 0;
        for (int k = 0; k < 3; ++k) {
            if (threadIdx.x == 0) s = x[k];
            __syncthreads();
            sum += s;
            if (FIX) __syncthreads();
        }
        y[threadIdx.x] = sum;"""),
    Fault("lanes that exchange without a warp barrier", "race", """
        __shared__ float s[64];
        s[threadIdx.x] = x[threadIdx.x];
        if (FIX) __syncwarp();
        y[threadIdx.x] = s[threadIdx.x ^ 1];"""),
    Fault("blocks that add without an atomic", "race", """
        if (FIX) atomicAdd(&y[threadIdx.x], x[threadIdx.x]);
        else y[threadIdx.x] += x[threadIdx.x];""", blocks=3, clears=True),
    Fault("a value that is read, changed and stored back", "race", """
        int *p = reinterpret_cast<int *>(y), old = *p, was;
        do {
            was = old;
            if (FIX) old = atomicCAS(p, was, was + static_cast<int>(x[0]));
            else *p = was + 1;
        } while (old != was);""", blocks=2, clears=True),
    Fault("an index one too far", "stray_write", """
        int i = blockIdx.x * blockDim.x + threadIdx.x;
        if (i < N + !FIX) y[i] = 2 * x[i < N ? i : 0];""", blocks=2),
    Fault("four floats at an odd address", "misaligned", """
        int i = 4 * threadIdx.x + (FIX ? 0 : 1);
        if (i + 3 < N) *reinterpret_cast<float4 *>(y + i) = make_float4(1, 2, 3, 4);
        if (!FIX || i >= N) return;""", blocks=1, threads=16),
    Fault("slots of shared memory that nobody wrote", "uninitialised_store", """
        __shared__ float s[64];
        if (FIX || threadIdx.x < 40) s[threadIdx.x] = x[threadIdx.x];
        __syncthreads();
        y[threadIdx.x] = s[63 - threadIdx.x] + 1;"""),
    Fault("a shuffle of lanes that have left", "uninitialised_store", """
        int i = threadIdx.x;
        float v = i < 40 ? x[i] : 0;
        if (!FIX && i >= 40) return;
        v += __shfl_xor_sync(0xffffffffu, v, 16);
        y[i] = v;"""),
    Fault("an asynchronous copy that nobody waits for", "copy_in_flight", """
        __shared__ float s[64];
        asm volatile("cp.async.ca.shared.global [%0], [%1], 4;"
                     :: "r"((unsigned)__cvta_generic_to_shared(s + threadIdx.x)), "l"(x + threadIdx.x));
        if (FIX) asm volatile("cp.async.wait_all;" ::: "memory");
        y[threadIdx.x] = s[threadIdx.x];"""),
    Fault("an mbarrier that others come to before it is made", "race", """
        __shared__ unsigned long long object;
        const unsigned at = (unsigned)__cvta_generic_to_shared(&object);
        if (threadIdx.x == 0) asm volatile("mbarrier.init.shared.b64 [%0], 64;" :: "r"(at) : "memory");
        if (FIX) __syncthreads();
        unsigned over = 0;
        asm volatile("mbarrier.arrive.shared.b64 _, [%0];" :: "r"(at) : "memory");
        while (!over)
            asm volatile("{ .reg .pred p; mbarrier.try_wait.parity.shared.b64 p, [%1], 0; selp.u32 %0, 1, 0, p; }"
                         : "=r"(over) : "r"(at) : "memory");
        y[threadIdx.x] = x[threadIdx.x];"""),
    Fault("half a warp that waits at another mbarrier than its data", "race", """
        __shared__ float s[32];
        __shared__ unsigned long long objects[2];
        const unsigned at = (unsigned)__cvta_generic_to_shared(objects);
        if (threadIdx.x == 0) {
            asm volatile("mbarrier.init.shared.b64 [%0], 32;" :: "r"(at) : "memory");
            asm volatile("mbarrier.init.shared.b64 [%0], 1;" :: "r"(at + 8) : "memory");
            asm volatile("mbarrier.arrive.shared.b64 _, [%0];" :: "r"(at + 8) : "memory");
        }
        __syncthreads();
        if (threadIdx.x >= 32) {
            s[threadIdx.x - 32] = x[threadIdx.x];
            asm volatile("mbarrier.arrive.shared.b64 _, [%0];" :: "r"(at) : "memory");
            y[threadIdx.x] = x[threadIdx.x];
            return;
        }
        unsigned over = 0;
        const unsigned mine = at + (FIX || threadIdx.x < 16 ? 0 : 8);
        while (!over)
            asm volatile("{ .reg .pred p; mbarrier.try_wait.parity.shared.b64 p, [%1], 0; selp.u32 %0, 1, 0, p; }"
                         : "=r"(over) : "r"(mine) : "memory");
        y[threadIdx.x] = s[threadIdx.x];"""),
    Fault("the read-only cache of what is written", "stale_read", """
        y[threadIdx.x] = x[threadIdx.x];
        __syncthreads();
        float v = FIX ? y[63 - threadIdx.x] : __ldg(y + 63 - threadIdx.x);
        __syncthreads();
        y[threadIdx.x] = v;"""),
    Fault("a barrier on both sides of a branch", "divergent_barrier", """
        __shared__ float s[64];
        s[threadIdx.x] = x[threadIdx.x];
        if (FIX) { __syncthreads(); }
        else if (threadIdx.x < 32) {
            __syncthreads();
            s[threadIdx.x] += 1;
        } else {
            __syncthreads();
            s[threadIdx.x] += 2;
        }
        y[threadIdx.x] = s[threadIdx.x];"""),
    Fault("a division by zero", "division_by_zero", """
        int divisor = (int)threadIdx.x - (FIX ? -1 : 3);
        y[threadIdx.x] = x[threadIdx.x] * (float)(1000 / divisor);"""),
    Fault("an endless loop", "waits_forever", """
        volatile int k = 1;
        while (!FIX && k) k = 1;
        y[threadIdx.x] = x[threadIdx.x];"""),
    Fault("a block that waits for a later one", "waits_forever", """
        volatile float *flag = y;
        unsigned wanted = FIX ? blockIdx.x : blockIdx.x + 1;
        if (threadIdx.x == 0) {
            if (wanted > 0 && wanted < gridDim.x) while (flag[FIX ? wanted - 1 : wanted] == 0) ;
            __threadfence();
            flag[blockIdx.x] = 1;
        }""", blocks=6, threads=1, clears=True),
    Fault("a lock that nobody releases", "waits_forever", """
        int *lock = reinterpret_cast<int *>(y);
        while (atomicCAS(lock, 0, 1) != 0) ;
        __threadfence();
        if (FIX) atomicExch(lock, 0);""", threads=40, clears=True),
    Fault("an mbarrier that others come to after its end", "bad_mbarrier", """
        __shared__ unsigned long long object;
        __shared__ unsigned left;
        const unsigned at = (unsigned)__cvta_generic_to_shared(&object);
        if (threadIdx.x == 0) {
            asm volatile("mbarrier.init.shared.b64 [%0], 64;" :: "r"(at) : "memory");
            left = 2;
            if (!FIX) asm volatile("mbarrier.inval.shared.b64 [%0];" :: "r"(at) : "memory");
        }
        __syncthreads();
        asm volatile("mbarrier.arrive.shared.b64 _, [%0];" :: "r"(at) : "memory");
        // As libcu++ ends a pipeline: a lane counts for its warp.
        if (threadIdx.x % 32 == 0) {
            __threadfence_block();
            if (atomicSub(&left, 1) == 1) {
                __threadfence_block();
                if (FIX) asm volatile("mbarrier.inval.shared.b64 [%0];" :: "r"(at) : "memory");
            }
        }
        y[threadIdx.x] = x[threadIdx.x];"""),
    Fault("a flag set before its data", "", """
        volatile float *data = y, *flag = y + 1, *seen = y + 2;
        if (blockIdx.x == 0) {
            data[0] = 5;
            if (FIX) __threadfence();
            flag[0] = 1;
        } else {
            while (flag[0] == 0) __nanosleep(20);
            if (FIX) __threadfence();
            seen[0] = data[0];
        }""", blocks=2, threads=1, clears=True, depends=True),
    Fault("an output that is not written", "unwritten_output", """
        int i = threadIdx.x;
        if (i < N - !FIX) y[i] = x[i];"""),
)  # fmt: skip
