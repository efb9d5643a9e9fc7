// The machine's state: memory, blocks, warps and what they are doing.
#pragma once

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "flights.h"
#include "footprint.h"

namespace simulate {

/// What ends a run: something the kernel must not do, where it did it.
struct Fault {
    std::string kind;  ///< as the findings are named: stray_read, misaligned, deadlock…
    std::string text;
    int instruction = -1;
    int lane = -1;
    u64 address = 0;
    u32 block[3] = {0, 0, 0};
    u32 warp = 0;
};

struct Machine;
struct Block;

/// What one instruction did, summed over all warps.
///
/// `executed` and `threads` are kept as differences: a straight run of instructions adds at its first and subtracts
/// behind its last, and the sums from the start are what each executed. See totals().
struct Count {
    i64 executed = 0;        ///< issues of a warp split, whatever its guard
    i64 threads = 0;         ///< lanes of those splits
    u64 off = 0;             ///< lanes among them whose guard did not hold
    u64 requests = 0;        ///< memory accesses with at least one lane
    u64 sectors = 0;         ///< distinct 32-byte units, per access
    u64 sectors_ideal = 0;   ///< the fewest that the lanes' bytes could have taken
    u64 tags = 0;            ///< distinct 128-byte lines, per access
    u64 wavefronts = 0;      ///< passes over the banks of shared memory
    u64 wavefronts_ideal = 0;
    u64 divergent = 0;       ///< branches that split a warp
    u64 same_address = 0;    ///< atomics: the most lanes at one address, summed over accesses
    u64 bytes = 0;           ///< moved by the lanes
    u64 l1_hits = 0, l2_hits = 0;  ///< sectors, where a cache model is on
};

/// Lanes of one warp that go on together.
struct Split {
    enum State : u8 { ready, at_warp_sync, at_converge, at_barrier };
    u32 pc;
    u32 mask;
    State state = ready;
    u32 need = 0;         ///< lanes that it waits for
    int barrier = 0;
    bool passes = false;  ///< its company is complete: it may go past the instruction that it waited at
    bool goes_first = false;  ///< of its warp's splits, when the warp has its turn again
};

/// A store to global memory that only its own lane sees yet, or (in Block) its own block.
struct PendingStore {
    int lane;
    u32 bytes;
    u64 address;
    u8 data[32];
};

/// A load from global memory that is not carried out before somebody needs its value.
struct LateLoad {
    int instruction;
    u32 mask;
    u64 addresses[LANES];
};

struct Warp {
    u32 *file = nullptr;
    Block *block = nullptr;
    u32 index = 0;         ///< within its block
    u64 global_index = 0;
    u32 alive = 0;
    std::vector<Split> splits;
    Flights flights;
    std::vector<PendingStore> pending;  ///< in the order of the program; see Launch::delays
    std::vector<LateLoad> late;         ///< loads whose values nobody has asked for yet
    u32 *undefined = nullptr;           ///< lanes without a value, by the offset of a row or predicate; see initcheck
    u32 group[LANES] = {};  ///< how many groups of copies each lane has committed
    std::vector<u8> local;  ///< word w of lane l at (w * 32 + l) * 4, as the hardware interleaves it
    u32 choice = 0;         ///< counts the choices among splits, for fairness
    u32 pauses = 0;         ///< of splits that were not alone
    u32 next_in_turn = 0;   ///< the split that was given its turn last
    u32 active = 0;         ///< lanes of the split that is running
    bool spun = false;      ///< the split that ran last used its whole turn up: another has the next
    bool waits_for_others = false;  ///< it asked for what only others can bring about: give them a turn

