// What a CPU gives at most: bytes through its memory with ordinary and with non-temporal stores, exponentials and
// multiply-adds through its vector units. Every core of OpenMP's takes part. Threads never wait for each other: each
// works in bursts and writes down when each of them began and ended; ceilings_cpu.py makes rates of that.
//
// Plain loops where the compiler vectorises them, its vector extensions where not; only non-temporal stores are
// intrinsics.
#include <chrono>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

typedef long long index_t;

namespace {

constexpr index_t LINE = 64 / sizeof(float);  // floats of a cache line

// The slice of n floats that this thread takes, in whole lines; the last one takes what is left.
struct Slice {
    index_t first, last;
};

// A thread's number and their count, without <omp.h>: each iteration of the static loop below is one thread's.
template <class Body>
void in_slices(index_t n, index_t threads, const Body &body) {
    const index_t lines = n / LINE;
#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (index_t thread = 0; thread < threads; ++thread)
        body(Slice{lines * thread / threads * LINE, thread + 1 == threads ? n : lines * (thread + 1) / threads * LINE},
             thread);
}

// 64 bytes past the caches: p is a line's start.
inline void stream_line(float *p, const float *line) {
#if defined(__AVX512F__)
    _mm512_stream_ps(p, _mm512_loadu_ps(line));
#elif defined(__AVX__)
    _mm256_stream_ps(p, _mm256_loadu_ps(line));
    _mm256_stream_ps(p + 8, _mm256_loadu_ps(line + 8));
#elif defined(__SSE2__)
    for (int i = 0; i < 4; ++i) _mm_stream_ps(p + 4 * i, _mm_loadu_ps(line + 4 * i));
#else
    std::memcpy(p, line, LINE * sizeof(float));  // the compiler knows no such store: an ordinary one
#endif
}

inline void fence() {
#if defined(__SSE2__)
    _mm_sfence();
#endif
}

#if defined(__AVX512F__)
constexpr int VECTOR_BYTES = 64;
#elif defined(__AVX__)
constexpr int VECTOR_BYTES = 32;
#else
constexpr int VECTOR_BYTES = 16;
#endif
typedef float vector __attribute__((vector_size(VECTOR_BYTES)));
typedef int32_t integers __attribute__((vector_size(VECTOR_BYTES)));
constexpr index_t LANES = VECTOR_BYTES / sizeof(float);
constexpr int CHAINS = 10;  // two multiply-adds a cycle, each done after four or five; fits the registers

// e^x in float32 over all of its range, to about one unit in the last place: x log2 e = n + f with log2 e in two parts,
// 2^f a polynomial of degree 6 (|f| <= 1/2, relative error 1.6e-8). No call, no table: what vector units can do.
inline vector exponential(vector x) {
    constexpr float SHIFT = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
    const vector least = vector{} - 87.0f, most = vector{} + 88.0f;
    x = x < least ? least : x;
    x = x > most ? most : x;
    const vector shifted = x * 1.44269502f + SHIFT;
    const vector f = (x * 1.44269502f - (shifted - SHIFT)) + x * 1.92596303e-8f;
    vector p = f * 1.53533620e-4f + 1.33988750e-3f;
    p = p * f + 9.61843692e-3f;
    p = p * f + 5.55033237e-2f;
    p = p * f + 2.40226477e-1f;
    p = p * f + 6.93147182e-1f;
    p = p * f + 1.0f;
    return (vector)((integers)p + ((integers)shifted << 23));
}

constexpr index_t RESIDENT = 2048;  // floats in and out together are 16 KiB: they stay in any L1

}  // namespace

// How the work of each thread is cut up: into bursts, burst after burst over the next of so many equal pieces of its
// slice, `rounds` times over it. `stamps`: begin and end of each burst in nanoseconds, thread by thread.
struct Bursts {
    index_t rounds, count, pieces;
    int64_t *stamps;
};

inline int64_t now() {
    using namespace std::chrono;
    return duration_cast<nanoseconds>(steady_clock::now().time_since_epoch()).count();
}

// body(burst) for each burst of a thread.
template <class Body>
void in_bursts(index_t thread, const Bursts &bursts, const Body &body) {
    int64_t *stamps = bursts.stamps + 2 * bursts.count * thread;
    for (index_t burst = 0; burst < bursts.count; ++burst) {
        stamps[2 * burst] = now();
        body(burst);
        stamps[2 * burst + 1] = now();
    }
}

// Every array below has n floats and starts on a cache line. Each thread goes over its own slice: one that fits in a
// cache stays there.
template <class Body>
void over_and_over(index_t n, index_t threads, const Bursts &bursts, const Body &body) {
    in_slices(n, threads, [=](Slice s, index_t thread) {
        const index_t lines = (s.last - s.first) / LINE;
        in_bursts(thread, bursts, [=](index_t burst) {
            const index_t piece = burst % bursts.pieces;
            const Slice own{s.first + lines * piece / bursts.pieces * LINE,
                            s.first + lines * (piece + 1) / bursts.pieces * LINE};
            for (index_t round = 0; round < bursts.rounds; ++round) {
                body(own);
                asm volatile("" ::: "memory");  // every round's results are wanted
            }
        });
    });
}

extern "C" void fill(float *x, float value, index_t n, index_t threads) {
    in_slices(n, threads, [=](Slice s, index_t) {
        for (index_t i = s.first; i < s.last; ++i) x[i] = value;
    });
}

