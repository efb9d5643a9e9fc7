// The runtime that a kernel's library calls (workbench/emulate/runtime). `file` and `line` are the place of the call.
#pragma once

#include <stdint.h>

#define EMULATED_HERE const char *file = __builtin_FILE(), int line = __builtin_LINE()

extern "C" {
extern void *emulated_dynamic_shared; // of the running block

enum emulated_reduction { EMULATED_COUNT, EMULATED_AND, EMULATED_OR };
int emulated_barrier(unsigned barrier, unsigned threads, int reduction, int predicate, const char *file, int line);
void emulated_barrier_arrive(unsigned barrier, unsigned threads, const char *file, int line);

enum emulated_meeting {
    EMULATED_SYNCWARP,
    EMULATED_SHUFFLE,
    EMULATED_SHUFFLE_UP,
    EMULATED_SHUFFLE_DOWN,
    EMULATED_SHUFFLE_XOR,
    EMULATED_BALLOT,
    EMULATED_ALL,
    EMULATED_ANY,
    EMULATED_MATCH_ANY,
    EMULATED_ADD,
    EMULATED_MIN,
    EMULATED_MAX,
    EMULATED_UMIN,
    EMULATED_UMAX,
    EMULATED_BIT_AND,
    EMULATED_BIT_OR,
    EMULATED_BIT_XOR,
};
uint64_t emulated_meet(int kind, unsigned mask, uint64_t value, int argument, int width, const char *file, int line);
unsigned emulated_live_lanes(void);

void emulated_yield(void);                // lets the other threads and blocks go on: the body of a spin
void emulated_fence(void);                // a place where another block may be let in
void emulated_after_atomic(const void *at, int changed); // likewise; a value that changed is progress
uint64_t emulated_clock(void);            // nanoseconds
[[noreturn]] void emulated_trap(void);
[[noreturn]] void emulated_assert_fail(const char *, const char *, unsigned, const char *) noexcept;
}
