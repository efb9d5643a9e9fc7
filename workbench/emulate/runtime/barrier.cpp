// Barriers of a block. One for the whole block must be reached by every thread of it, at one place in the source;
// one with a count (bar.sync id, threads) is for warps with different jobs, who wait for each other at different places.
#include <bit>
#include <cstring>

#include "../include/emulated_runtime.h"
#include "fault.h"
#include "state.h"

namespace emulator {

static bool same(Place a, Place b) { return a.line == b.line && (a.file == b.file || strcmp(a.file, b.file) == 0); }

static std::string first_of(const Barrier &barrier) {
    return thread_name(block, &block->warp[barrier.first_warp], barrier.first_lane) + " waits at " + place_name(barrier.place);
}

static void arrive(unsigned id, unsigned threads, int reduction, int predicate, Place place) {
    if (id >= max_barriers) fail("arguments", printed("barrier %u: there are %d", id, max_barriers), place);
    if (threads % lanes != 0) fail("arguments", printed("a barrier of %u threads: whole warps only", threads), place);
    Barrier &barrier = block->barrier[id];
    if (barrier.arrived == 0) {
        barrier.expected = threads ? threads : block->threads;
        barrier.first_warp = (int32_t)(warp - block->warp);
        barrier.first_lane = lane;
        barrier.place = place;
        barrier.sum = reduction == EMULATED_AND;
    } else if (barrier.expected != (threads ? threads : block->threads)) {
        fail("divergent_barrier", printed("barrier %u is for %u threads here, for %u where ", id, threads, barrier.expected) + first_of(barrier), place);
    } else if (!threads && !same(place, barrier.place)) {
        fail("divergent_barrier", "the block is at two barriers: " + first_of(barrier), place);
    }
    if (!threads && block->exited)
        fail("divergent_barrier", printed("a barrier of the whole block, %u of whose %u threads have returned", block->exited, block->threads), place);
    if (reduction == EMULATED_COUNT) barrier.sum += predicate != 0;
    if (reduction == EMULATED_AND) barrier.sum &= predicate != 0;
    if (reduction == EMULATED_OR) barrier.sum |= predicate != 0;
    if (++barrier.arrived > barrier.expected)
        fail("divergent_barrier", printed("more threads than the %u of barrier %u", barrier.expected, id), place);
}

static void release(unsigned id) {
    Barrier &barrier = block->barrier[id];
    block->result = (int32_t)barrier.sum;
    barrier.arrived = 0;
    for (uint32_t w = 0; w < block->warps; ++w) {
        Warp &waiting = block->warp[w];
        uint32_t which = 0;
        for (uint32_t left = waiting.at_barrier; left; left &= left - 1) {
            const int l = std::countr_zero(left);
            if (waiting.argument[l] == id) which |= 1u << l;
        }
        if (!which) continue;
        waiting.at_barrier &= ~which;
        block->waiting -= (uint32_t)std::popcount(which);
        make_ready(block, (int)w, which);
    }
    perhaps_let_another_in(4);
}

void thread_left(Block *b, Warp *w, int l) {
    for (uint32_t left = w->meeting; left;) {
        const int waiting = std::countr_zero(left);
        const uint32_t mask = w->mask[waiting];
        left &= ~mask;
        if (mask >> l & 1) try_meeting(b, w, mask, waiting);
    }
    if (!b->waiting) return;
    for (const Barrier &barrier : b->barrier)
        if (barrier.arrived && barrier.expected == b->threads)
            fail("divergent_barrier", "the thread returned while " + first_of(barrier), barrier.place);
}

} // namespace emulator

using namespace emulator;

extern "C" int emulated_barrier(unsigned id, unsigned threads, int reduction, int predicate, const char *file, int line) {
    arrive(id, threads, reduction, predicate, {file, line});
    warp->at_barrier |= 1u << lane;
    warp->argument[lane] = (uint8_t)id;
    warp->place[lane] = {file, line};
    ++block->waiting;
    if (block->barrier[id].arrived == block->barrier[id].expected) release(id);
    block_current();
    return block->result;
}

extern "C" void emulated_barrier_arrive(unsigned id, unsigned threads, const char *file, int line) {
    arrive(id, threads, EMULATED_COUNT, 0, {file, line});
    if (block->barrier[id].arrived == block->barrier[id].expected) release(id);
}
