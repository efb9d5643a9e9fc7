// Finds accesses to shared and global memory that nothing orders.
#pragma once

#include <array>
#include <cstdlib>
#include <memory>
#include <unordered_map>
#include <vector>

#include "clocks.h"
#include "findings.h"

namespace simulate {

class Racecheck : public Observer {
  public:
    explicit Racecheck(Findings &findings) : findings_(findings) {}

    void start(Machine &) override;
    void block_starts(Block &) override;
    void block_ends(Block &) override;
    void access(Warp &, const Instruction &, u32, const u64 *, u32, Space, bool) override;
    void atomic(Warp &, const Instruction &, u32, const u64 *, u32, Space) override;
    void fence(Warp &, const Instruction &, u32) override;
    void warp_synced(Warp &, const Instruction &, u32) override;
    void barrier_arrives(Warp &, const Instruction &, u32, int) override;
    void barrier_opens(Block &, int) override;
    void barrier_leaves(Warp &, u32, int) override;
    void object_arrives(Warp &, const Instruction &, u32, u32) override;
    void object_passed(Warp &, const Instruction &, u32, u32) override;
    void flight_starts(Warp &, const Flight &, u32) override;
    void flight_lands(Warp &, const Flight &, u32) override;

  private:
    /// Accesses to a word by lanes of one warp at one count of its steps.
    struct Stamp {
        u32 warp = 0;
        u32 lanes = 0;
        u32 count = 0;
        /// The instruction in 24 bits, which of the four bytes (none: nobody's), and the reach of a strong operation: 0
        /// weak, 1 its block, 2 the device. Put together by shifts: a stamp made in pieces of memory would have to wait
        /// for itself when it is copied whole.
        u32 what = 0;

        u32 instruction() const { return what & 0xffffff; }
        u32 bytes() const { return what >> 24 & 0xf; }
        u32 reach() const { return what >> 28; }
        bool empty() const { return bytes() == 0; }
        bool alike(const Stamp &other) const { return (what ^ other.what) >> 24 == 0; }
        Stamp of(u32 some_bytes) const { return {warp, lanes, count, (what & ~(0xfu << 24)) | some_bytes << 24}; }
    };
    /// Two writes, as two half-words have two writers; two reads, and more beside the table where nothing orders them.
    struct Word {
        Stamp writes[2], reads[2];
        u32 more = 0;  ///< in more_reads_, 0: none
    };
    /// Four words of which lanes access several at once: one behind the other, every second one, or one lane all four.
    /// Nearly all are of that kind. Others are kept word by word. In its stamps `bytes` are the words, and `lanes` is the
    /// lane of the first word (whether it is one of them or not) and above it words per lane as a power of two. What a
    /// word's reads are, one after the other, are those of all its stamps that have it.
    struct alignas(64) Quad {
        Stamp writes[2], read;
        u32 more = 0;       ///< reads behind the first, in more_reads_; 0: none
        u32 apart = 0;      ///< in words_, 0: it is of that kind
        u32 partings = 0;   ///< how often it was not; after a few it stays apart
        static constexpr u32 MOST_PARTINGS = 4;
    };
    /// What a lane's fence publishes with its later relaxed stores, put together when there is one.
    struct Publication {
        ClockRef past;  ///< what the lane knew
        u32 count = 0;  ///< and its own accesses up to here
        ClockRef whole;
    };
    struct Lanes {
        LaneClocks clocks;
        Publication by_fence[LANES][2];        ///< to its block and to the device
        ClockRef seen_relaxed[LANES];          ///< what a fence acquires
        u32 count = 1;
        u32 arrived = 0;                       ///< at the barrier that the warp waits at
    };
    /// Quads of which all bits are 0, as the host hands out memory: what is never touched costs nothing.
    struct Quads {
        struct Free { void operator()(void *memory) const { std::free(memory); } };
        std::unique_ptr<void, Free> memory;
        Quad *quads;

        explicit Quads(u64 count);
    };
    struct Region {
        u64 first, end;
        bool watched;   ///< inputs are not: nothing races on what nobody may write
        Quads quads;
    };
    struct BlockState {
        std::vector<Lanes> warps;
        std::vector<Quad> shared;
        ClockRef gathering[BARRIERS], open[BARRIERS];
        std::unordered_map<u64, ClockRef> objects;  ///< by address: what was released to the block alone
    };
    /// Of the words of a quad: which happened before an access to them.
    enum class Ordered : u8 { all, none, some };
    /// What one lane's access is compared with and leaves behind.
    struct Access {
        Warp &w;
        const Instruction &i;
        BlockState &block;
        Lanes &lanes;
        int lane;
        Space space;
        bool store;
        u32 reach;

