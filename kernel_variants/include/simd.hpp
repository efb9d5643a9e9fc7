// SIMD for the host kernels: float vectors as wide as the machine's, and what moves them to and from memory.
//
// Vectors are the compiler's own (GCC and Clang vector extensions): + - * / ?: work lane by lane and compile for
// AVX-512, AVX2, SSE, NEON or SVE alike. Only what the extensions cannot say is written per machine, each with a
// plain form: maximum and minimum of one instruction, and non-temporal stores.
//
// The unit of work is a line: the channels of one output cache line, 64 bytes of io_t (16 floats or 32 bf16).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

// PLAIN_VECTORS asks for the plain form on a machine that has better: what tests do where there is no other machine.
#if !defined(PLAIN_VECTORS) && defined(__SSE2__)
#include <immintrin.h>
#if defined(__AVX512F__)
#define SIMD_AVX512
#elif defined(__AVX2__)
#define SIMD_AVX2
#else
#define SIMD_SSE2
#endif
#endif

// Sizes and offsets are 64 bits: B*T*H passes 2^31 at sizes that people run.
typedef long long index_t;

#if defined(IO_BFLOAT16)
typedef uint16_t io_t;  // the upper half of a float32
#else
typedef float io_t;
#endif

#if defined(SIMD_AVX512)
constexpr int LANES = 16;
#elif defined(SIMD_AVX2)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif
typedef float floats __attribute__((vector_size(4 * LANES)));
typedef int32_t ints __attribute__((vector_size(4 * LANES)));
typedef uint32_t words __attribute__((vector_size(4 * LANES)));
typedef uint16_t halves __attribute__((vector_size(2 * LANES)));

constexpr int LINE_BYTES = 64;
constexpr int LINE = LINE_BYTES / sizeof(io_t);  // channels of a line
constexpr int VECTORS = LINE / LANES;            // vectors of a line

#define INLINE inline __attribute__((always_inline))

INLINE floats splat(float value) { return floats{} + value; }

INLINE floats load(const float *p) {
    floats v;
    std::memcpy(&v, p, sizeof v);  // an unaligned load
    return v;
}

INLINE void store(float *p, floats v) { std::memcpy(p, &v, sizeof v); }

// The bits of a vector, seen as another type of the same size.
template <class To, class From>
INLINE To bits(From v) {
    static_assert(sizeof(To) == sizeof(From));
    return (To)v;
}

// Both return x where x is NaN: a NaN that comes in must come out. (maskz: GCC 12 warns of the plain form's own header.)
INLINE floats at_least(floats x, float bound) {
#if defined(SIMD_AVX512)
    return (floats)_mm512_maskz_max_ps(0xffff, (__m512)splat(bound), (__m512)x);
#elif defined(SIMD_AVX2)
    return (floats)_mm256_max_ps((__m256)splat(bound), (__m256)x);
#else
    return x < bound ? splat(bound) : x;
#endif
}

INLINE floats at_most(floats x, float bound) {
#if defined(SIMD_AVX512)
    return (floats)_mm512_maskz_min_ps(0xffff, (__m512)splat(bound), (__m512)x);
#elif defined(SIMD_AVX2)
    return (floats)_mm256_min_ps((__m256)splat(bound), (__m256)x);
#else
    return x > bound ? splat(bound) : x;
#endif
}

// ---------------------------------------------------------------- io_t: float32 as it is, bf16 widened and rounded

INLINE floats widen(halves v) { return bits<floats>(__builtin_convertvector(v, words) << 16); }

// To nearest, ties to even, in the lower half of each word; a NaN stays one (without the test a NaN of all ones would
// round to zero).
INLINE words round_to_half(floats v) {
    const words w = bits<words>(v), upper = w >> 16;
    const words rounded = (w + 0x7fffu + (upper & 1u)) >> 16;
    return v == v ? rounded : (upper | 0x40u);
}
INLINE halves narrow(floats v) { return __builtin_convertvector(round_to_half(v), halves); }