    u32 *row(i32 offset) { return file + offset; }
    u32 &predicate(i32 offset) { return file[offset]; }
    Machine &machine() const;
};

constexpr int BARRIERS = 16;

struct Block {
    Machine *machine = nullptr;
    u64 index = 0;
    u32 at[3] = {0, 0, 0};
    std::vector<u8> shared;
    std::vector<u8> in_flight;  ///< per word of shared memory: copies that will still write it
    u64 flights = 0;            ///< copies that are on their way
    std::vector<PendingStore> pending;  ///< stores that the block sees, and no other
    std::vector<Warp> warps;
    u32 alive = 0;              ///< threads
    u32 arrived[BARRIERS] = {}, expected[BARRIERS] = {};
    u32 voted[BARRIERS] = {};   ///< threads that arrived with a predicate that holds
    Reduction reduction[BARRIERS] = {};  ///< what the barrier makes of them
    u32 outcome = 0;            ///< of the last barrier that reduced predicates
    u32 multiprocessor = 0;
    bool done() const { return alive == 0; }
};

struct Allocation {
    u64 first, end;  ///< addresses as the kernel sees them
    u8 *host;
    std::string name;
    bool writable = true;
    u8 *undefined = nullptr;  ///< by byte, 1: nobody has written it; nullptr: it is not watched
};

/// Who watches a run: the checkers. Every call comes after bounds and alignment were found to be right, and before the
/// bytes move.
struct Observer {
    virtual ~Observer() = default;
    virtual void start(Machine &) {}
    virtual void block_starts(Block &) {}
    virtual void block_ends(Block &) {}
    virtual void access(Warp &, const Instruction &, u32 /*mask*/, const u64 * /*addresses*/, u32 /*bytes*/,
                        Space, bool /*store*/) {}
    virtual void atomic(Warp &, const Instruction &, u32 /*mask*/, const u64 * /*addresses*/, u32 /*bytes*/, Space) {}
    virtual void fence(Warp &, const Instruction &, u32 /*mask*/) {}
    /// Before an instruction runs for the lanes `on` of a split; see Machine::values.
    virtual void values(Warp &, const Instruction &, u32 /*on*/, u32 /*split*/) {}
    /// A shuffle has given each lane the value of lane from[lane].
    virtual void shuffled(Warp &, const Instruction &, u32 /*mask*/, const u32 * /*from*/) {}
    /// These lanes run an instruction whose member mask does not name them.
    virtual void outside_of_mask(Warp &, const Instruction &, u32 /*lanes*/) {}
    virtual void divided_by_zero(Warp &, const Instruction &, u32 /*lanes*/) {}
    /// Copies of these lanes are issued, or are in shared memory now; not called for arrivals.
    virtual void flight_starts(Warp &, const Flight &, u32 /*lanes*/) {}
    virtual void flight_lands(Warp &, const Flight &, u32 /*lanes*/) {}
    /// A shuffle took the value of a lane that takes no part in it, for these lanes.
    virtual void undefined_shuffle(Warp &, const Instruction &, u32 /*lanes*/) {}
    virtual void warp_synced(Warp &, const Instruction &, u32 /*mask*/) {}
    virtual void barrier_arrives(Warp &, const Instruction &, u32 /*mask*/, int /*barrier*/) {}
    virtual void barrier_opens(Block &, int /*barrier*/) {}
    virtual void barrier_leaves(Warp &, u32 /*mask*/, int /*barrier*/) {}
    /// Lanes arrive at an mbarrier, one after the other.
    virtual void object_arrives(Warp &, const Instruction &, u32 /*lanes*/, u32 /*address*/) {}
    virtual void object_passed(Warp &, const Instruction &, u32 /*lanes*/, u32 /*address*/) {}
    virtual void lanes_exit(Warp &, u32 /*mask*/) {}
};

/// Sector caches, L1 per multiprocessor and one L2; see cache.cpp.
struct Caches;

struct Launch {
    u32 grid[3] = {1, 1, 1}, block[3] = {32, 1, 1};
    u32 shared_bytes = 0;
    u32 resident = 4;          ///< blocks that have begun and not ended at any time
    i64 quantum = 4000;        ///< instructions that a warp runs before another has its turn
    u64 seed = 0;              ///< 0: blocks begin in order, the lowest split and warp first
    u64 first_block = 0, block_count = ~0ull, block_stride = 1;
    u64 instruction_limit = 4'000'000'000ull;
    u32 multiprocessors = 1;
    bool copies_at_once = false;  ///< asynchronous copies land when they are issued
    /// Warp instructions without any store, atomic change, end of a lane or open barrier, after which all that run are
    /// taken to wait for what never comes.
    u64 idle_limit = 100'000'000ull;
    /// Stores to global memory stay in their lane or block until a fence, a release or chance lets them out, and loads
    /// from it wait until somebody needs the value, in any order but that of one address: what the memory model allows,
    /// and a missing fence then shows.
    bool delays = false;
};

/// What one warp executed, instruction by instruction, and which words of its file each changed.
struct Trace {
    u64 block = ~0ull;
    u32 warp = 0;
    u64 limit = 0;           ///< instructions that are kept
    std::vector<u32> words;  ///< per instruction: its index, its lanes, how many words changed; then offset and value of each

    void begin(u64 of_block, u32 of_warp, u64 most);
    /// An instruction is about to run for these lanes: what has changed since the last one began was that one's doing.
    void step(const Warp &warp, u32 pc, u32 on);
    void close(const Warp &warp);

  private:
    std::vector<u32> before_;
    std::size_t open_ = 0;   ///< where the count of the instruction that runs stands, 0: none does
    u64 kept_ = 0;
};

struct Machine {
    Program program;
    std::vector<Count> counts;      ///< one per instruction and one behind the last
    std::vector<Allocation> allocations;
    Launch launch;
    std::vector<u64> chosen;        ///< the blocks that are run, in place of those that the launch names; empty: none
    std::vector<Observer *> observers;
    Caches *caches = nullptr;
    Trace trace;
    u64 executed = 0;               ///< warp instructions so far
    u64 progress = 0;               ///< of them, when something last changed that others could wait for
    Observer *values = nullptr;     ///< whose values() is called: it slows every instruction
    std::mt19937_64 random;
    std::vector<std::unique_ptr<Footprints>> footprints;  ///< by instruction, of those that have accessed memory
    std::vector<std::unique_ptr<Footprints>> targets;     ///< of asynchronous copies: in shared memory

