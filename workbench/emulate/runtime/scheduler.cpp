// Who runs next. A thread runs until it waits or returns; then the next ready lane of its warp goes on, then the next
// ready warp of its block, then another resident block. The order decides which of the ready ones "the next" is.
#include <bit>
#include <memory>

#include "fault.h"
#include "memory.h"
#include "state.h"

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;
void *emulated_dynamic_shared;

namespace emulator {

Launch launch;
Block *block;
Warp *warp;
int lane;
static Fiber of_program;
Fiber *program = &of_program, *running = &of_program;

static bool chosen_is_fresh;  // the chosen thread has not begun
static bool let_another_in;   // leave the block although it has ready threads
static bool another_warp;     // leave the warp likewise
static uint32_t numbering_x, numbering_y;
static uint3 indices[max_threads];

static std::vector<std::unique_ptr<Block>> storage;
static std::vector<Block *> unused;

constexpr uint64_t idle_limit = 20000; // times each resident block is woken in vain before the launch is called stuck

uint3 thread_index(uint32_t number) {
    return {number % blockDim.x, number / blockDim.x % blockDim.y, number / blockDim.x / blockDim.y};
}

static int pick(uint32_t mask) {
    if (launch.order == forward) return std::countr_zero(mask);
    if (launch.order == reversed) return 31 - std::countl_zero(mask);
    const int from = (int)(random_bits() & 31);
    return (std::countr_zero(std::rotr(mask, from)) + from) & 31;
}

static bool one_in(uint32_t count) { return launch.order == shuffled && random_bits() % count == 0; }

// ------------------------------------------------------------------------------------------------ blocks

static void enter(Block *next) {
    if (next == block) return;
    if (block) leave_shared(block);
    block = next;
    warp = block->warp;
    blockIdx = block->index;
    enter_shared(block);
}

static void begin_block() {
    int64_t number = launch.begun++;
    if (launch.order == reversed) number = launch.blocks - 1 - number;
    if (launch.order == shuffled) number = launch.start_order[(size_t)number];
    Block *b = unused.back();
    unused.pop_back();
    b->index = {(unsigned)(number % gridDim.x), (unsigned)(number / gridDim.x % gridDim.y),
                (unsigned)(number / gridDim.x / gridDim.y)};
    b->threads = b->live = launch.threads;
    b->exited = b->waiting = 0;
    b->warps = (launch.threads + lanes - 1) / lanes;
    b->ready_warps = b->warps == 32 ? ~0u : (1u << b->warps) - 1;
    for (Barrier &barrier : b->barrier) barrier.arrived = 0;
    for (uint32_t w = 0; w < b->warps; ++w) {
        const uint32_t here = launch.threads - w * lanes;
        Warp &new_warp = b->warp[w];
        new_warp.exists = new_warp.fresh = new_warp.ready = here >= lanes ? ~0u : (1u << here) - 1;
        new_warp.yielded = new_warp.at_barrier = new_warp.meeting = new_warp.exited = 0;
    }
    launch.resident.push_back(b);
    launch.turn = launch.resident.size() - 1;
    launch.idle = 0;
    if (block) leave_shared(block);
    block = b;
    warp = b->warp;
    blockIdx = b->index;
    new_shared(b);
}

static void end_block() {
    check_shared(block);
    launch.resident.erase(launch.resident.begin() + (ptrdiff_t)launch.turn);
    if (launch.turn > 0) --launch.turn;
    unused.push_back(block);
    block = nullptr;
}

static bool wake(Block *b) {
    bool woken = false;
    for (uint32_t w = 0; w < b->warps; ++w) {
        if (!b->warp[w].yielded) continue;
        make_ready(b, (int)w, b->warp[w].yielded);
        b->warp[w].yielded = 0;
        woken = true;
    }
    return woken;
}

// A block none of whose threads can ever run again: each waits at a barrier or for other lanes of its warp.
[[noreturn]] static void report_stuck(const Block *b) {
    for (uint32_t w = 0; w < b->warps; ++w) {
        const Warp &stuck = b->warp[w];
        if (!stuck.meeting) continue;
        const int l = std::countr_zero(stuck.meeting);
        const uint32_t missing = stuck.mask[l] & stuck.exists & ~stuck.exited & ~stuck.meeting;
        std::string others;
        if (missing) {
            const int other = std::countr_zero(missing);
            others = printed("; it waits for lane %d, which waits at %s", other, place_name(stuck.place[other]).c_str());
        }
        fail_thread("divergent_warp",
                    printed("%s with mask 0x%08x is never completed", meeting_name(stuck.kind[l]), stuck.mask[l]) +
                        others,
                    b, &stuck, l, stuck.place[l]);
    }
    for (uint32_t w = 0; w < b->warps; ++w) {
        const Warp &stuck = b->warp[w];
        if (!stuck.at_barrier) continue;
        const int l = std::countr_zero(stuck.at_barrier);
        const Barrier &barrier = b->barrier[stuck.argument[l]];
        fail_thread("divergent_barrier",
                    printed("barrier %d is never completed: %u of %u threads arrived", stuck.argument[l],
                            barrier.arrived, barrier.expected),
                    b, &stuck, l, stuck.place[l]);
    }
    fail_block("waits_forever", "no thread of the block can go on", b);
}

// All resident blocks do nothing but wait for each other, or for one that has not begun.
[[noreturn]] static void report_waiting() {
    for (const Block *b : launch.resident) {
        bool spins = false;
        for (uint32_t w = 0; w < b->warps; ++w) spins |= (b->warp[w].yielded | b->warp[w].ready) != 0;
        if (!spins) report_stuck(b);
    }
    const Block *b = launch.resident.front();
    for (uint32_t w = 0; w < b->warps; ++w) {
        const Warp &waiting = b->warp[w];
        const uint32_t which = waiting.yielded | waiting.ready;
        if (!which) continue;
        const int64_t left = launch.blocks - launch.begun;
        if (left > 0)
            fail_thread("waits_for_unstarted_block",
                        printed("all %zu resident blocks only wait, and the %lld blocks that have not started cannot "
                                "start: the hardware promises no order of start (take tiles by a ticket)",
                                launch.resident.size(), (long long)left),
                        b, &waiting, std::countr_zero(which));
        fail_thread("waits_forever", "every thread that is left only waits", b, &waiting, std::countr_zero(which));
    }
    report_stuck(b);
}

// Enters a block that has a ready thread: a new one while there is room, else the next resident one in turn.
static bool choose_block() {
    if (block && block->live == 0) end_block();
    if (launch.resident.size() < launch.max_resident && launch.begun < launch.blocks) {
        begin_block();
        return true;
    }
    const size_t count = launch.resident.size();
    if (count == 0) return false;
    if (one_in(2)) launch.turn = random_bits() % count;
    for (size_t visited = 0; visited < count; ++visited) {
        launch.turn = (launch.turn + 1) % count;
        Block *next = launch.resident[launch.turn];
        if (wake(next) && ++launch.idle > idle_limit * count) report_waiting();
        if (next->ready_warps) {
            enter(next);
            return true;
        }
    }
    report_stuck(launch.resident.front());
}

// ------------------------------------------------------------------------------------------------ threads

static bool choose_thread() {
    ++launch.picks;
    check_slack();
    const bool enters = let_another_in || !block || !block->ready_warps;
    let_another_in = false;
    if (enters && !choose_block()) return false;
    if (one_in(16)) wake(block); // who spins does not only run when nobody else can
    if (enters || another_warp || !warp->ready || one_in(8)) warp = &block->warp[pick(block->ready_warps)];
    another_warp = false;
    lane = pick(warp->ready);
    const uint32_t bit = 1u << lane;
    warp->ready &= ~bit;
    if (!warp->ready) block->ready_warps &= ~(1u << (warp - block->warp));
    chosen_is_fresh = warp->fresh & bit;
    warp->fresh &= ~bit;
    threadIdx = indices[thread_number(block, warp, lane)];
    return true;
}

void make_ready(Block *b, int w, uint32_t which) {
    b->warp[w].ready |= which;
    b->ready_warps |= 1u << w;
}

void block_current() {
    Fiber *stopped = running;
    warp->fiber[lane] = stopped;
    choose_thread();
    Fiber *next = chosen_is_fresh ? take_fiber() : warp->fiber[lane];
    if (next == stopped) return;
    running = next;
    switch_fiber(stopped, next);
}

static void thread_returned() {
    warp->exited |= 1u << lane;
    --block->live;
    ++block->exited;
    launch.idle = 0;
    if (warp->meeting || block->waiting) thread_left(block, warp, lane);
}

// Every fiber's life: run threads from their beginning, on this one stack for as long as none of them has to wait.
void run_threads() {
    for (;;) {
        launch.call(launch.arguments);
        thread_returned();
        Fiber *free = running;
        const bool more = choose_thread();
        if (more && chosen_is_fresh) continue;
        give_fiber_back(free);
        running = more ? warp->fiber[lane] : program;
        switch_fiber(free, running);
    }
}

// Runs the launch that is described in `launch`; a fault leaves by siglongjmp.
void run_launch() {
    launch.resident.clear();
    launch.begun = 0, launch.turn = 0, launch.idle = 0;
    block = nullptr, warp = nullptr, lane = 0;
    let_another_in = another_warp = false;
    while (storage.size() < launch.max_resident) storage.push_back(std::make_unique<Block>());
    unused.clear();
    for (size_t slot = 0; slot < launch.max_resident; ++slot) {
        storage[slot]->slot = (int32_t)slot;
        unused.push_back(storage[slot].get());
    }
    if (numbering_x != blockDim.x || numbering_y != blockDim.y) {
        numbering_x = blockDim.x, numbering_y = blockDim.y;
        for (uint32_t number = 0; number < max_threads; ++number) indices[number] = thread_index(number);
    }
    if (launch.order == shuffled) {
        launch.start_order.resize((size_t)launch.blocks);
        for (size_t at = 0; at < launch.start_order.size(); ++at) {
            const size_t other = random_bits() % (at + 1);
            launch.start_order[at] = launch.start_order[other];
            launch.start_order[other] = (int64_t)at;
        }
    }
    running = program;
    choose_thread();
    running = take_fiber();
    switch_fiber(program, running);
}

void perhaps_let_another_in(uint32_t one_of) {
    if (one_in(one_of)) let_another_in = true;
}

} // namespace emulator

using namespace emulator;

extern "C" {

void emulated_yield(void) {
    warp->yielded |= 1u << lane;
    perhaps_let_another_in(2);
    block_current();
}

// Forward and reversed order go on; shuffled order now and then shows the other blocks what stands in memory here.
void emulated_fence(void) {
    asm volatile("" ::: "memory");
    if (one_in(4)) emulated_yield();
}

void emulated_after_atomic(const void *at, int changed) {
    static uint64_t last_pick;
    static uint32_t in_a_row;
    if (changed) launch.idle = 0;
    if (last_pick != launch.picks) last_pick = launch.picks, in_a_row = 0;
    const bool spins = ++in_a_row >= 256;
    if (spins) in_a_row = 0;
    // What was just published, others see before the lanes beside this one have gone on: other blocks, or those of
    // this block that spin on shared memory. A missing __syncwarp() in front of it shows.
    const bool published = changed && launch.order == shuffled && !one_in(4);
    if (published && in_shared(at)) wake(block), another_warp = true;
    else if (published) let_another_in = true;
    if (spins || published || one_in(8)) emulated_yield();
}

uint32_t emulated_live_lanes(void) { return warp->exists & ~warp->exited; }
}
