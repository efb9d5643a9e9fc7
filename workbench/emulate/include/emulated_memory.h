// Loads and stores with a cache hint, fences, and what a thread may ask about time and addresses.
#pragma once

#define EMULATED_LOAD(name) \
    template <class T> T name(const T *at) { return *at; }
EMULATED_LOAD(__ldg)
EMULATED_LOAD(__ldca)
EMULATED_LOAD(__ldcg)
EMULATED_LOAD(__ldcs)
EMULATED_LOAD(__ldlu)
#undef EMULATED_LOAD
template <class T> T __ldcv(const T *at) {
    asm volatile("" ::: "memory"); // read again each time
    return *at;
}

#define EMULATED_STORE(name) \
    template <class T> void name(T *at, std::type_identity_t<T> value) { *at = value; }
EMULATED_STORE(__stwb)
EMULATED_STORE(__stcg)
EMULATED_STORE(__stcs)
EMULATED_STORE(__stwt)
#undef EMULATED_STORE

inline void __threadfence() { emulated_fence(); }
inline void __threadfence_block() { emulated_fence(); }
inline void __threadfence_system() { emulated_fence(); }
inline void __nanosleep(unsigned) { emulated_yield(); }
inline void __trap() { emulated_trap(); }
inline long long clock64() { return (long long)emulated_clock(); }
// clock() is the C library's, taken over by name.
inline clock_t emulated_clock32() { return (clock_t)emulated_clock(); }
#define clock() emulated_clock32()

inline size_t __cvta_generic_to_shared(const void *at) { return (size_t)at; }
inline size_t __cvta_generic_to_global(const void *at) { return (size_t)at; }
inline void *__cvta_shared_to_generic(size_t at) { return (void *)at; }
