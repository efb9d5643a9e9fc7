#include "racecheck.h"

#include <bit>
#include <new>

namespace simulate {

Racecheck::Quads::Quads(u64 count) : memory(std::calloc(count + 2, sizeof(Quad))) {
    if (memory == nullptr) throw std::bad_alloc();
    const u64 start = reinterpret_cast<u64>(memory.get());
    quads = reinterpret_cast<Quad *>((start + alignof(Quad) - 1) / alignof(Quad) * alignof(Quad));
}

void Racecheck::start(Machine &machine) {
    machine_ = &machine;
    regions_.clear(), blocks_.clear(), released_.clear(), free_reads_.clear();
    more_reads_.assign(1, {});
    words_.resize(1), free_words_.clear();
    last_block_ = ~0ull;
    recent_ = 0;
    for (const Allocation &a : machine.allocations) {
        regions_.push_back({a.first, a.end, a.writable, Quads(a.writable ? (a.end - a.first + 15) / 16 : 0)});
    }
}

Racecheck::BlockState &Racecheck::state_of(const Block &block) {
    if (block.index != last_block_) {
        last_block_ = block.index;
        last_state_ = &blocks_[block.index];
    }
    return *last_state_;
}

Racecheck::Access Racecheck::access_by(Warp &w, const Instruction &i, Space space, bool store, u32 reach) {
    BlockState &block = state_of(*w.block);
    return {w, i, block, block.warps[w.index], 0, space, store, reach};
}

void Racecheck::block_starts(Block &block) {
    last_block_ = ~0ull;
    BlockState &state = state_of(block);
    state.shared.resize((block.shared.size() + 15) / 16);
    state.warps.resize(block.warps.size());
    for (Lanes &lanes : state.warps) lanes.clocks.set(FULL, ClockRef(new Clock));
}

void Racecheck::block_ends(Block &block) {
    for (Quad &quad : state_of(block).shared) {
        forget(quad.more);
        if (quad.apart == 0) continue;
        for (Word &word : words_[quad.apart]) forget(word.more);
        free_words_.push_back(quad.apart);
    }
    blocks_.erase(block.index);
    last_block_ = ~0ull;
}

void Racecheck::access(Warp &w, const Instruction &i, u32 mask, const u64 *addresses, u32 bytes, Space space, bool store) {
    if (space == Space::local || space == Space::constant) return;
    const u32 reach = reach_of(i);
    if (reach == 0 && space == Space::global && unwatched(mask, addresses, bytes)) return;
    Access a = access_by(w, i, space, store, reach);
    if (reach == 0 && (bytes == 4 || bytes == 8)) return weak_access(a, mask, addresses, bytes);
    for (u32 rest = mask; rest != 0; rest &= rest - 1) {
        a.lane = std::countr_zero(rest);
        if (reach != 0) synchronise(a, addresses[a.lane], !store, store);
        touch(a, addresses[a.lane], bytes);
    }
}

void Racecheck::atomic(Warp &w, const Instruction &i, u32 mask, const u64 *addresses, u32 bytes, Space space) {
    Access a = access_by(w, i, space, false, std::max(1u, reach_of(i)));
    for (u32 rest = mask; rest != 0; rest &= rest - 1) {
        a.lane = std::countr_zero(rest);
        const u64 address = addresses[a.lane];
        a.store = false;
        touch(a, address, bytes);
        synchronise(a, address, true, true);
        a.store = true;
        touch(a, address, bytes);
    }
}

/// A copy may land at once: then its target must be free already.
void Racecheck::flight_starts(Warp &w, const Flight &flight, u32 lanes) { flight_lands(w, flight, lanes); }

void Racecheck::flight_lands(Warp &w, const Flight &flight, u32 mask) {
    const Instruction &i = machine_->program.code[static_cast<u32>(flight.instruction)];
    Access from = access_by(w, i, Space::global, false, 0), to = access_by(w, i, Space::shared, true, 0);
    const bool reads = !flight.whole || !unwatched(mask, flight.from, flight.bytes);
    if (!reads && flight.bytes == 16) return store_quads(to, mask, flight.to);
    for (u32 rest = mask; rest != 0; rest &= rest - 1) {
        from.lane = to.lane = std::countr_zero(rest);
        if (reads) touch(from, flight.from[from.lane], flight.filled[from.lane]);
        touch(to, flight.to[to.lane], flight.bytes);
    }
}

void Racecheck::report(const char *kind, const Stamp &first, const Access &a, u64 address) {
    const u64 thread = static_cast<u64>(first.warp) * LANES + static_cast<u64>(std::countr_zero(first.lanes));
    findings_.add({kind, static_cast<int>(first.instruction()), a.i.index, a.space, address, thread, thread_of(a.w, a.lane), 0});
}

}  // namespace simulate
