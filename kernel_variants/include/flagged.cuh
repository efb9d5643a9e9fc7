// A value and how far its tile is, together in one word of 8 bytes.
//
// Beside values that stand apart, a flag must be released after them and acquired before them (look_back.cuh): a fence
// for who writes, a second trip to L2 for who reads. A word of 8 bytes is written and read as a whole (PTX ISA, memory
// consistency model: a scalar access of up to 64 bits is one), so that who finds the flag in it has the value too: no
// order among accesses is needed, and relaxed ones do. The price: words, not flags, are cleared before the launch.
#pragma once

#include "backoff.cuh"
#include "affine.cuh"

typedef unsigned long long word_t;

__device__ __forceinline__ word_t flagged(float value) { return 1ull << 32 | __float_as_uint(value); }
__device__ __forceinline__ bool is_there(word_t word) { return word >> 32 != 0; }
__device__ __forceinline__ float value_of(word_t word) { return __uint_as_float((unsigned)word); }

__device__ __forceinline__ void publish(word_t *at, float value) {
    asm volatile("st.relaxed.gpu.global.u64 [%0], %1;" ::"l"(at), "l"(flagged(value)) : "memory");
}
__device__ __forceinline__ word_t look(const word_t *at) {
    word_t word;
    asm volatile("ld.relaxed.gpu.global.u64 %0, [%1];" : "=l"(word) : "l"(at) : "memory");
    return word;
}

// A map is two words side by side, each with a flag of its own: nothing says that 16 bytes arrive as one.
struct FlaggedMap {
    word_t a, b;
};

__device__ __forceinline__ bool is_there(FlaggedMap words) { return is_there(words.a) && is_there(words.b); }
__device__ __forceinline__ Affine value_of(FlaggedMap words) { return Affine{value_of(words.a), value_of(words.b)}; }

__device__ __forceinline__ void publish(FlaggedMap *at, Affine map) {
    asm volatile("st.relaxed.gpu.global.v2.u64 [%0], {%1, %2};" ::"l"(at), "l"(flagged(map.a)), "l"(flagged(map.b))
                 : "memory");
}
__device__ __forceinline__ FlaggedMap look(const FlaggedMap *at) {
    FlaggedMap words;
    asm volatile("ld.relaxed.gpu.global.v2.u64 {%0, %1}, [%2];" : "=l"(words.a), "=l"(words.b) : "l"(at) : "memory");
    return words;
}
