// What a launch consists of while it runs: resident blocks, their warps, and the one thread that is running now.
#pragma once

#include <vector_types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "fiber.h"

namespace emulator {

constexpr int lanes = 32, max_warps = 32, max_threads = 1024, max_barriers = 16;
constexpr int64_t max_dynamic_shared = 227 << 10; // of sm_90; static shared memory included
constexpr int64_t max_static_shared = 48 << 10;

struct Place {
    const char *file = nullptr;
    int line = 0;
};

// One bit a lane in every mask. A lane that has not returned is in exactly one of ready, yielded, at_barrier, meeting,
// or runs; `fresh` marks the ready ones that have not begun.
struct Warp {
    uint32_t exists, fresh, ready, yielded, at_barrier, meeting, exited;
    uint32_t mask[lanes];
    uint8_t kind[lanes], argument[lanes], width[lanes];
    uint64_t value[lanes], result[lanes];
    Place place[lanes]; // of the barrier or warp primitive at which the lane waits
    Fiber *fiber[lanes];
};

struct Barrier {
    uint32_t arrived, expected; // expected: 0 = the whole block
    int64_t sum;
    int32_t first_warp, first_lane; // who came first
    Place place;
};

struct Block {
    uint3 index;
    uint32_t warps, threads, live, exited;
    uint32_t waiting;     // threads at a barrier
    uint32_t ready_warps; // one bit a warp
    int32_t result;       // of the barrier passed last
    int32_t slot;
    Barrier barrier[max_barriers];
    Warp warp[max_warps];
};

enum Order { forward, reversed, shuffled };

struct Launch {
    std::string kernel;
    void (*call)(void *const *) = nullptr;
    void *const *arguments = nullptr;
    uint32_t threads = 0;
    int64_t blocks = 0, begun = 0;
    int64_t dynamic_shared = 0;
    Order order = forward;
    uint64_t random = 0;
    std::vector<int64_t> start_order; // only if shuffled
    std::vector<Block *> resident;
    size_t max_resident = 4;
    size_t turn = 0;     // which of the resident blocks runs
    uint64_t picks = 0;  // threads chosen so far: the watchdog sees by it that something goes on
    uint64_t idle = 0;   // blocks woken in vain since anything last moved on
};

extern Launch launch;
extern Block *block; // of the running thread
extern Warp *warp;
extern int lane;
extern Fiber *running, *program;

inline uint32_t thread_number(const Block *b, const Warp *w, int l) { return (uint32_t)(w - b->warp) * lanes + (uint32_t)l; }
uint3 thread_index(uint32_t number);

inline uint32_t random_bits() { // xorshift64*: deterministic in the seed
    uint64_t &x = launch.random;
    x ^= x >> 12, x ^= x << 25, x ^= x >> 27;
    return (uint32_t)((x * 0x2545f4914f6cdd1dull) >> 32);
}

void run_launch();    // the whole launch that `launch` describes; a fault leaves it by siglongjmp
void block_current(); // the running thread waits: another goes on, and this returns when it is ready again
void perhaps_let_another_in(uint32_t one_of); // in shuffled order: another block goes on at the next stop
void make_ready(Block *b, int w, uint32_t which);
void try_meeting(Block *b, Warp *w, uint32_t mask, int at); // complete the meeting if everybody is there
const char *meeting_name(int kind);
void thread_left(Block *b, Warp *w, int l); // barrier and warp look whether somebody waits for a thread that returned

} // namespace emulator

extern "C" {
extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
extern void *emulated_dynamic_shared;
}
