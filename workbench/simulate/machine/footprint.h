// What an access to memory looked like: how its lanes lie to each other, and what was counted of it.
//
// An instruction nearly always repeats a pattern: the same distances between lanes, at another place. Sectors depend on
// the distances and on where in a line the access begins, passes over banks on the distances alone. So both are worked
// out when a pattern is first seen, and looked up afterwards.
#pragma once

#include <algorithm>

#include "program.h"

namespace simulate {

struct Count;
struct Machine;

/// How the lanes of a full warp lie: one behind the other, all at one place, or anyhow.
enum class Pattern : u8 { contiguous, broadcast, any };

struct alignas(64) Footprint {
    u32 offsets[LANES];     ///< from the first lane's address, 0 for lanes outside of the mask
    u32 mask = 0;           ///< 0: nothing is remembered
    u32 phase = 0;          ///< of the first lane's address: within a line, or within a word of shared memory
    i32 least = 0, most = 0;  ///< of the offsets
    Space space = Space::global;
    Pattern pattern = Pattern::any;
    bool aligned = false;   ///< the offsets are multiples of what a lane accesses
    bool counted = false;   ///< the figures below are known
    u32 units = 0, units_ideal = 0;  ///< sectors, or wavefronts
    u32 tags = 0;
};

/// The patterns that one instruction has shown last.
struct Footprints {
    static constexpr u32 WAYS = 4;
    Footprint way[WAYS];
    u32 recent = 0;
    const u8 *last = nullptr;  ///< where the first lane's last access was, in the host's memory

    /// The entry of this pattern, made where there is none. `bytes` is what a lane accesses.
    Footprint &find(const u32 *offsets, u32 mask, u32 phase, Space space, u32 bytes);

    /// Lets the host fetch what comes after next, if the last step between two accesses is made again and again: one step
    /// ahead is too late where a loop is short. `now` is the first lane's place, `extent` how far the others' bytes reach.
    void fetch_ahead(const u8 *now, u32 extent, bool store) {
        const i64 step = last == nullptr ? 0 : now - last;
        last = now;
        if (step == 0) return;
        const u8 *next = now + 2 * step, *end = next + std::min(extent, 512u);
        for (next -= reinterpret_cast<u64>(next) % 64; next < end; next += 64) {
            store ? __builtin_prefetch(next, 1) : __builtin_prefetch(next, 0);
        }
    }
};

/// Adds what the access counts as: sectors and tags of global memory, or wavefronts of shared memory.
void count_footprint(Count &, Footprint &, u64 first, u32 bytes);

}  // namespace simulate