#if defined(IO_BFLOAT16)
INLINE floats load_io(const io_t *p) {
    halves v;
    std::memcpy(&v, p, sizeof v);
    return widen(v);
}
INLINE void store_io(io_t *p, floats v) {
    const halves rounded = narrow(v);
    std::memcpy(p, &rounded, sizeof rounded);
}
INLINE float load_io_one(const io_t *p) {
    const uint32_t w = (uint32_t)*p << 16;
    float value;
    std::memcpy(&value, &w, sizeof value);
    return value;
}
INLINE void store_io_one(io_t *p, float value) {
    uint32_t w;
    std::memcpy(&w, &value, sizeof w);
    *p = value == value ? (w + 0x7fffu + ((w >> 16) & 1u)) >> 16 : (w >> 16) | 0x40u;
}
#else
INLINE floats load_io(const io_t *p) { return load(p); }
INLINE void store_io(io_t *p, floats v) { store(p, v); }
INLINE float load_io_one(const io_t *p) { return *p; }
INLINE void store_io_one(io_t *p, float value) { *p = value; }
#endif

// ---------------------------------------------------------------- lines

// A line of outputs, still float32.
struct Line {
    floats v[VECTORS];
};

INLINE void store_line(io_t *p, const Line &line) {
    for (int i = 0; i < VECTORS; ++i) store_io(p + i * LANES, line.v[i]);
}

// A whole, aligned line past the caches: the memory is not read before it is written, and nothing that will be read
// again is evicted. The line is stored in one go: a write-combining buffer that is flushed half full costs a read.
// On a machine whose compiler knows no such store it is an ordinary one.
INLINE void stream_line(io_t *p, const Line &line) {
#if defined(SIMD_AVX512) && defined(IO_BFLOAT16)
    typedef uint64_t quarters __attribute__((vector_size(32)));
    const quarters lower = (quarters)narrow(line.v[0]), upper = (quarters)narrow(line.v[1]);
    _mm512_stream_si512((__m512i *)p, (__m512i)__builtin_shufflevector(lower, upper, 0, 1, 2, 3, 4, 5, 6, 7));
#elif defined(SIMD_AVX512)
    _mm512_stream_ps(p, (__m512)line.v[0]);
#elif defined(SIMD_AVX2) && defined(IO_BFLOAT16)
    for (int i = 0; i < 2; ++i) {
        // The pack interleaves 128-bit lanes of its two operands; the permutation puts the quarters in order.
        const __m256i packed = _mm256_packus_epi32((__m256i)round_to_half(line.v[2 * i]),
                                                   (__m256i)round_to_half(line.v[2 * i + 1]));
        _mm256_stream_si256((__m256i *)p + i, _mm256_permute4x64_epi64(packed, 0xd8));
    }
#elif defined(SIMD_AVX2)
    for (int i = 0; i < 2; ++i) _mm256_stream_ps(p + i * LANES, (__m256)line.v[i]);
#else
    alignas(LINE_BYTES) io_t staged[LINE];
    store_line(staged, line);
#if defined(SIMD_SSE2)
    for (int i = 0; i < 4; ++i) _mm_stream_si128((__m128i *)p + i, ((const __m128i *)staged)[i]);
#elif defined(__clang__) && !defined(PLAIN_VECTORS)
    typedef uint64_t pair __attribute__((vector_size(16)));
    for (int i = 0; i < 4; ++i) __builtin_nontemporal_store(((const pair *)staged)[i], (pair *)p + i);
#else
    std::memcpy(p, staged, LINE_BYTES);
#endif
#endif
}

// Non-temporal stores are weakly ordered: whoever is told that the work is done must see them.
INLINE void fence_streams() {
#if defined(SIMD_AVX512) || defined(SIMD_AVX2) || defined(SIMD_SSE2)
    _mm_sfence();
#else
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

// Elements from p to the next line boundary (0 on one), at most `limit`.
INLINE index_t to_boundary(const io_t *p, index_t limit) {
    const index_t bytes = -(intptr_t)p & (LINE_BYTES - 1);
    const index_t elements = bytes / (index_t)sizeof(io_t);
    return elements < limit ? elements : limit;
}