    /// Runs the launch. Throws Fault.
    void run();

    /// The host's memory behind addresses [address, address + bytes) of one allocation; nullptr where there is none.
    u8 *resolve(u64 address, u64 bytes, bool store);

    [[noreturn]] void fault(const Warp &warp, const Instruction &instruction, const char *kind, std::string text,
                            int lane = -1, u64 address = 0) const;

    int index_of(const Instruction &instruction) const {
        return instruction.index;  // a form may have been handed a copy
    }
    Count &count_of(const Instruction &instruction) { return counts[index_of(instruction)]; }
    Footprints &footprints_of(const Instruction &instruction, bool target = false) {
        auto &found = (target ? targets : footprints)[static_cast<u32>(index_of(instruction))];
        if (found == nullptr) found = std::make_unique<Footprints>();
        return *found;
    }

  private:
    u32 recent_ = 0;  ///< the allocation that the last access fell into
};

inline Machine &Warp::machine() const { return *block->machine; }

/// Where generic addresses find shared and local memory.
constexpr u64 SHARED_WINDOW = 0x7e'0000'0000ull, LOCAL_WINDOW = 0x7d'0000'0000ull, WINDOW_BYTES = 0x100'0000ull;

// ---- count.cpp

/// Sectors and tags of one access to global or local memory, whose lanes are in mask (not empty).
void count_sectors(Machine &, Warp &, const Instruction &, Space, u32 mask, const u64 *addresses, u32 bytes, bool store);

/// The same of lanes in global memory, whatever caches there are.
void count_global(Count &, u32 mask, const u64 *addresses, u32 bytes);

/// Passes over the banks that one access to shared memory takes.
void count_wavefronts(Count &, u32 mask, const u64 *addresses, u32 bytes);

/// executed and threads of every instruction, out of their differences.
void totals(const std::vector<Count> &counts, std::vector<Count> &out);

// ---- quick.cpp

/// An access of the usual kind: to shared or global memory, nothing wrong with it, nothing delayed. False: it is none,
/// and nothing has happened.
template <bool STORE>
bool access_quickly(Warp &, const Instruction &, u32 mask);

// ---- memory.cpp

/// Loads or stores the instruction's elements between rows o[1], o[2]… and memory at row o[0] plus the immediate.
void load(Warp &, const Instruction &, u32 mask);
void store(Warp &, const Instruction &, u32 mask);

/// The lanes' addresses of an access; checks alignment and bounds; returns the space they lie in.
Space addresses_of(Warp &, const Instruction &, u32 mask, u32 bytes, bool store, i32 row, i64 immediate, u64 *out);

/// One lane's bytes behind an address that addresses_of has let pass.
u8 *host_address(Warp &, Space, u64 address, u32 bytes, bool store);

/// Lets the pending stores of these lanes out as far as a scope: to the block, or to all memory. What the block has seen
/// goes before.
void settle(Warp &, u32 mask, Scope);
void settle_block(Block &);
/// Lets out what overlaps the lanes' accesses, and now and then something else.
void settle_overlapping(Warp &, u32 mask, const u64 *addresses, u32 bytes);
void settle_by_chance(Warp &, u32 one_in);
/// Carries out late loads: all, those whose registers an instruction uses, those that overlap an access.
void finish_late(Warp &);
void finish_late_for(Warp &, const Instruction &);

/// Faults where a lane's bytes of shared memory are those of a copy on its way.
void check_in_flight(Warp &, const Instruction &, u32 mask, const u64 *addresses, u32 bytes);

// ---- flights.cpp

/// Carries out what of these lanes is under way: their bytes move, or they arrive.
void land_lanes(Warp &, Flight &, u32 lanes);

/// Marks the words that the lanes' copies will write, or (-1) have written.
void mark_in_flight(Block &, const Flight &, u32 lanes, int by);

/// Of the first `end` flights of a warp, those lanes land that `due` names.
template <class F>
void land(Warp &w, F &&due, std::size_t end = ~std::size_t{0}) {
    w.flights.each([&](Flight &flight) {
        if (const u32 lanes = due(flight) & flight.mask; lanes != 0) land_lanes(w, flight, lanes);
    }, end);
}

// ---- async.cpp

/// Lanes arrive at their mbarriers, as the instruction asked that they do once their copies have landed.
void arrive_at(Warp &, const Flight &, u32 lanes);

/// Somebody looks at the mbarrier at this address: arrivals of copies there are due, and land.
void land_arrivals(Block &block, u32 address);

}  // namespace simulate
