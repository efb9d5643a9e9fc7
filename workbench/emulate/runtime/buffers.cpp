// Guarded buffers. Each lies between pages that nobody may touch, at the end of its pages (an index too far meets the
// guard at once) or at their beginning (an index too low does). Bytes that share a page with the buffer hold canaries,
// so that what is read there spoils the result, and what is written there is seen. The buffer itself begins as 0xFF
// bytes: a quiet NaN in every float type.
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "fault.h"
#include "memory.h"

namespace emulator {

constexpr size_t buffer_guard = 16 << 20; // only addresses are reserved, no memory

struct Buffer {
    std::string name;
    char *map;
    size_t map_bytes;
    char *low, *high; // the accessible pages
    char *data;
    size_t bytes;
};

static std::vector<Buffer *> buffers;

struct Slack {
    const uint64_t *word;
    uint64_t mask; // its bytes that are no part of the buffer
    uint64_t expected;
    const Buffer *buffer; // nullptr: the dynamic shared memory of `slot`
    const void *slot;
};
static std::vector<Slack> slack;
bool slack_watched;

static Buffer *create(const char *name, size_t bytes, bool at_beginning) {
    const size_t padded = (bytes + base_alignment - 1) / base_alignment * base_alignment;
    const size_t inner = std::max((padded + page_bytes - 1) / page_bytes * page_bytes, page_bytes);
    void *map = mmap(nullptr, buffer_guard + inner + buffer_guard, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED) return nullptr;
    auto *buffer = new Buffer{name, (char *)map, buffer_guard + inner + buffer_guard, (char *)map + buffer_guard, (char *)map + buffer_guard + inner, nullptr, bytes};
    if (mprotect(buffer->low, inner, PROT_READ | PROT_WRITE) != 0) {
        munmap(map, buffer->map_bytes);
        delete buffer;
        return nullptr;
    }
    buffer->data = at_beginning ? buffer->low : buffer->high - padded;
    set_canary(buffer->low, buffer->data);
    memset(buffer->data, 0xff, bytes);
    set_canary(buffer->data + bytes, buffer->high);
    buffers.push_back(buffer);
    return buffer;
}

static std::string where(const Buffer *b, const char *address) {
    if (address >= b->data + b->bytes)
        return printed("%lld bytes behind the end of %s (%zu bytes)", (long long)(address - b->data) - (long long)b->bytes, b->name.c_str(), b->bytes);
    return printed("%lld bytes before the beginning of %s (%zu bytes)", (long long)(b->data - address), b->name.c_str(), b->bytes);
}

static bool corrupted(Buffer *b, std::string &text) {
    for (auto [from, to] : {std::pair{b->low, b->data}, std::pair{b->data + b->bytes, b->high}}) {
        const char *bad = damaged_canary(from, to);
        if (!bad) continue;
        text = where(b, bad);
        set_canary(from, to); // told once
        return true;
    }
    return false;
}

static void watch(const uint64_t *word, uint64_t mask, const Buffer *buffer, const void *slot) {
    uint64_t canary;
    memcpy(&canary, canary_of(word), sizeof canary);
    slack.push_back({word, mask, canary & mask, buffer, slot});
}

// The eight bytes that hold the end, and the eight behind them, as far as they are accessible.
static void watch_end(const char *end, const char *accessible_end, const Buffer *buffer, const void *slot) {
    const auto *word = (const uint64_t *)((uintptr_t)end & ~(uintptr_t)7);
    const size_t inside = (size_t)(end - (const char *)word);
    if ((const char *)word >= accessible_end) return;
    watch(word, ~0ull << (8 * inside), buffer, slot);
    if ((const char *)(word + 1) < accessible_end) watch(word + 1, ~0ull, buffer, slot);
}

void watch_shared_end(const char *end, const char *accessible_end, const void *slot) {
    watch_end(end, accessible_end, nullptr, slot);
}

void watch_slack() {
    slack.clear();
    for (const Buffer *b : buffers) watch_end(b->data + b->bytes, b->high, b, nullptr);
    watch_shared_slack();
    slack_watched = !slack.empty();
}

// Whatever changed since the last call was the doing of the thread that ran.
void check_slack_() {
    for (const Slack &s : slack) {
        if ((*s.word & s.mask) == s.expected) continue;
        if (!s.buffer) fail_shared_slack(s.slot);
        std::string text;
        corrupted(const_cast<Buffer *>(s.buffer), text);
        fail("stray_write", "write " + text);
    }
}

uint64_t corrupted_canaries(std::string &text) {
    for (Buffer *b : buffers)
        if (corrupted(b, text)) return 1;
    return 0;
}

bool explain_shared_stray(const char *address, const char *what, Stray &stray); // shared.cpp

bool explain_stray(const void *at, bool write, bool known, Stray &stray) {
    const auto *address = (const char *)at;
    const char *what = !known ? "access" : write ? "write" : "read";
    stray.kind = std::string("stray_") + what;
    for (const Buffer *b : buffers) {
        if (address < b->map || address >= b->map + b->map_bytes) continue;
        stray.text = what + (" " + where(b, address));
        return true;
    }
    if (explain_shared_stray(address, what, stray)) return true;
    if ((uintptr_t)address < page_bytes)
        stray.text = printed("%s through a null pointer, offset %llu (an absent optional tensor?)", what, (unsigned long long)(uintptr_t)address);
    else stray.text = printed("%s at %p, which is in no buffer", what, at);
    return false;
}

} // namespace emulator

using namespace emulator;

extern "C" {

void *emulator_buffer_create(const char *name, uint64_t bytes, int at_beginning) { return create(name, bytes, at_beginning != 0); }

void *emulator_buffer_data(const void *buffer) { return static_cast<const Buffer *>(buffer)->data; }

// 1 if a canary beside any buffer was written over; the text says where.
int emulator_buffers_check(char *text, uint64_t text_bytes) {
    std::string found;
    if (!corrupted_canaries(found)) return 0;
    snprintf(text, text_bytes, "%s", found.c_str());
    return 1;
}

void emulator_buffer_release(void *handle) {
    auto *buffer = static_cast<Buffer *>(handle);
    buffers.erase(std::find(buffers.begin(), buffers.end(), buffer));
    munmap(buffer->map, buffer->map_bytes);
    delete buffer;
}
}
