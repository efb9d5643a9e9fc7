// Warp primitives: every lane that the mask names and that has not returned meets the others, then goes on.
#pragma once

namespace emulated {

template <class T> uint64_t bits(T value) {
    static_assert(sizeof(T) <= 8, "a shuffle moves at most 8 bytes");
    uint64_t word = 0;
    memcpy(&word, &value, sizeof(T));
    return word;
}

template <class T> T shuffle(int kind, unsigned mask, T value, int argument, int width, const char *file, int line) {
    const uint64_t word = emulated_meet(kind, mask, bits(value), argument, width, file, line);
    T result;
    memcpy(&result, &word, sizeof(T));
    return result;
}

template <class T> T reduce(int kind, unsigned mask, T value, const char *file, int line) {
    const uint64_t word = std::is_signed_v<T> ? (uint64_t)(int64_t)value : (uint64_t)value;
    return (T)emulated_meet(kind, mask, word, 0, 32, file, line);
}

} // namespace emulated

template <class T> T __shfl_sync(unsigned mask, T value, int lane, int width = 32, EMULATED_HERE) {
    return emulated::shuffle(EMULATED_SHUFFLE, mask, value, lane, width, file, line);
}
template <class T> T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, EMULATED_HERE) {
    return emulated::shuffle(EMULATED_SHUFFLE_UP, mask, value, (int)delta, width, file, line);
}
template <class T> T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, EMULATED_HERE) {
    return emulated::shuffle(EMULATED_SHUFFLE_DOWN, mask, value, (int)delta, width, file, line);
}
template <class T> T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32, EMULATED_HERE) {
    return emulated::shuffle(EMULATED_SHUFFLE_XOR, mask, value, lanes, width, file, line);
}
inline void __syncwarp(unsigned mask = 0xffffffffu, EMULATED_HERE) {
    emulated_meet(EMULATED_SYNCWARP, mask, 0, 0, 32, file, line);
}
inline unsigned __ballot_sync(unsigned mask, int predicate, EMULATED_HERE) {
    return (unsigned)emulated_meet(EMULATED_BALLOT, mask, predicate != 0, 0, 32, file, line);
}
inline int __all_sync(unsigned mask, int predicate, EMULATED_HERE) {
    return (int)emulated_meet(EMULATED_ALL, mask, predicate != 0, 0, 32, file, line);
}
inline int __any_sync(unsigned mask, int predicate, EMULATED_HERE) {
    return (int)emulated_meet(EMULATED_ANY, mask, predicate != 0, 0, 32, file, line);
}
template <class T> unsigned __match_any_sync(unsigned mask, T value, EMULATED_HERE) {
    return (unsigned)emulated_meet(EMULATED_MATCH_ANY, mask, emulated::bits(value), 0, 32, file, line);
}
// Lanes that have not returned: what the hardware would answer were the warp converged. It says nothing about branches.
inline unsigned __activemask() { return emulated_live_lanes(); }

#define EMULATED_REDUCE(name, type, kind) \
    inline type name(unsigned mask, type value, EMULATED_HERE) { return emulated::reduce(kind, mask, value, file, line); }
EMULATED_REDUCE(__reduce_add_sync, int, EMULATED_ADD)
EMULATED_REDUCE(__reduce_add_sync, unsigned, EMULATED_ADD)
EMULATED_REDUCE(__reduce_min_sync, int, EMULATED_MIN)
EMULATED_REDUCE(__reduce_min_sync, unsigned, EMULATED_UMIN)
EMULATED_REDUCE(__reduce_max_sync, int, EMULATED_MAX)
EMULATED_REDUCE(__reduce_max_sync, unsigned, EMULATED_UMAX)
EMULATED_REDUCE(__reduce_and_sync, unsigned, EMULATED_BIT_AND)
EMULATED_REDUCE(__reduce_or_sync, unsigned, EMULATED_BIT_OR)
EMULATED_REDUCE(__reduce_xor_sync, unsigned, EMULATED_BIT_XOR)
#undef EMULATED_REDUCE