extern "C" void read(const float *from, index_t n, index_t threads, const Bursts *bursts) {
    over_and_over(n, threads, *bursts, [=](Slice s) {
        vector sums[4] = {};
        for (index_t i = s.first; i + LINE <= s.last; i += LINE)
            for (index_t j = 0; j < LINE / LANES; ++j) {
                vector v;
                std::memcpy(&v, from + i + j * LANES, sizeof v);
                sums[j % 4] += v;
            }
        asm volatile("" : : "m"(sums));
    });
}

extern "C" void copy(const float *__restrict__ from, float *__restrict__ to, index_t n, index_t threads,
                     const Bursts *bursts) {
    over_and_over(n, threads, *bursts, [=](Slice s) {
        // Not memcpy, which takes non-temporal stores on its own for a size like this.
        for (index_t i = s.first; i + LINE <= s.last; i += LINE) {
#pragma omp simd
            for (index_t j = 0; j < LINE; ++j) to[i + j] = from[i + j];
            asm volatile("" ::: "memory");
        }
    });
}

extern "C" void copy_nt(const float *__restrict__ from, float *__restrict__ to, index_t n, index_t threads,
                        const Bursts *bursts) {
    over_and_over(n, threads, *bursts, [=](Slice s) {
        for (index_t i = s.first; i + LINE <= s.last; i += LINE) stream_line(to + i, from + i);
        fence();
    });
}

extern "C" void triad(const float *__restrict__ b, const float *__restrict__ c, float *__restrict__ a, index_t n,
                      index_t threads, const Bursts *bursts) {
    over_and_over(n, threads, *bursts, [=](Slice s) {
#pragma omp simd
        for (index_t i = s.first; i < s.last; ++i) a[i] = b[i] + 3.0f * c[i];
    });
}

extern "C" void triad_nt(const float *__restrict__ b, const float *__restrict__ c, float *__restrict__ a, index_t n,
                         index_t threads, const Bursts *bursts) {
    over_and_over(n, threads, *bursts, [=](Slice s) {
        for (index_t i = s.first; i + LINE <= s.last; i += LINE) {
            alignas(64) float line[LINE];
#pragma omp simd
            for (index_t j = 0; j < LINE; ++j) line[j] = b[i + j] + 3.0f * c[i + j];
            stream_line(a + i, line);
        }
        fence();
    });
}

// RESIDENT exponentials a round, of arguments in [-8, 0), by `evaluate(from, to)`.
template <class Evaluate>
void exponentials_by(index_t threads, const Bursts &bursts, const Evaluate &evaluate) {
    in_slices(threads * LINE, threads, [=](Slice, index_t thread) {
        alignas(64) float x[RESIDENT], y[RESIDENT];
        for (index_t i = 0; i < RESIDENT; ++i) x[i] = -8.0f + 8.0f * (float)i / RESIDENT;
        in_bursts(thread, bursts, [&](index_t) {
            for (index_t round = 0; round < bursts.rounds; ++round) {
                evaluate(x, y);
                asm volatile("" : : "r"(y) : "memory");  // every round's results are wanted
            }
        });
    });
}

extern "C" void exponentials(index_t threads, const Bursts *bursts) {
    exponentials_by(threads, *bursts, [](const float *x, float *y) {
        for (index_t i = 0; i < RESIDENT; i += LANES) {
            vector v;
            std::memcpy(&v, x + i, sizeof v);
            v = exponential(v);
            std::memcpy(y + i, &v, sizeof v);
        }
    });
}

// The same by the C library's vector expf (glibc's libmvec: at most 4 units in the last place). Returns 0 where there is
// none.
#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__clang__)
#pragma omp declare simd notinbranch
extern "C" float expf(float) noexcept;
extern "C" int exponentials_libm(index_t threads, const Bursts *bursts) {
    exponentials_by(threads, *bursts, [](const float *x, float *y) {
#pragma omp simd
        for (index_t i = 0; i < RESIDENT; ++i) y[i] = expf(x[i]);
    });
    return 1;
}
#else
extern "C" int exponentials_libm(index_t, const Bursts *) { return 0; }
#endif

// Independent chains of multiply-adds, enough of them to hide their latency.
extern "C" void multiply_adds(index_t threads, const Bursts *bursts) {
    const Bursts own = *bursts;
    in_slices(threads * LINE, threads, [=](Slice, index_t thread) {
        in_bursts(thread, own, [=](index_t) {
            vector chain[CHAINS] = {};
            asm volatile("" : "+m"(chain));  // for all the compiler knows they differ
            const vector factor = vector{} + 0.5f, term = vector{} + 1.0f;
            for (index_t round = 0; round < own.rounds; ++round)
                for (int i = 0; i < CHAINS; ++i) chain[i] = chain[i] * factor + term;
            vector sum = {};
            for (int i = 0; i < CHAINS; ++i) sum += chain[i];
            asm volatile("" : : "m"(sum));  // the chains are wanted
        });
    });
}

extern "C" index_t exponentials_a_round() { return RESIDENT; }
extern "C" index_t flops_a_round() { return 2 * CHAINS * (VECTOR_BYTES / (index_t)sizeof(float)); }

// One value of it, for the tests.
extern "C" float exponential_of(float x) { return exponential(vector{} + x)[0]; }
