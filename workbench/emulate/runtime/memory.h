// Memory that tells when it is left: guarded buffers, and each resident block's shared memory.
#pragma once

#include <cstdint>
#include <string>

#include "state.h"

namespace emulator {

// What an address outside every allowed range was meant to be.
struct Stray {
    std::string kind, text;
};
bool explain_stray(const void *address, bool write, bool known_access, Stray &stray);

const void *canary_of(const void *address); // up to the end of its page
void set_canary(char *from, char *to);
const char *damaged_canary(const char *from, const char *to); // the first byte that is not as it was set, or nullptr

void watch_slack();  // before a launch: collects the bytes right behind buffers that no page can protect
void check_slack_();
extern bool slack_watched;
inline void check_slack() {
    if (slack_watched) check_slack_();
}

void open_shared(void *anchor, int64_t dynamic_bytes); // for a launch; static bytes are found from the anchor
int64_t static_shared_bytes();
void new_shared(Block *b);    // poisons the shared memory of a block that begins
void enter_shared(Block *b);  // its static and dynamic shared memory become the current ones
void leave_shared(Block *b);
void check_shared(Block *b);  // the canaries in front of and behind its dynamic shared memory
uint64_t corrupted_canaries(std::string &text);

} // namespace emulator
