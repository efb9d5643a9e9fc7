#include "races.h"

#include <algorithm>

namespace simulate {

namespace {

u64 thread_of(const Warp &w, int lane) { return w.global_index * LANES + static_cast<u64>(lane); }

bool is_strong(const Instruction &i) { return i.order != Order::weak; }
bool acquires(const Instruction &i) { return i.order == Order::acquire || i.order == Order::acquire_release; }
bool releases(const Instruction &i) { return i.order == Order::release || i.order == Order::acquire_release; }

}  // namespace

std::vector<Finding> Races::findings() const {
    std::vector<Finding> all;
    for (const auto &entry : found_) all.push_back(entry.second);
    std::sort(all.begin(), all.end(), [](const Finding &a, const Finding &b) { return a.times > b.times; });
    return all;
}

void Races::start(Machine &machine) {
    machine_ = &machine;
    regions_.clear(), blocks_.clear(), released_.clear(), more_reads_.clear(), found_.clear();
    last_block_ = ~0ull;
    for (const Allocation &a : machine.allocations) {
        Region region{a.first, a.end, {}, !a.writable};
        if (a.writable) region.words.resize((a.end - a.first + 3) / 4);
        if (a.initialised) {
            for (Word &word : region.words) word.written = 0xf;
        }
        regions_.push_back(std::move(region));
    }
}

Races::BlockState &Races::state_of(const Block &block) {
    if (block.index != last_block_) {
        last_block_ = block.index;
        last_state_ = &blocks_[block.index];
    }
    return *last_state_;
}

void Races::block_starts(Block &block) {
    last_block_ = ~0ull;
    BlockState &state = state_of(block);
    state.shared.resize((block.shared.size() + 3) / 4);
    state.warps.resize(block.warps.size());
    const auto nothing = std::make_shared<const Clock>();
    for (Lanes &lanes : state.warps) std::fill_n(lanes.clock, LANES, nothing);
}

void Races::block_ends(Block &block) {
    // Reads that overflowed belong to words that are about to go.
    for (const Word &word : state_of(block).shared) more_reads_.erase(&word);
    blocks_.erase(block.index);
    last_block_ = ~0ull;
}

// ------------------------------------------------------------------------------------------------ order

ClockRef Races::snapshot(Warp &w, int lane) {
    Lanes &lanes = lanes_of(w);
    auto made = std::make_shared<Clock>(*lanes.clock[lane]);
    made->threads.raise(thread_of(w, lane), lanes.count);
    return made;
}

void Races::acquire(Warp &w, int lane, const ClockRef &clock) {
    ClockRef &mine = lanes_of(w).clock[lane];
    mine = joined(mine, clock);
}

ClockRef &Races::object_at(Warp &w, Space space, u64 address) {
    return space == Space::shared ? state_of(*w.block).objects[static_cast<u32>(address)] : released_[address];
}

/// What a strong access orders: a release publishes the lane's clock, an acquire takes what was published; relaxed
/// ones do either only together with a fence before or behind them.
void Races::synchronise(Warp &w, const Instruction &i, int lane, u64 address, Space space, bool reads, bool writes) {
    Lanes &lanes = lanes_of(w);
    ClockRef &object = object_at(w, space, address);
    if (reads && object != nullptr) {
        if (acquires(i)) {
            acquire(w, lane, object);
        } else {
            lanes.seen_relaxed[lane] = joined(lanes.seen_relaxed[lane], object);
        }
    }
    if (!writes) return;
    const ClockRef published = releases(i) ? snapshot(w, lane) : lanes.released_by_fence[lane];
    // A read-modify-write goes on with what the operation before it released; a plain store ends that.
    object = reads ? joined(object, published) : published;
    if (releases(i)) ++lanes.count;
}

void Races::fence(Warp &w, const Instruction &, u32 mask) {
    Lanes &lanes = lanes_of(w);
    each_lane(mask, [&](int lane) {
        if (lanes.seen_relaxed[lane] != nullptr) acquire(w, lane, lanes.seen_relaxed[lane]);
        lanes.released_by_fence[lane] = snapshot(w, lane);
    });
    ++lanes.count;
}

void Races::warp_synced(Warp &w, const Instruction &i, u32 mask) {
    if (i.run != nullptr || mask == 0) return;  // shuffles and votes order no memory
    Lanes &lanes = lanes_of(w);
    ClockRef together;
    each_lane(mask, [&](int lane) { together = joined(together, lanes.clock[lane]); });
    auto made = std::make_shared<Clock>(*together);
    if (mask == w.alive) {
        made->warps.raise(w.global_index, lanes.count);
    } else {
        each_lane(mask, [&](int lane) { made->threads.raise(thread_of(w, lane), lanes.count); });
    }
    each_lane(mask, [&](int lane) { lanes.clock[lane] = made; });
    ++lanes.count;
}

void Races::barrier_arrives(Warp &w, u32 mask, int barrier) {
    Lanes &lanes = lanes_of(w);
    ClockRef &gathering = state_of(*w.block).gathering[barrier];
    auto made = std::make_shared<Clock>();
    const Clock *last = nullptr;
    each_lane(mask, [&](int lane) {
        if (lanes.clock[lane].get() != last) made->join(*lanes.clock[lane]);
        last = lanes.clock[lane].get();
    });
    if (mask == w.alive) {
        made->warps.raise(w.global_index, lanes.count);
    } else {
        each_lane(mask, [&](int lane) { made->threads.raise(thread_of(w, lane), lanes.count); });
    }
    gathering = joined(gathering, made);
    ++lanes.count;
}

void Races::barrier_opens(Block &block, int barrier) {
    BlockState &state = state_of(block);
    state.open[barrier] = std::exchange(state.gathering[barrier], nullptr);
}

void Races::barrier_leaves(Warp &w, u32 mask, int barrier) {
    Lanes &lanes = lanes_of(w);
    const ClockRef &open = state_of(*w.block).open[barrier];
    each_lane(mask, [&](int lane) { lanes.clock[lane] = open; });
}

void Races::object_arrives(Warp &w, const Instruction &, u32 mask, u32 address) {
    ClockRef &object = state_of(*w.block).objects[address];
    each_lane(mask, [&](int lane) { object = joined(object, snapshot(w, lane)); });
    ++lanes_of(w).count;
}

void Races::object_passed(Warp &w, const Instruction &, u32 mask, u32 address) {
    const ClockRef object = state_of(*w.block).objects[address];
    each_lane(mask, [&](int lane) { acquire(w, lane, object); });
}

// ------------------------------------------------------------------------------------------------ accesses

Races::Word *Races::word_at(Warp &w, Space space, u64 address) {
    if (space == Space::shared) return &state_of(*w.block).shared[address / 4];
    for (Region &region : regions_) {
        if (address >= region.first && address < region.end) {
            return region.never_written ? nullptr : &region.words[(address - region.first) / 4];
        }
    }
    return nullptr;
}

bool Races::ordered(const Stamp &stamp, u64 thread, const Clock &clock) const {
    if (stamp.thread == thread && !stamp.all_lanes) return true;
    if (stamp.all_lanes) return clock.warps.of(stamp.thread / LANES) >= stamp.count;
    return clock.holds(stamp.thread, stamp.count);
}

/// Whether the value that this lane stores is what is there already, or what the other lane of the instruction stores.
bool Races::same_value(Warp &w, const Instruction &i, int lane, const Stamp &other, u64 address, Space space) const {
    const int other_lane = static_cast<int>(other.thread % LANES);
    const bool same_access = other.instruction == machine_->index_of(i) && other.thread / LANES == w.global_index;
    const u32 bytes = static_cast<u32>(i.bytes) * i.elements;
    if (same_access) {
        for (int e = 0; e < i.elements; ++e) {
            const u32 *row = w.row(i.o[1 + e]);
            if (row[lane] != row[other_lane] || (i.bytes == 8 && row[LANES + lane] != row[LANES + other_lane])) return false;
        }
        return true;
    }
    const u8 *there = host_address(w, space, address & ~static_cast<u64>(bytes - 1), bytes, true);
    for (int e = 0; e < i.elements; ++e, there += i.bytes) {
        const u64 mine = i.bytes == 8 ? pair_of(w.row(i.o[1 + e]), lane) : w.row(i.o[1 + e])[lane];
        if (std::memcmp(&mine, there, i.bytes) != 0) return false;
    }
    return true;
}

void Races::touch_word(Warp &w, const Instruction &i, int lane, Word &word, u32 bytes, u64 address, Space space,
                       bool store, bool strong) {
    const Lanes &lanes = lanes_of(w);
    const u64 thread = thread_of(w, lane);
    const Clock &clock = *lanes.clock[lane];
    const int instruction = machine_->index_of(i);
    auto conflicts = [&](const Stamp &s) {
        return !s.empty() && (s.bytes & bytes) != 0 && !(s.strong && strong) && !ordered(s, thread, clock);
    };
    for (const Stamp &s : word.writes) {
        if (!conflicts(s)) continue;
        const bool harmless = store && i.run == simulate::store && same_value(w, i, lane, s, address, space);
        report(harmless ? "same_value_race" : "race", s.instruction, instruction, space, address, s.thread, thread);
    }
    Stamp mine;
    mine.thread = thread, mine.bytes = bytes & 0xf, mine.strong = strong, mine.count = lanes.count;
    mine.instruction = instruction;
    if (store) {
        for (const Stamp &s : word.reads) {
            if (conflicts(s)) report("race", s.instruction, instruction, space, address, s.thread, thread);
        }
        if (const auto more = more_reads_.find(&word); more != more_reads_.end()) {
            for (const Stamp &s : more->second) {
                if (conflicts(s)) report("race", s.instruction, instruction, space, address, s.thread, thread);
            }
            more_reads_.erase(more);
        }
        // Readers before a write are settled with it; other bytes keep theirs.
        for (Stamp &s : word.reads) {
            s.bytes &= ~bytes;
            if (s.bytes == 0) s = {};
        }
        Stamp &slot = (word.writes[0].bytes & bytes) != 0 || word.writes[0].empty() ? word.writes[0] : word.writes[1];
        slot = mine;
        word.written |= static_cast<u8>(bytes);
        return;
    }
    if ((word.written & bytes) != bytes) {
        report("uninitialised_read", -1, instruction, space, address, thread, thread);
    }
    for (Stamp &s : word.reads) {
        if (s.empty() || (s.bytes == mine.bytes && s.strong == mine.strong && ordered(s, thread, clock))) {
            s = mine;
            return;
        }
        if (s.thread / LANES == thread / LANES && s.bytes == mine.bytes && s.strong == mine.strong &&
            s.count == mine.count) {
            s.all_lanes = 1;
            return;
        }
    }
    auto &more = more_reads_[&word];
    for (Stamp &s : more) {
        if (s.thread / LANES == thread / LANES && s.bytes == mine.bytes) {
            s.all_lanes = 1;
            s.count = mine.count;
            return;
        }
    }
    more.push_back(mine);
}

void Races::touch(Warp &w, const Instruction &i, int lane, u64 address, u32 bytes, Space space, bool store, bool strong) {
    for (u64 at = address; at < address + bytes; at = (at | 3) + 1) {
        Word *word = word_at(w, space, at);
        if (word == nullptr) return;
        const u32 count = static_cast<u32>(std::min<u64>(4 - at % 4, address + bytes - at));
        touch_word(w, i, lane, *word, ((1u << count) - 1) << at % 4, at, space, store, strong);
    }
}

void Races::access(Warp &w, const Instruction &i, u32 mask, const u64 *addresses, u32 bytes, Space space, bool store) {
    if (space == Space::local) return;
    const bool strong = is_strong(i);
    each_lane(mask, [&](int lane) {
        if (strong) synchronise(w, i, lane, addresses[lane], space, !store, store);
        touch(w, i, lane, addresses[lane], bytes, space, store, strong);
    });
}

void Races::atomic(Warp &w, const Instruction &i, u32 mask, const u64 *addresses, u32 bytes, Space space) {
    each_lane(mask, [&](int lane) {
        touch(w, i, lane, addresses[lane], bytes, space, false, true);
        synchronise(w, i, lane, addresses[lane], space, true, true);
        touch(w, i, lane, addresses[lane], bytes, space, true, true);
    });
}

void Races::flight_lands(Warp &w, const Flight &flight) {
    if (flight.barrier >= 0) {
        object_arrives(w, machine_->program.code[static_cast<u32>(flight.instruction)], 1u << flight.lane,
                       static_cast<u32>(flight.barrier));
    }
    if (flight.bytes == 0) return;
    const Instruction &i = machine_->program.code[static_cast<u32>(flight.instruction)];
    touch(w, i, flight.lane, flight.from, flight.filled, Space::global, false, false);
    touch(w, i, flight.lane, flight.to, flight.bytes, Space::shared, true, false);
}

void Races::report(const char *kind, int first, int second, Space space, u64 address, u64 first_thread,
                   u64 second_thread) {
    Finding &f = found_[{kind, first, second}];
    if (f.times++ == 0) f = {kind, first, second, space, address, first_thread, second_thread, 1};
}

}  // namespace simulate
