// Memory that tells when it is left: guarded buffers, and each resident block's shared memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "state.h"

namespace emulator {

constexpr size_t page_bytes = 4096;
constexpr size_t base_alignment = 16; // of every buffer: the widest access of device code

// What an address outside every allowed range was meant to be.
struct Stray {
    std::string kind, text;
};
bool explain_stray(const void *address, bool write, bool known_access, Stray &stray);

const void *canary_of(const void *address); // up to the end of its page
void set_canary(char *from, char *to);
const char *damaged_canary(const char *from, const char *to); // the first byte that is not as it was set, or nullptr

// Before a launch: collects the bytes right behind buffers and dynamic shared memory that no page can protect.
void watch_slack();
void check_slack_(); // whenever a thread stops: who wrote there?
extern bool slack_watched;
inline void check_slack() {
    if (slack_watched) check_slack_();
}
void watch_shared_end(const char *end, const char *accessible_end, const void *slot);
void watch_shared_slack();
[[noreturn]] void fail_shared_slack(const void *slot); // the running thread wrote behind dynamic shared memory

void open_shared(void *anchor, int64_t dynamic_bytes); // for a launch; static bytes are found from the anchor
void forget_shared(); // after a fault: canaries may be damaged, so that each is set anew
int64_t static_shared_bytes();
bool in_shared(const void *address);
void new_shared(Block *b);    // poisons the shared memory of a block that begins
void enter_shared(Block *b);  // its static and dynamic shared memory become the current ones
void leave_shared(Block *b);
void check_shared(Block *b);  // the canaries in front of and behind its dynamic shared memory
uint64_t corrupted_canaries(std::string &text);

} // namespace emulator
