// Bytes that nobody has reason to write, and that spoil whoever reads them. Each pair is a signalling NaN as bf16, each
// four a signalling NaN as float32: arithmetic passes it on, but made quiet, so that a canary read, computed with and
// written back is seen as well. They differ from place to place, so that one copied to another place is.
#include <array>
#include <cstring>

#include "memory.h"

namespace emulator {

static constexpr std::array<unsigned char, page_bytes> make_pattern() {
    std::array<unsigned char, page_bytes> pattern{};
    for (size_t at = 0; at < page_bytes; at += 2) {
        pattern[at] = (unsigned char)(0x80 + 1 + at / 2 * 37 % 61); // mantissa: not zero, the quiet bit clear
        pattern[at + 1] = 0xff;                                    // sign and exponent
    }
    return pattern;
}

alignas(page_bytes) static constexpr std::array<unsigned char, page_bytes> pattern = make_pattern();

const void *canary_of(const void *address) { return pattern.data() + ((uintptr_t)address & (page_bytes - 1)); }

void set_canary(char *from, char *to) {
    while (from < to) {
        const size_t left = page_bytes - ((uintptr_t)from & (page_bytes - 1)), wanted = (size_t)(to - from);
        const size_t bytes = wanted < left ? wanted : left;
        memcpy(from, canary_of(from), bytes);
        from += bytes;
    }
}

const char *damaged_canary(const char *from, const char *to) {
    while (from < to) {
        const size_t left = page_bytes - ((uintptr_t)from & (page_bytes - 1)), wanted = (size_t)(to - from);
        const size_t bytes = wanted < left ? wanted : left;
        if (memcmp(from, canary_of(from), bytes) != 0)
            for (;; ++from)
                if (*from != *(const char *)canary_of(from)) return from;
        from += bytes;
    }
    return nullptr;
}

} // namespace emulator
