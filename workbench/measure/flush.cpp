// Takes memory out of every cache, line by line, so that the next to touch it finds it in memory.
#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

typedef long long index_t;

namespace {

constexpr std::uintptr_t LINE = 64;

inline void flush_line(const char *line) {
#if defined(__CLFLUSHOPT__)
    _mm_clflushopt(const_cast<char *>(line));
#elif defined(__x86_64__)
    _mm_clflush(line);
#elif defined(__aarch64__)
    asm volatile("dc civac, %0" : : "r"(line) : "memory");
#endif
}

inline void wait_for_it() {
#if defined(__x86_64__)
    _mm_mfence();
#elif defined(__aarch64__)
    asm volatile("dsb ish" : : : "memory");
#endif
}

}  // namespace

// Whether this processor has instructions for it that a program may use.
extern "C" int can_flush() {
#if defined(__x86_64__) || defined(__aarch64__)
    return 1;
#else
    return 0;
#endif
}

// `count` regions: their first bytes and their lengths. On OpenMP's threads, which are then awake for what comes next.
extern "C" void flush(const void *const *starts, const index_t *bytes, index_t count, index_t threads) {
#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (index_t thread = 0; thread < threads; ++thread) {
        for (index_t region = 0; region < count; ++region) {
            const std::uintptr_t start = (std::uintptr_t)starts[region] & ~(LINE - 1);
            const std::uintptr_t end = (std::uintptr_t)starts[region] + (std::uintptr_t)bytes[region];
            const index_t lines = (index_t)((end - start + LINE - 1) / LINE);
            for (index_t i = lines * thread / threads; i < lines * (thread + 1) / threads; ++i)
                flush_line((const char *)(start + (std::uintptr_t)i * LINE));
        }
        wait_for_it();
    }
}