        u32 warp() const { return static_cast<u32>(w.global_index); }
        Stamp stamp(u32 of_lanes, u32 bytes) const {
            return {warp(), of_lanes, lanes.count, (static_cast<u32>(i.index) & 0xffffff) | bytes << 24 | reach << 28};
        }
    };

    Findings &findings_;
    Machine *machine_ = nullptr;
    std::vector<Region> regions_;
    std::size_t recent_ = 0;
    std::unordered_map<u64, BlockState> blocks_;
    std::unordered_map<u64, ClockRef> released_;  ///< by address in global memory
    std::vector<std::array<Word, 4>> words_;  ///< of quads that are kept apart, from 1 on
    std::vector<u32> free_words_;
    std::vector<std::vector<Stamp>> more_reads_;
    std::vector<u32> free_reads_;
    u64 last_block_ = ~0ull;
    BlockState *last_state_ = nullptr;

    BlockState &state_of(const Block &);
    Lanes &lanes_of(const Warp &w) { return state_of(*w.block).warps[w.index]; }
    Access access_by(Warp &, const Instruction &, Space, bool store, u32 reach);

    // racecheck_words.cpp: what is remembered of a word, and what it is compared with; racecheck_quads.cpp: of four.
    Region *region_at(u64 address);
    bool unwatched(u32 mask, const u64 *addresses, u32 bytes);
    static u32 reach_of(const Instruction &i) { return i.order == Order::weak ? 0 : i.scope == Scope::block ? 1 : 2; }
    Quad *quad_at(const Access &, u64 address, u32 &word);
    Word &word_of(Quad &, u32 word);
    void weak_access(Access &, u32 mask, const u64 *addresses, u32 bytes);
    bool touch_all_lanes(Access &, const u64 *addresses, u32 bytes);
    void store_quads(Access &, u32 lanes, const u32 *addresses);
    void touch_in_line(const Access &, u64 address, u32 words_per_lane);
    void touch_pair(const Access &, u64 address);
    bool touch_quickly(const Access &, Quad &, const Stamp &mine);
    void touch_quad(const Access &, Quad &, u64 start, u32 words, u32 shift);
    bool touch_together(const Access &, Quad &, const Stamp &mine);
    bool read_together(const Access &, Quad &, const Stamp &mine);
    bool store_together(const Access &, Quad &, const Stamp &mine);
    static bool surely_ordered(const Stamp &, const Access &, const Stamp &mine);
    static Ordered ordered_all(const Stamp &, const Access &, const Stamp &mine);
    void touch(const Access &, u64 address, u32 bytes);
    void touch_one(const Access &, Quad &, u32 word, u32 bytes, u64 address);
    void touch_word(const Access &, Word &, u32 bytes, u64 address);
    void touch_fully(const Access &, Word &, u32 bytes, u64 address);
    bool touch_plainly(const Access &, Word &, const Stamp &mine);
    Stamp *place_of_read(const Access &, Word &, const Stamp &mine, bool &told);
    bool read_object(const Access &, u32 lanes, u64 address);
    bool remember_read(const Access &, Word &, const Stamp &mine);
    void remember_one_more(Word &, const Stamp &mine);
    std::vector<Stamp> &more_of(u32 &more);
    void forget(u32 &more);
    static bool ordered(const Stamp &, const Access &);
    static bool all_before(const Stamp &, const Access &);
    static bool may_meet(const Stamp &, const Access &, u32 bytes);
    static bool both_strong(const Stamp &, const Access &);
    bool same_value(const Access &, const Stamp &, u64 address) const;
    void report(const char *kind, const Stamp &first, const Access &, u64 address);

    // racecheck_order.cpp: what a lane knows, and tells others.
    static void acquire(Lanes &, u32 lanes, const ClockRef &);
    static ClockRef snapshot(const Warp &, const ClockRef &past, int lane, u32 count);
    static const ClockRef &published(const Warp &, Publication &, int lane);
    void synchronise(const Access &, u64 address, bool reads, bool writes);
};

}  // namespace simulate
