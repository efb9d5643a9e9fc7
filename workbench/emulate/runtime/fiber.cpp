#include "fiber.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace emulator {

static std::vector<Fiber *> all_fibers;
static Fiber *free_fibers = nullptr;

// The tops of the stacks are set apart, or the same variable of all threads would lie in the same set of the cache.
static char *top_of(const Fiber *fiber, size_t number) {
    return fiber->stack + stack_bytes - 64 - (number * 448) % 8192;
}

#ifdef EMULATED_UCONTEXT

static void begin(Fiber *fiber, size_t number) {
    getcontext(&fiber->context);
    fiber->context.uc_stack.ss_sp = fiber->stack;
    fiber->context.uc_stack.ss_size = (size_t)(top_of(fiber, number) - fiber->stack);
    fiber->context.uc_link = nullptr;
    makecontext(&fiber->context, (void (*)())run_threads, 0);
}

void switch_fiber(Fiber *from, Fiber *to) { swapcontext(&from->context, &to->context); }

#else

// System V: the callee keeps rbx, rbp, r12 to r15 and the stack pointer; everything else is the caller's to save.
asm(R"(
.text
.p2align 4
.hidden emulator_switch_stack
.globl emulator_switch_stack
.type emulator_switch_stack, @function
emulator_switch_stack:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size emulator_switch_stack, .-emulator_switch_stack
)");
extern "C" void emulator_switch_stack(void **stopped_at, void *go_on_at);

static void begin(Fiber *fiber, size_t number) {
    auto top = (uintptr_t)top_of(fiber, number) & ~(uintptr_t)15;
    auto *word = (uint64_t *)top;
    *--word = 0;                      // a return address, so that the stack is aligned as behind a call
    *--word = (uint64_t)&run_threads; // where the first switch returns to
    for (int saved = 0; saved < 6; ++saved) *--word = 0;
    fiber->stopped_at = word;
}

void switch_fiber(Fiber *from, Fiber *to) { emulator_switch_stack(&from->stopped_at, to->stopped_at); }

#endif

static Fiber *new_fiber() {
    void *region = mmap(nullptr, stack_guard_bytes + stack_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (region == MAP_FAILED) {
        fprintf(stderr, "emulator: no memory for the stack of a thread\n");
        abort();
    }
    mprotect(region, stack_guard_bytes, PROT_NONE);
    auto *fiber = new Fiber;
    fiber->stack = (char *)region + stack_guard_bytes;
    begin(fiber, all_fibers.size());
    all_fibers.push_back(fiber);
    return fiber;
}

Fiber *take_fiber() {
    Fiber *fiber = free_fibers;
    if (!fiber) return new_fiber();
    free_fibers = fiber->next_free;
    return fiber;
}

void give_fiber_back(Fiber *fiber) {
    fiber->next_free = free_fibers;
    free_fibers = fiber;
}

void reset_fibers() {
    free_fibers = nullptr;
    for (size_t number = all_fibers.size(); number-- > 0;) {
        begin(all_fibers[number], number);
        give_fiber_back(all_fibers[number]);
    }
}

bool in_stack_guard(const void *address) {
    for (const Fiber *fiber : all_fibers)
        if (address < fiber->stack && address >= fiber->stack - stack_guard_bytes) return true;
    return false;
}

} // namespace emulator
