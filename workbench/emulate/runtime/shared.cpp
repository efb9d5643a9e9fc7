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

constexpr size_t page = 4096, guard = 1 << 20, room = 256 << 10;
constexpr size_t alignment = 16, canary = 64;

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
        slot.region = (char *)mmap(nullptr, guard + room + guard, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        slot.bytes = ~(size_t)0;
    }
    if (slot.bytes == bytes) return;
    char *end = slot.region + guard + room;
    const size_t padded = (bytes + alignment - 1) / alignment * alignment;
    slot.bytes = bytes;
    slot.base = end - padded;
    slot.low = bytes ? end - (padded + page - 1) / page * page : end;
    mprotect(slot.region + guard, room, PROT_NONE);
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

int64_t static_shared_bytes() { return segment.bytes ? (int64_t)(segment.bytes - sizeof(long long)) : 0; }

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

void check_shared(Block *b) {
    Slot &slot = slots[(size_t)b->slot];
    if (!slot.bytes) return;
    const char *end = slot.region + guard + room;
    const char *before = slot.base - slot.low > (ptrdiff_t)canary ? slot.base - canary : slot.low;
    for (auto [from, to] : {std::pair{(char *)before, slot.base}, std::pair{slot.base + slot.bytes, (char *)end}}) {
        const char *bad = damaged_canary(from, to);
        if (!bad) continue;
        set_canary(from, to);
        fail_block("shared_too_small",
                   printed("write at offset %lld of dynamic shared memory, of which the launch gives %zu bytes",
                           (long long)(bad - slot.base), slot.bytes), b);
    }
}

bool explain_shared_stray(const char *address, const char *what, Stray &stray) {
    for (const Slot &slot : slots) {
        if (!slot.region || address < slot.region || address >= slot.region + guard + room + guard) continue;
        stray.kind = "shared_too_small";
        stray.text = printed("%s at offset %lld of dynamic shared memory, of which the launch gives %zu bytes", what,
                             (long long)(address - slot.base), slot.bytes);
        return true;
    }
    return false;
}

} // namespace emulator
