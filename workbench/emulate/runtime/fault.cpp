#include "fault.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "../include/emulated_runtime.h"
#include "memory.h"

namespace emulator {

Fault fault_found;
sigjmp_buf back_to_launch;

std::string printed(const char *format, ...) {
    char text[512];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    return text;
}

std::string thread_name(const Block *b, const Warp *w, int l) {
    const uint3 at = thread_index(thread_number(b, w, l));
    return printed("thread (%u, %u, %u)", at.x, at.y, at.z);
}

std::string place_name(Place place) {
    if (!place.file) return "an unknown place";
    const char *slash = strrchr(place.file, '/');
    return printed("%s:%d", slash ? slash + 1 : place.file, place.line);
}

[[noreturn]] static void leave(const char *kind, const std::string &text, Place place) {
    fault_found.kind = kind;
    fault_found.text = text;
    fault_found.file = place.file ? place.file : "";
    fault_found.line = place.line;
    siglongjmp(back_to_launch, 1);
}

void fail_thread(const char *kind, const std::string &text, const Block *b, const Warp *w, int l, Place place) {
    fault_found.has_block = fault_found.has_thread = true;
    fault_found.block = b->index;
    fault_found.thread = thread_index(thread_number(b, w, l));
    leave(kind, text, place);
}

void fail(const char *kind, const std::string &text, Place place) {
    if (block && warp) fail_thread(kind, text, block, warp, lane, place);
    leave(kind, text, place);
}

void fail_block(const char *kind, const std::string &text, const Block *b) {
    fault_found.has_block = true;
    fault_found.block = b->index;
    leave(kind, text, {});
}

void fail_launch(const char *kind, const std::string &text) { leave(kind, text, {}); }

// ------------------------------------------------------------------------------------------------ signals

constexpr int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
static struct sigaction before[5];
static int watchdog_signal;
static stack_t stack_before;
alignas(16) static char handler_stack[64 << 10];
static pid_t launching_thread;
static timer_t timer;
static pid_t timer_thread;
static uint64_t seen_picks;
static int quiet_seconds;
static int watchdog_seconds = 10;

static pid_t this_thread() { return (pid_t)syscall(SYS_gettid); }

static void crashed(int signal, siginfo_t *info, void *context) {
    if (this_thread() != launching_thread) { // not a kernel's doing: whoever was there before answers
        for (int i = 0; i < 4; ++i)
            if (crashes[i] == signal) sigaction(signal, &before[i], nullptr);
        return;
    }
    bool write = false, known = false;
#ifdef __x86_64__
    const auto *machine = static_cast<ucontext_t *>(context);
    fault_found.instruction = (void *)machine->uc_mcontext.gregs[REG_RIP];
    write = machine->uc_mcontext.gregs[REG_ERR] & 2; // the page fault's error code, Intel SDM vol. 3, 4.7
    known = true;
#endif
    if (signal == SIGFPE) fail("division_by_zero", "an integer divided by zero, or the quotient does not fit");
    if (signal == SIGILL) fail("trap", "an instruction that the host cannot execute, or __builtin_trap()");
    if (signal == SIGBUS || info->si_code == SI_KERNEL)
        fail("misaligned", "an access whose address is not a multiple of its size, or is no address at all");
    Stray stray;
    if (in_stack_guard(info->si_addr)) fail("stack_overflow", printed("the thread's local variables pass %zu KiB", stack_bytes >> 10));
    explain_stray(info->si_addr, write, known, stray);
    fail(stray.kind.c_str(), stray.text);
}

// A thread that runs for seconds without reaching any barrier, warp primitive, fence or yield will not end by itself:
// no other thread runs meanwhile that could change what it waits for.
static void ticked(int, siginfo_t *, void *) {
    if (this_thread() != launching_thread) return;
    if (seen_picks != launch.picks) quiet_seconds = 0;
    seen_picks = launch.picks;
    if (++quiet_seconds > watchdog_seconds)
        fail("spins_without_yield",
             printed("the thread ran for %d s of processor time without letting another one run: put "
                     "__nanosleep(20) into the loop that waits", watchdog_seconds));
}

static void set_timer(int seconds) {
    itimerspec every{};
    every.it_interval.tv_sec = every.it_value.tv_sec = seconds;
    timer_settime(timer, 0, &every, nullptr);
}

void catch_signals() {
    launching_thread = this_thread();
    watchdog_signal = SIGRTMIN + 6;
    stack_t stack{};
    stack.ss_sp = handler_stack;
    stack.ss_size = sizeof handler_stack;
    sigaltstack(&stack, &stack_before);
    struct sigaction action {};
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    action.sa_sigaction = crashed;
    for (int i = 0; i < 4; ++i) sigaction(crashes[i], &action, &before[i]);
    action.sa_sigaction = ticked;
    sigaction(watchdog_signal, &action, &before[4]);
    if (timer_thread != launching_thread) {
        if (timer_thread) timer_delete(timer);
        sigevent event{};
        event.sigev_notify = SIGEV_THREAD_ID;
        event.sigev_signo = watchdog_signal;
        event._sigev_un._tid = launching_thread;
        timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer);
        timer_thread = launching_thread;
    }
    quiet_seconds = 0;
    set_timer(1);
}

void release_signals() {
    if (!launching_thread) return; // the launch was refused before it began
    set_timer(0);
    for (int i = 0; i < 4; ++i) sigaction(crashes[i], &before[i], nullptr);
    // The tick may still be on its way: it is left to be ignored.
    sigaltstack(&stack_before, nullptr);
    launching_thread = 0;
}

} // namespace emulator

using namespace emulator;

extern "C" {

void emulator_set_watchdog(int seconds) { watchdog_seconds = seconds; }

void emulated_trap(void) { fail("trap", "__trap()"); }

void emulated_assert_fail(const char *condition, const char *file, unsigned line, const char *) noexcept {
    fail("assertion", printed("assert(%s)", condition), {file, (int)line});
}

uint64_t emulated_clock(void) {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

// ------------------------------------------------------------------------ what -fsanitize=bounds,alignment calls
// The layouts are those of GCC's generated data (compiler-rt documents them as the handlers' interface).

struct SourceLocation {
    const char *file;
    uint32_t line, column;
};
struct TypeName {
    uint16_t kind, info;
    char name[1];
};
struct OutOfBounds {
    SourceLocation at;
    const TypeName *array, *index;
};
struct TypeMismatch {
    SourceLocation at;
    const TypeName *type;
    uint8_t log2_alignment, kind;
};

void __ubsan_handle_out_of_bounds(const OutOfBounds *data, uint64_t index) {
    fail("array_index", printed("index %lld of an array of type %s", (long long)index, data->array->name), {data->at.file, (int)data->at.line});
}

void __ubsan_handle_type_mismatch_v1(const TypeMismatch *data, uintptr_t address) {
    if (address == 0) return; // the access itself will tell
    fail("misaligned",
         printed("%s of %s at an address that is not a multiple of %d", data->kind == 1 ? "write" : "read",
                 data->type->name, 1 << data->log2_alignment),
         {data->at.file, (int)data->at.line});
}
}
