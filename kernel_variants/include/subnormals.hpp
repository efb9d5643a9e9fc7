// Subnormal floats are taken for zero while one of these lives, in its thread.
//
// States and gradients that fade by a factor a step pass through the numbers below 1.2e-38 on their way to zero, and a
// core steps over to microcode for each operation on one: a layer trained on the last step of a sequence took three
// times as long as one with fresh weights. Nothing of that size is seen beside any other value. GPUs need none of it.
#pragma once

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

class WithoutSubnormals {
public:
    WithoutSubnormals() : before(control()) { set_control(before | BITS); }
    ~WithoutSubnormals() { set_control(before); }
    WithoutSubnormals(const WithoutSubnormals &) = delete;
    WithoutSubnormals &operator=(const WithoutSubnormals &) = delete;

private:
#if defined(__SSE2__)
    typedef unsigned control_t;
    static constexpr control_t BITS = 0x8040;  // MXCSR: results flushed to zero (FTZ), operands taken for zero (DAZ)
    static control_t control() { return _mm_getcsr(); }
    static void set_control(control_t value) { _mm_setcsr(value); }
#elif defined(__aarch64__)
    typedef unsigned long long control_t;
    static constexpr control_t BITS = 1ull << 24;  // FPCR.FZ: both
    static control_t control() {
        control_t value;
        __asm__ volatile("mrs %0, fpcr" : "=r"(value));
        return value;
    }
    static void set_control(control_t value) { __asm__ volatile("msr fpcr, %0" ::"r"(value) : "memory"); }
#else
    typedef unsigned control_t;
    static constexpr control_t BITS = 0;
    static control_t control() { return 0; }
    static void set_control(control_t) {}
#endif
    const control_t before;
};
