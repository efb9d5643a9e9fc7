// Shared memory of the resident blocks, poisoned with NaN before each. Static variables live in the library's
// thread-local segment, saved and restored when another block goes on; dynamic shared memory has, for each resident
// block, pages of its own that end at a guard.
#include <link.h>
#include <sys/mman.h>

#include <cstring>
#include <map>
#include <vector>

#include "fault.h"
#include "memory.h"

namespace emulator {

constexpr size_t slot_guard = 1 << 20, slot_room = 256 << 10;
constexpr size_t canary_bytes = 64; // in front of dynamic shared memory, looked at when a block ends

struct Segment {
    char *data = nullptr;
    size_t bytes = 0;
};

struct Slot {
    char *region = nullptr; // guard, room, guard
    char *low = nullptr;    // the accessible part of the room, up to its end
    size_t bytes = 0;       // dynamic shared memory asked for
    char *base = nullptr;
    std::vector<char> saved; // static variables while another block runs
};

static std::map<void *, Segment> segments;
static Segment segment; // of the launch's library
static std::vector<Slot> slots;

static int find_segment(dl_phdr_info *library, size_t, void *wanted) {
    auto *found = static_cast<std::pair<char *, Segment> *>(wanted);
    for (int i = 0; i < library->dlpi_phnum; ++i) {
        const auto &header = library->dlpi_phdr[i];
        auto *data = static_cast<char *>(library->dlpi_tls_data);
        if (header.p_type != PT_TLS || !data || found->first < data || found->first >= data + header.p_memsz) continue;
        found->second = {data, header.p_memsz};
        return 1;
    }
    return 0;
}

static void close_slot(Slot &slot, size_t bytes) {
    if (!slot.region) {
        slot.region = (char *)mmap(nullptr, slot_guard + slot_room + slot_guard, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        slot.bytes = ~(size_t)0;
    }
    if (slot.bytes == bytes) return;
    char *end = slot.region + slot_guard + slot_room;
    const size_t padded = (bytes + base_alignment - 1) / base_alignment * base_alignment;
    slot.bytes = bytes;
    slot.base = end - padded;
    slot.low = bytes ? end - (padded + page_bytes - 1) / page_bytes * page_bytes : end;
    mprotect(slot.region + slot_guard, slot_room, PROT_NONE);
    if (!bytes) return;
    mprotect(slot.low, (size_t)(end - slot.low), PROT_READ | PROT_WRITE);
    set_canary(slot.low, slot.base);
    set_canary(slot.base + bytes, end);
}

void open_shared(void *anchor, int64_t dynamic_bytes) {
    auto [at, is_new] = segments.try_emplace(anchor);
    if (is_new) {
        std::pair<char *, Segment> wanted{static_cast<char *>(anchor), {}};
        dl_iterate_phdr(find_segment, &wanted);
        at->second = wanted.second;
    }
    segment = at->second;
    if (segment.bytes <= sizeof(long long)) segment = {}; // nothing but the anchor
    if (slots.size() < launch.max_resident) slots.resize(launch.max_resident);
    for (size_t slot = 0; slot < launch.max_resident; ++slot) close_slot(slots[slot], (size_t)dynamic_bytes);
}

void forget_shared() {
    for (Slot &slot : slots) slot.bytes = ~(size_t)0;
}

int64_t static_shared_bytes() { return segment.bytes ? (int64_t)(segment.bytes - sizeof(long long)) : 0; }

bool in_shared(const void *address) {
    const Slot &slot = slots[(size_t)block->slot];
    const auto *at = (const char *)address;
    return (at >= slot.low && at < slot.base + slot.bytes) || (at >= segment.data && at < segment.data + segment.bytes);
}

void enter_shared(Block *b) {
    Slot &slot = slots[(size_t)b->slot];
    emulated_dynamic_shared = slot.base;
    if (segment.bytes) memcpy(segment.data, slot.saved.data(), segment.bytes);
}

void leave_shared(Block *b) {
    if (!segment.bytes) return;
    Slot &slot = slots[(size_t)b->slot];
    slot.saved.resize(segment.bytes);
    memcpy(slot.saved.data(), segment.data, segment.bytes);
}

void new_shared(Block *b) {
    Slot &slot = slots[(size_t)b->slot];
    emulated_dynamic_shared = slot.base;
    if (segment.bytes) memset(segment.data, 0xff, segment.bytes);
    if (slot.bytes) memset(slot.base, 0xff, slot.bytes);
}

static std::string beside(const Slot &slot, const char *what, const char *address) {
    return printed("%s at offset %lld of dynamic shared memory, of which the launch gives %zu bytes", what,
                   (long long)(address - slot.base), slot.bytes);
}

static const char *end_of(const Slot &slot) { return slot.region + slot_guard + slot_room; }

static const char *damage(const Slot &slot) {
    if (!slot.bytes) return nullptr;
    const char *before = slot.base - slot.low > (ptrdiff_t)canary_bytes ? slot.base - canary_bytes : slot.low;
    const char *bad = damaged_canary(slot.base + slot.bytes, end_of(slot));
    return bad ? bad : damaged_canary(before, slot.base);
}

static void mend(Slot &slot) {
    set_canary(slot.low, slot.base);
    set_canary(slot.base + slot.bytes, (char *)end_of(slot));
}

void check_shared(Block *b) {
    Slot &slot = slots[(size_t)b->slot];
    const char *bad = damage(slot);
    if (!bad) return;
    mend(slot);
    fail_block("shared_too_small", beside(slot, "write", bad), b);
}

void watch_shared_slack() {
    for (size_t slot = 0; slot < launch.max_resident; ++slot)
        if (slots[slot].bytes) watch_shared_end(slots[slot].base + slots[slot].bytes, end_of(slots[slot]), &slots[slot]);
}

void fail_shared_slack(const void *which) {
    auto &slot = *static_cast<Slot *>(const_cast<void *>(which));
    const char *bad = damage(slot);
    mend(slot);
    fail("shared_too_small", beside(slot, "write", bad));
}

bool explain_shared_stray(const char *address, const char *what, Stray &stray) {
    for (const Slot &slot : slots) {
        if (!slot.region || address < slot.region || address >= end_of(slot) + slot_guard) continue;
        stray.kind = "shared_too_small";
        stray.text = beside(slot, what, address);
        return true;
    }
    return false;
}

} // namespace emulator
