// A fault: what a kernel did that it must not, which thread did it, and where. It ends the launch.
#pragma once

#include <csetjmp>
#include <cstdint>
#include <string>

#include "state.h"

namespace emulator {

struct Fault {
    std::string kind, text;
    std::string file; // of the source, where known
    int line = 0;
    void *instruction = nullptr; // where the source place is not known
    bool has_block = false, has_thread = false;
    uint3 block{}, thread{};
};

extern Fault fault_found;
extern sigjmp_buf back_to_launch;

std::string printed(const char *format, ...) __attribute__((format(printf, 1, 2)));
std::string thread_name(const Block *b, const Warp *w, int l);
std::string place_name(Place place);

// Ends the launch with a fault of the running thread, of a given one, or of a block as a whole.
[[noreturn]] void fail(const char *kind, const std::string &text, Place place = {});
[[noreturn]] void fail_thread(const char *kind, const std::string &text, const Block *b, const Warp *w, int l, Place place = {});
[[noreturn]] void fail_block(const char *kind, const std::string &text, const Block *b);
[[noreturn]] void fail_launch(const char *kind, const std::string &text);

void catch_signals(); // from here to release_signals, a crash in a kernel is a fault
void release_signals();

} // namespace emulator
