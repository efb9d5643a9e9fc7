// A fiber: a stack and the place where it stopped. x86-64 switches in a few instructions, other machines by ucontext.
#pragma once

#include <cstddef>

#if !defined(__x86_64__) && !defined(EMULATED_UCONTEXT)
#define EMULATED_UCONTEXT
#endif

#ifdef EMULATED_UCONTEXT
#include <ucontext.h>
#endif

namespace emulator {

struct Fiber {
#ifdef EMULATED_UCONTEXT
    ucontext_t context;
#else
    void *stopped_at = nullptr;
#endif
    char *stack = nullptr; // lowest usable address; nullptr for the fiber that the program itself runs on
    Fiber *next_free = nullptr;
};

// A thread may have 512 KiB of local memory (CUDA C++ Programming Guide, technical specifications). Memory is committed
// a page at a time, as it is touched. No frame steps over the guard: libraries are compiled to touch each page in turn.
constexpr size_t stack_bytes = 576 << 10;
constexpr size_t stack_guard_bytes = 64 << 10;

// Stops `from` and goes on with `to`; returns when somebody switches back to `from`.
void switch_fiber(Fiber *from, Fiber *to);

Fiber *take_fiber();             // a fiber that begins, or goes on, in run_threads()
void give_fiber_back(Fiber *);   // the running fiber calls this right before it switches away
void reset_fibers();             // after a fault: every stack begins anew
bool in_stack_guard(const void *address);

[[noreturn]] void run_threads(); // the scheduler's: what every fiber does

} // namespace emulator
