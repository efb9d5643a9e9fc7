// Finds accesses that nothing orders, reads of what nobody wrote, and copies that outlive their block.
#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "clocks.h"
#include "machine.h"

namespace simulate {

/// One thing found; the same two instructions are one finding, however often they meet.
struct Finding {
    const char *kind;   ///< race, same_value_race, uninitialised_read, copy_outlives_block
    int first = -1;     ///< instruction that came first, -1: none
    int second = -1;
    Space space = Space::global;
    u64 address = 0;    ///< of the first time
    u64 first_thread = 0, second_thread = 0;  ///< warp * 32 + lane, in the grid
    u64 times = 0;
};

class Races : public Observer {
  public:
    std::vector<Finding> findings() const;

    void start(Machine &) override;
    void block_starts(Block &) override;
    void block_ends(Block &) override;
    void access(Warp &, const Instruction &, u32, const u64 *, u32, Space, bool) override;
    void atomic(Warp &, const Instruction &, u32, const u64 *, u32, Space) override;
    void fence(Warp &, const Instruction &, u32) override;
    void warp_synced(Warp &, const Instruction &, u32) override;
    void barrier_arrives(Warp &, u32, int) override;
    void barrier_opens(Block &, int) override;
    void barrier_leaves(Warp &, u32, int) override;
    void object_arrives(Warp &, const Instruction &, u32, u32) override;
    void object_passed(Warp &, const Instruction &, u32, u32) override;
    void flight_lands(Warp &, const Flight &) override;

  private:
    /// One access to a word: who, when, where in the program, which of the four bytes.
    struct Stamp {
        u64 thread : 40 = NOBODY;
        u64 bytes : 4 = 0;
        u64 strong : 1 = 0;      ///< part of the memory model's strong operations: two of those do not race
        u64 all_lanes : 1 = 0;   ///< stands for several lanes of the thread's warp
        u32 count = 0;
        i32 instruction = -1;
        static constexpr u64 NOBODY = (1ull << 40) - 1;
        bool empty() const { return thread == NOBODY; }
    };
    /// Two writes, as two half-words have two writers; two reads, and more beside the table where nothing orders them.
    struct Word {
        Stamp writes[2], reads[2];
        u8 written = 0;  ///< bytes that hold a value
    };
    struct Lanes {
        ClockRef clock[LANES];
        ClockRef released_by_fence[LANES];  ///< what a relaxed store publishes
        ClockRef seen_relaxed[LANES];       ///< what a fence acquires
        u32 count = 1;
    };
    struct Region {
        u64 first, end;
        std::vector<Word> words;
        bool never_written;  ///< inputs: nothing races on what nobody may write
    };
    struct BlockState {
        std::vector<Lanes> warps;
        std::vector<Word> shared;
        ClockRef gathering[BARRIERS], open[BARRIERS];
        std::unordered_map<u32, ClockRef> objects;  ///< by address: mbarriers, and flags in shared memory
    };

    Machine *machine_ = nullptr;
    std::vector<Region> regions_;
    std::unordered_map<u64, BlockState> blocks_;
    std::unordered_map<u64, ClockRef> released_;  ///< by address in global memory
    std::unordered_map<const Word *, std::vector<Stamp>> more_reads_;
    std::map<std::tuple<std::string, int, int>, Finding> found_;
    u64 last_block_ = ~0ull;
    BlockState *last_state_ = nullptr;

    BlockState &state_of(const Block &);
    Lanes &lanes_of(const Warp &w) { return state_of(*w.block).warps[w.index]; }
    Word *word_at(Warp &, Space, u64 address);
    ClockRef &object_at(Warp &, Space, u64 address);
    void touch(Warp &, const Instruction &, int lane, u64 address, u32 bytes, Space, bool store, bool strong);
    void touch_word(Warp &, const Instruction &, int lane, Word &, u32 bytes, u64 address, Space, bool store, bool strong);
    bool ordered(const Stamp &, u64 thread, const Clock &) const;
    bool same_value(Warp &, const Instruction &, int lane, const Stamp &, u64 address, Space) const;
    void report(const char *kind, int first, int second, Space, u64 address, u64 first_thread, u64 second_thread);
    void acquire(Warp &, int lane, const ClockRef &);
    ClockRef snapshot(Warp &, int lane);
    void synchronise(Warp &, const Instruction &, int lane, u64 address, Space, bool reads, bool writes);
};

}  // namespace simulate
