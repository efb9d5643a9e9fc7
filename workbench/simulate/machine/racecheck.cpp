#include "racecheck.h"

#include <algorithm>
#include <bit>
#include <new>
#include <utility>

namespace simulate {

namespace {

bool acquires(const Instruction &i) { return i.order == Order::acquire || i.order == Order::acquire_release; }
bool releases(const Instruction &i) { return i.order == Order::release || i.order == Order::acquire_release; }

u32 reach_of(const Instruction &i) {
    return i.order == Order::weak ? 0 : i.scope == Scope::block ? 1 : 2;
}

}  // namespace

Racecheck::Quads::Quads(u64 count) : quads(static_cast<Quad *>(std::calloc(count + 1, sizeof(Quad)))) {
    if (quads == nullptr) throw std::bad_alloc();
}

void Racecheck::start(Machine &machine) {
    machine_ = &machine;
    regions_.clear(), blocks_.clear(), released_.clear(), free_reads_.clear();
    more_reads_.assign(1, {});
    words_.resize(1), free_words_.clear();
    last_block_ = ~0ull;
    recent_ = 0;
    asked_ = nullptr;
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

void Racecheck::block_starts(Block &block) {
    last_block_ = ~0ull;
    BlockState &state = state_of(block);
    state.shared.resize((block.shared.size() + 15) / 16);
    state.warps.resize(block.warps.size());
    const auto nothing = std::make_shared<const Clock>();
    for (Lanes &lanes : state.warps) std::fill_n(lanes.clock, LANES, nothing);
}

void Racecheck::block_ends(Block &block) {
    for (Quad &quad : state_of(block).shared) {
        if (quad.apart == 0) continue;
        for (Word &word : words_[quad.apart]) forget_reads(word);
        free_words_.push_back(quad.apart);
    }
    blocks_.erase(block.index);
    last_block_ = ~0ull;
}

// ------------------------------------------------------------------------------------------------ order

ClockRef Racecheck::snapshot(Warp &w, int lane) {
    Lanes &lanes = lanes_of(w);
    auto made = std::make_shared<Clock>(*lanes.clock[lane]);
    made->threads.raise(thread_of(w, lane), lanes.count);
    return made;
}

void Racecheck::acquire(Warp &w, int lane, const ClockRef &clock) {
    if (clock == nullptr) return;
    asked_ = nullptr;
    ClockRef &mine = lanes_of(w).clock[lane];
    mine = joined(mine, clock);
}

/// What a strong access orders: a release publishes the lane's clock, an acquire takes what was published; relaxed
/// ones do either only together with a fence before or behind them. What only the block may see stays with it.
void Racecheck::synchronise(Warp &w, const Instruction &i, int lane, u64 address, Space space, bool reads, bool writes) {
    Lanes &lanes = lanes_of(w);
    const bool far = space != Space::shared && reach_of(i) == 2;
    ClockRef &near = state_of(*w.block).objects[address];
    ClockRef *published = far ? &released_[address] : nullptr;
    if (reads) {
        for (const ClockRef &object : {near, far ? *published : nullptr}) {
            if (object == nullptr) continue;
            if (acquires(i)) {
                acquire(w, lane, object);
            } else {
                lanes.seen_relaxed[lane] = joined(lanes.seen_relaxed[lane], object);
            }
        }
    }
    if (!writes) return;
    const ClockRef own = releases(i) ? snapshot(w, lane) : nullptr;
    // A read-modify-write goes on with what the operation before it released; a plain store ends that.
    const ClockRef to_block = own != nullptr ? own : lanes.released_by_fence[lane][0];
    near = reads ? joined(near, to_block) : to_block;
    if (far) {
        const ClockRef to_all = own != nullptr ? own : lanes.released_by_fence[lane][1];
        *published = reads ? joined(*published, to_all) : to_all;
    }
    if (releases(i)) ++lanes.count;
}

void Racecheck::fence(Warp &w, const Instruction &i, u32 mask) {
    Lanes &lanes = lanes_of(w);
    each_lane(mask, [&](int lane) {
        if (lanes.seen_relaxed[lane] != nullptr) acquire(w, lane, lanes.seen_relaxed[lane]);
        const ClockRef now = snapshot(w, lane);
        lanes.released_by_fence[lane][0] = now;
        if (i.scope > Scope::block) lanes.released_by_fence[lane][1] = now;
    });
    ++lanes.count;
}

void Racecheck::warp_synced(Warp &w, const Instruction &i, u32 mask) {
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
    asked_ = nullptr;
}

void Racecheck::barrier_arrives(Warp &w, const Instruction &i, u32 mask, int barrier) {
    Lanes &lanes = lanes_of(w);
    ClockRef &gathering = state_of(*w.block).gathering[barrier];
    auto made = std::make_shared<Clock>();
    const Clock *last = nullptr;
    each_lane(mask, [&](int lane) {
        if (lanes.clock[lane].get() != last) made->join(*lanes.clock[lane]);
        last = lanes.clock[lane].get();
    });
    // Lanes that wait already touch nothing: once the last arrives, all that the warp did came before.
    const bool waits = i.immediate == 0;
    if (waits) lanes.arrived |= mask;
    if ((waits ? lanes.arrived : mask) == w.alive) {
        made->warps.raise(w.global_index, lanes.count);
    } else {
        each_lane(mask, [&](int lane) { made->threads.raise(thread_of(w, lane), lanes.count); });
    }
    gathering = joined(gathering, made);
    ++lanes.count;
}

void Racecheck::barrier_opens(Block &block, int barrier) {
    BlockState &state = state_of(block);
    state.open[barrier] = std::exchange(state.gathering[barrier], nullptr);
    asked_ = nullptr;
}

void Racecheck::barrier_leaves(Warp &w, u32 mask, int barrier) {
    Lanes &lanes = lanes_of(w);
    const ClockRef &open = state_of(*w.block).open[barrier];
    lanes.arrived &= ~mask;
    each_lane(mask, [&](int lane) { lanes.clock[lane] = open; });
}

void Racecheck::object_arrives(Warp &w, const Instruction &i, u32 mask, u32 address) {
    ClockRef &object = state_of(*w.block).objects[address];
    each_lane(mask, [&](int lane) {
        touch({w, i, lanes_of(w), lane, Space::shared, false, 1}, address, 8);
        object = joined(object, snapshot(w, lane));
    });
    ++lanes_of(w).count;
}

void Racecheck::object_passed(Warp &w, const Instruction &i, u32 mask, u32 address) {
    const ClockRef object = state_of(*w.block).objects[address];
    each_lane(mask, [&](int lane) {
        touch({w, i, lanes_of(w), lane, Space::shared, false, 1}, address, 8);
        acquire(w, lane, object);
    });
}

// ------------------------------------------------------------------------------------------------ accesses

Racecheck::Region *Racecheck::region_at(u64 address) {
    if (recent_ >= regions_.size() || address < regions_[recent_].first || address >= regions_[recent_].end) {
        const auto after = std::upper_bound(regions_.begin(), regions_.end(), address,
                                            [](u64 value, const Region &r) { return value < r.first; });
        if (after == regions_.begin()) return nullptr;
        recent_ = static_cast<std::size_t>(after - regions_.begin() - 1);
    }
    Region &region = regions_[recent_];
    return address >= region.end ? nullptr : &region;
}

Racecheck::Quad *Racecheck::quad_at(Warp &w, Space space, u64 address, u32 &word) {
    if (space == Space::shared) {
        word = static_cast<u32>(address / 4 % 4);
        return &state_of(*w.block).shared[address / 16];
    }
    Region *region = region_at(address);
    if (region == nullptr || !region->watched) return nullptr;
    const u64 place = address - region->first;
    word = static_cast<u32>(place / 4 % 4);
    return region->quads.quads.get() + place / 16;
}

/// One word of a quad, which is kept word by word from now on.
Racecheck::Word &Racecheck::word_of(Quad &quad, u32 word) {
    if (quad.apart == 0) {
        if (free_words_.empty()) {
            free_words_.push_back(static_cast<u32>(words_.size()));
            words_.emplace_back();
        }
        quad.apart = free_words_.back();
        free_words_.pop_back();
        ++quad.partings;
        std::array<Word, 4> &words = words_[quad.apart] = {};
        const auto of_one = [](Stamp stamp, u32 k) {
            stamp.lanes = 1u << ((stamp.lanes & 31) + (k >> (stamp.lanes >> 8)));
            return stamp;
        };
        for (u32 k = 0; k < 4; ++k) {
            if (!quad.write.empty()) words[k].writes[0] = of_one(quad.write, k);
            if (!quad.read.empty()) words[k].reads[0] = of_one(quad.read, k);
        }
    }
    return words_[quad.apart][word];
}

u32 Racecheck::known(const Clock &clock, u32 warp) {
    if (&clock != asked_ || warp != asked_warp_) {
        asked_ = &clock, asked_warp_ = warp;
        answer_ = clock.warps.of(warp);
    }
    return answer_;
}

bool Racecheck::ordered(const Stamp &s, const Access &a) {
    const u32 own = s.warp == static_cast<u32>(a.w.global_index) ? 1u << a.lane : 0;
    if ((s.lanes & ~own) == 0) return true;
    const Clock &clock = *a.lanes.clock[a.lane];
    if (known(clock, s.warp) >= s.count) return true;
    for (u32 rest = s.lanes & ~own; rest != 0; rest &= rest - 1) {
        if (clock.threads.of(static_cast<u64>(s.warp) * LANES + static_cast<u64>(std::countr_zero(rest))) < s.count) {
            return false;
        }
    }
    return true;
}

/// Whether the value that this lane stores is what is there already, or what the other lane of the instruction stores.
bool Racecheck::same_value(const Access &a, const Stamp &other, u64 address) const {
    const Instruction &i = a.i;
    const u32 bytes = static_cast<u32>(i.bytes) * i.elements;
    if (static_cast<int>(other.instruction) == i.index && other.warp == static_cast<u32>(a.w.global_index)) {
        const int other_lane = std::countr_zero(other.lanes);
        for (int e = 0; e < i.elements; ++e) {
            const u32 *row = a.w.row(i.o[1 + e]);
            if (row[a.lane] != row[other_lane] || (i.bytes == 8 && row[LANES + a.lane] != row[LANES + other_lane])) {
                return false;
            }
        }
        return true;
    }
    const u8 *there = host_address(a.w, a.space, address & ~static_cast<u64>(bytes - 1), bytes, true);
    for (int e = 0; e < i.elements; ++e, there += i.bytes) {
        const u64 mine = i.bytes == 8 ? pair_of(a.w.row(i.o[1 + e]), a.lane) : a.w.row(i.o[1 + e])[a.lane];
        if (std::memcmp(&mine, there, i.bytes) != 0) return false;
    }
    return true;
}

void Racecheck::touch_word(const Access &a, Word &word, u32 bytes, u64 address) {
    // Two strong operations do not race where each is in the other's scope.
    auto conflicts = [&](const Stamp &s) {
        if (s.empty() || (s.bytes & bytes) == 0) return false;
        if (s.reach != 0 && a.reach != 0) {
            const u32 warps = static_cast<u32>(a.w.block->warps.size());
            if ((s.reach == 2 && a.reach == 2) || s.warp / warps == static_cast<u32>(a.w.global_index) / warps) return false;
        }
        return !ordered(s, a);
    };
    for (const Stamp &s : word.writes) {
        if (!conflicts(s)) continue;
        const bool harmless = a.store && a.i.run == simulate::store && same_value(a, s, address);
        report(harmless ? "same_value_race" : "race", s, a, address);
    }
    Stamp mine;
    mine.warp = static_cast<u32>(a.w.global_index), mine.lanes = 1u << a.lane, mine.count = a.lanes.count;
    mine.bytes = bytes & 0xf, mine.reach = a.reach & 0xf;
    mine.instruction = static_cast<u32>(a.i.index) & 0xffffff;
    if (!a.store) {
        // Variant 1 of a load: through the cache of what no kernel writes while it runs.
        if (a.i.run == simulate::load && a.i.variant == 1) {
            for (const Stamp &s : word.writes) {
                if (!s.empty() && (s.bytes & bytes) != 0) report("stale_read", s, a, address);
            }
        }
        return remember_read(a, word, mine);
    }
    for (Stamp &s : word.reads) {
        if (conflicts(s)) report("race", s, a, address);
        // Readers before a write are settled with it; other bytes keep theirs.
        s.bytes = s.bytes & ~bytes & 0xf;
        if (s.bytes == 0) s = {};
    }
    if (word.more != 0) {
        for (const Stamp &s : more_reads_[word.more]) {
            if (conflicts(s)) report("race", s, a, address);
        }
        forget_reads(word);
    }
    Stamp &slot = (word.writes[0].bytes & bytes) != 0 || word.writes[0].empty() ? word.writes[0] : word.writes[1];
    slot = mine;
    Stamp &other = &slot == word.writes ? word.writes[1] : word.writes[0];
    if ((other.bytes & ~bytes & 0xf) == 0) other = {};
}

void Racecheck::forget_reads(Word &word) {
    if (word.more == 0) return;
    more_reads_[word.more].clear();
    free_reads_.push_back(word.more);
    word.more = 0;
}

void Racecheck::remember_read(const Access &a, Word &word, const Stamp &mine) {
    auto joins = [&](Stamp &s) {
        if (s.warp != mine.warp || s.count != mine.count || s.bytes != mine.bytes || s.reach != mine.reach) return false;
        s.lanes |= mine.lanes;
        return true;
    };
    for (Stamp &s : word.reads) {
        if (!s.empty() && joins(s)) return;
        if (s.empty() || (s.bytes == mine.bytes && s.reach == mine.reach && ordered(s, a))) {
            s = mine;
            return;
        }
    }
    if (word.more == 0) {
        if (free_reads_.empty()) {
            free_reads_.push_back(static_cast<u32>(more_reads_.size()));
            more_reads_.emplace_back();
        }
        word.more = free_reads_.back();
        free_reads_.pop_back();
    }
    for (Stamp &s : more_reads_[word.more]) {
        if (joins(s)) return;
    }
    more_reads_[word.more].push_back(mine);
}

/// What touch_word does to each word of a quad, at once, where it stays of one kind and nothing is to be said. False:
/// nothing has happened.
bool Racecheck::touch_together(const Access &a, Quad &quad, const Stamp &mine) {
    const u32 shift = mine.lanes >> 8;
    const auto all_ordered = [&](const Stamp &s) {
        if (s.empty() || (s.warp == mine.warp && s.lanes == mine.lanes)) return true;
        const Clock *last = nullptr;
        u32 last_lane = 0;
        for (u32 k = 0; k < 4; ++k) {
            const u32 lane = static_cast<u32>(a.lane) + (k >> shift), other = (s.lanes & 31) + (k >> (s.lanes >> 8));
            const Clock &clock = *a.lanes.clock[lane];
            if ((&clock == last && other == last_lane) || (s.warp == mine.warp && lane == other)) continue;
            last = &clock, last_lane = other;
            if (known(clock, s.warp) >= s.count) continue;
            if (clock.threads.of(static_cast<u64>(s.warp) * LANES + other) < s.count) return false;
        }
        return true;
    };
    if (!all_ordered(quad.write)) return false;
    if (a.store) {
        if (!all_ordered(quad.read)) return false;
        quad.write = mine, quad.read = {};
        return true;
    }
    if (a.i.run == simulate::load && a.i.variant == 1 && !quad.write.empty()) return false;
    Stamp &read = quad.read;
    if (!read.empty() && read.warp == mine.warp && read.count == mine.count) return read.lanes == mine.lanes;
    if (!all_ordered(read)) return false;
    read = mine;
    return true;
}

/// A weak access to four neighbouring words by as many lanes as it takes, from a.lane on.
void Racecheck::touch_quad(const Access &a, u64 address, u32 words_per_lane) {
    u32 word = 0;
    Quad *quad = quad_at(a.w, a.space, address, word);
    if (quad == nullptr) return;
    Stamp mine;
    mine.warp = static_cast<u32>(a.w.global_index), mine.count = a.lanes.count, mine.bytes = 0xf;
    mine.lanes = static_cast<u32>(a.lane) | static_cast<u32>(std::countr_zero(words_per_lane)) << 8;
    mine.instruction = static_cast<u32>(a.i.index) & 0xffffff;
    if (word == 0 && quad->apart == 0 && touch_together(a, *quad, mine)) return;
    for (u32 k = 0; k < 4; ++k) {
        Access of_lane = a;
        of_lane.lane += static_cast<int>(k / words_per_lane);
        u32 at = 0;
        Quad *its = word == 0 ? quad : quad_at(a.w, a.space, address + 4 * k, at);
        if (its != nullptr) touch_word(of_lane, word_of(*its, word == 0 ? k : at), 0xf, address + 4 * k);
    }
    // A store to all four leaves nothing else behind.
    if (a.store && word == 0 && quad->partings < Quad::MOST_PARTINGS) {
        free_words_.push_back(std::exchange(quad->apart, 0));
        quad->write = mine, quad->read = {};
    }
}

void Racecheck::touch(const Access &a, u64 address, u32 bytes) {
    if (bytes == 16 && a.reach == 0 && address % 4 == 0) return touch_quad(a, address, 4);
    for (u64 at = address; at < address + bytes; at = (at | 3) + 1) {
        u32 word = 0;
        Quad *quad = quad_at(a.w, a.space, at, word);
        if (quad == nullptr) return;
        const u32 count = static_cast<u32>(std::min<u64>(4 - at % 4, address + bytes - at));
        touch_word(a, word_of(*quad, word), ((1u << count) - 1) << at % 4, at);
    }
}

void Racecheck::access(Warp &w, const Instruction &i, u32 mask, const u64 *addresses, u32 bytes, Space space, bool store) {
    if (space == Space::local || space == Space::constant) return;
    const u32 reach = reach_of(i);
    if (reach == 0 && space == Space::global) {
        const auto [low, high] = span_of(mask, addresses);
        const Region *region = region_at(low);
        if (region != nullptr && !region->watched && high + bytes <= region->end) return;
    }
    Lanes &lanes = lanes_of(w);
    if (reach == 0 && (bytes == 4 || bytes == 8)) {
        const u32 together = 16 / bytes;  // lanes to a quad
        for (u32 first = 0; first < LANES; first += together) {
            const u32 group = ((1u << together) - 1) << first;
            bool in_line = (mask & group) == group && addresses[first] % 4 == 0;
            for (u32 k = 1; k < together; ++k) in_line &= addresses[first + k] == addresses[first] + k * bytes;
            if (in_line) {
                touch_quad({w, i, lanes, static_cast<int>(first), space, store, 0}, addresses[first], bytes / 4);
                continue;
            }
            for (u32 rest = mask & group; rest != 0; rest &= rest - 1) {
                const int lane = std::countr_zero(rest);
                touch({w, i, lanes, lane, space, store, 0}, addresses[lane], bytes);
            }
        }
        return;
    }
    each_lane(mask, [&](int lane) {
        if (reach != 0) synchronise(w, i, lane, addresses[lane], space, !store, store);
        touch({w, i, lanes, lane, space, store, reach}, addresses[lane], bytes);
    });
}

void Racecheck::atomic(Warp &w, const Instruction &i, u32 mask, const u64 *addresses, u32 bytes, Space space) {
    Lanes &lanes = lanes_of(w);
    const u32 reach = std::max(1u, reach_of(i));
    each_lane(mask, [&](int lane) {
        touch({w, i, lanes, lane, space, false, reach}, addresses[lane], bytes);
        synchronise(w, i, lane, addresses[lane], space, true, true);
        touch({w, i, lanes, lane, space, true, reach}, addresses[lane], bytes);
    });
}

/// A copy may land at once: then its target must be free already.
void Racecheck::flight_starts(Warp &w, const Flight &flight) { flight_lands(w, flight); }

void Racecheck::flight_lands(Warp &w, const Flight &flight) {
    if (flight.bytes == 0) return;
    const Instruction &i = machine_->program.code[static_cast<u32>(flight.instruction)];
    Lanes &lanes = lanes_of(w);
    touch({w, i, lanes, flight.lane, Space::global, false, 0}, flight.from, flight.filled);
    touch({w, i, lanes, flight.lane, Space::shared, true, 0}, flight.to, flight.bytes);
}

void Racecheck::report(const char *kind, const Stamp &first, const Access &a, u64 address) {
    const u64 thread = static_cast<u64>(first.warp) * LANES + static_cast<u64>(std::countr_zero(first.lanes));
    findings_.add({kind, static_cast<int>(first.instruction), a.i.index, a.space, address, thread, thread_of(a.w, a.lane), 0});
}

}  // namespace simulate
