// Warp primitives. The lanes that a mask names meet: the last to come works out everybody's result.
#include <algorithm>
#include <bit>

#include "../include/emulated_runtime.h"
#include "fault.h"
#include "state.h"

namespace emulator {

const char *meeting_name(int kind) {
    constexpr const char *names[] = {"__syncwarp",       "__shfl_sync",   "__shfl_up_sync",   "__shfl_down_sync",
                                     "__shfl_xor_sync",  "__ballot_sync", "__all_sync",       "__any_sync",
                                     "__match_any_sync", "__reduce_sync", "__reduce_sync",    "__reduce_sync",
                                     "__reduce_sync",    "__reduce_sync", "__reduce_and_sync", "__reduce_or_sync",
                                     "__reduce_xor_sync"};
    return names[kind];
}

// The lane that lane l reads, by the rules of the PTX instruction shfl.sync: outside the segment it is l itself.
static int source_of(const Warp *w, int l) {
    const int width = w->width[l], argument = w->argument[l], first = l & ~(width - 1), last = first + width - 1;
    switch (w->kind[l]) {
    case EMULATED_SHUFFLE: return first + argument;
    case EMULATED_SHUFFLE_UP: return l - argument < first ? l : l - argument;
    case EMULATED_SHUFFLE_DOWN: return l + argument > last ? l : l + argument;
    default: return (l ^ argument) > last ? l : l ^ argument;
    }
}

static void shuffle(const Block *b, Warp *w, uint32_t present) {
    for (uint32_t left = present; left; left &= left - 1) {
        const int l = std::countr_zero(left), source = source_of(w, l);
        if (!(present >> source & 1)) {
            const char *why = !(w->exists >> source & 1)   ? "does not exist in this block"
                              : w->exited >> source & 1 ? "has returned"
                                                        : "is not in the mask";
            fail_thread("inactive_lane", printed("%s reads lane %d, which %s", meeting_name(w->kind[l]), source, why), b, w, l, w->place[l]);
        }
        w->result[l] = w->value[source];
    }
}

static uint64_t combine(int kind, uint64_t a, uint64_t b) {
    switch (kind) {
    case EMULATED_ADD: return a + b;
    case EMULATED_MIN: return (uint64_t)std::min((int64_t)a, (int64_t)b);
    case EMULATED_MAX: return (uint64_t)std::max((int64_t)a, (int64_t)b);
    case EMULATED_UMIN: return std::min(a, b);
    case EMULATED_UMAX: return std::max(a, b);
    case EMULATED_BIT_OR: case EMULATED_ANY: return a | b;
    case EMULATED_BIT_XOR: return a ^ b;
    default: return a & b; // EMULATED_BIT_AND, EMULATED_ALL
    }
}

static void vote(Warp *w, int kind, uint32_t present) {
    uint64_t result = 0;
    bool first = true;
    for (uint32_t left = present; left; left &= left - 1) {
        const int l = std::countr_zero(left);
        if (kind == EMULATED_BALLOT) result |= w->value[l] << l;
        else result = first ? w->value[l] : combine(kind, result, w->value[l]);
        first = false;
    }
    for (uint32_t left = present; left; left &= left - 1) w->result[std::countr_zero(left)] = result;
}

static void match(Warp *w, uint32_t present) {
    for (uint32_t left = present; left; left &= left - 1) {
        const int l = std::countr_zero(left);
        w->result[l] = 0;
        for (uint32_t other = present; other; other &= other - 1)
            if (w->value[std::countr_zero(other)] == w->value[l]) w->result[l] |= other & -other;
    }
}

// A lane that has returned no longer counts (as from sm_70 on), but nobody may read from it.
void try_meeting(Block *b, Warp *w, uint32_t mask, int at) {
    const uint32_t present = mask & w->exists & ~w->exited;
    if ((w->meeting & present) != present) return;
    const int kind = w->kind[at];
    for (uint32_t left = present; left; left &= left - 1) {
        const int l = std::countr_zero(left);
        if (w->mask[l] == mask && w->kind[l] == kind) continue;
        fail_thread("divergent_warp",
                    printed("%s with mask 0x%08x meets %s with mask 0x%08x of lane %d at ", meeting_name(kind), mask,
                            meeting_name(w->kind[l]), w->mask[l], l) + place_name(w->place[l]),
                    b, w, at, w->place[at]);
    }
    if (kind >= EMULATED_SHUFFLE && kind <= EMULATED_SHUFFLE_XOR) shuffle(b, w, present);
    else if (kind == EMULATED_MATCH_ANY) match(w, present);
    else if (kind != EMULATED_SYNCWARP) vote(w, kind, present);
    w->meeting &= ~present;
    make_ready(b, (int)(w - b->warp), present);
}

} // namespace emulator

using namespace emulator;

extern "C" uint64_t emulated_meet(int kind, unsigned mask, uint64_t value, int argument, int width, const char *file, int line) {
    const uint32_t bit = 1u << lane;
    if (!(mask & bit))
        fail("inactive_lane", printed("%s with mask 0x%08x, which does not name the calling lane %d", meeting_name(kind), mask, lane), {file, line});
    if (width < 1 || width > lanes || (width & (width - 1)))
        fail("arguments", printed("%s with width %d: a power of two up to 32", meeting_name(kind), width), {file, line});
    warp->kind[lane] = (uint8_t)kind;
    warp->mask[lane] = mask;
    warp->value[lane] = value;
    warp->width[lane] = (uint8_t)width;
    warp->argument[lane] = (uint8_t)(kind == EMULATED_SHUFFLE ? argument & (width - 1) : std::min((unsigned)argument, 64u));
    warp->place[lane] = {file, line};
    warp->meeting |= bit;
    try_meeting(block, warp, mask, lane);
    block_current();
    return warp->result[lane];
}
