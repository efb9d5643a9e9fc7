#include "initcheck.h"

#include <bit>

namespace simulate {

namespace {

template <class F>
void each_offset(const Instruction &i, u32 operands, F &&f) {
    for (; operands != 0; operands &= operands - 1) {
        const int k = std::countr_zero(operands);
        f(i.o[k]);
        if (i.wide >> k & 1) f(i.o[k] + LANES);
    }
}

}  // namespace

void Initcheck::start(Machine &machine) {
    machine_ = &machine;
    blocks_.clear();
    free_.clear();
    last_block_ = ~0ull;
    at_start_.assign(static_cast<std::size_t>(machine.program.file_words), 0);
    touched_.clear();
    for (const Instruction &i : machine.program.code) {
        each_offset(i, i.writes, [&](i32 offset) { at_start_[static_cast<std::size_t>(offset)] = FULL; });
        touched_.push_back(touched_by(i));
    }
}

Initcheck::Touched Initcheck::touched_by(const Instruction &i) {
    const bool memory = i.values == Values::load || i.values == Values::store || i.values == Values::atomic;
    const bool always = i.values == Values::always || i.values == Values::shuffle;
    Touched made;
    const auto add = [&](i32 offset) {
        if (made.all < Touched::MOST) made.at[made.all] = offset;
        ++made.all;
    };
    if (i.guard >= 0) add(i.guard);
    each_offset(i, always ? 0 : memory ? i.reads & 1 : i.reads, add);
    made.reads = made.all;
    if (i.values != Values::store) each_offset(i, i.writes, add);
    return made;
}

void Initcheck::block_starts(Block &block) {
    last_block_ = ~0ull;
    BlockState &state = state_of(block);
    if (!free_.empty()) {
        state.warps = std::move(free_.back());
        free_.pop_back();
    }
    state.warps.resize(block.warps.size());
    state.shared.assign(block.shared.size(), 1);
    for (Warp &w : block.warps) {
        WarpState &own = state.warps[w.index];
        own.undefined = at_start_;
        own.origin.assign(at_start_.size(), -1);
        own.local.assign(static_cast<std::size_t>(machine_->program.local_bytes) * LANES, 1);
        w.undefined = own.undefined.data();
    }
}

void Initcheck::block_ends(Block &block) {
    free_.push_back(std::move(state_of(block).warps));
    blocks_.erase(block.index);
    last_block_ = ~0ull;
}

u32 Initcheck::undefined_in(const Warp &w, const Instruction &i, u32 operands) const {
    u32 found = 0;
    each_offset(i, operands, [&](i32 offset) { found |= w.undefined[offset]; });
    return found;
}

i32 Initcheck::origin_of(Warp &w, const Instruction &i, u32 operands, u32 lanes) {
    i32 origin = -1;
    const WarpState &state = state_of(w);
    each_offset(i, operands, [&](i32 offset) {
        if (w.undefined[offset] & lanes) origin = state.origin[static_cast<std::size_t>(offset)];
    });
    return origin;
}

void Initcheck::set(Warp &w, const Instruction &i, u32 mask, u32 undefined, i32 origin) {
    undefined &= mask;
    each_offset(i, i.writes, [&](i32 offset) { w.undefined[offset] = (w.undefined[offset] & ~mask) | undefined; });
    if (undefined == 0) return;
    WarpState &state = state_of(w);
    each_offset(i, i.writes, [&](i32 offset) { state.origin[static_cast<std::size_t>(offset)] = origin; });
}

/// Says so once: what follows from the value afterwards is the same fault.
void Initcheck::divided_by_zero(Warp &w, const Instruction &i, u32 lanes) {
    const u64 thread = thread_of(w, std::countr_zero(lanes));
    findings_.add({"division_by_zero", -1, i.index, Space::global, 0, thread, thread, 0});
}

void Initcheck::report(Warp &w, const Instruction &i, const char *kind, u32 operands, u32 lanes, Space space,
                       u64 address) {
    const u64 thread = thread_of(w, std::countr_zero(lanes));
    findings_.add({kind, origin_of(w, i, operands, lanes), i.index, space, address, thread, thread, 0});
    each_offset(i, operands, [&](i32 offset) { w.undefined[offset] &= ~lanes; });
}

/// Nearly always everything has a value, and so has what comes of it.
void Initcheck::values(Warp &w, const Instruction &i, u32 on, u32 split) {
    const Touched &touched = touched_[static_cast<u32>(i.index)];
    if (touched.all > Touched::MOST) return follow(w, i, on, split);
    u32 k = 0, undefined = 0;
    for (; k < touched.reads; ++k) undefined |= w.undefined[touched.at[k]];
    if (undefined != 0) return follow(w, i, on, split);
    for (; k < touched.all; ++k) w.undefined[touched.at[k]] &= ~on;
}

void Initcheck::follow(Warp &w, const Instruction &i, u32 on, u32 split) {
    if (i.guard >= 0 && (w.undefined[i.guard] & split) != 0) {
        const u32 lanes = w.undefined[i.guard] & split;
        const u64 thread = thread_of(w, std::countr_zero(lanes));
        findings_.add({"uninitialised_branch", state_of(w).origin[static_cast<std::size_t>(i.guard)], i.index,
                       Space::generic, 0, thread, thread, 0});
        w.undefined[i.guard] &= ~lanes;
    }
    if (on == 0 || (i.reads | i.writes) == 0) return;
    const bool memory = i.values == Values::load || i.values == Values::store || i.values == Values::atomic;
    if (memory) {
        if (i.reads & 1) {
            const u32 lost = undefined_in(w, i, 1) & on;
            if (lost != 0) report(w, i, "uninitialised_address", 1, lost, i.space, 0);
        }
        if (i.values != Values::store) set(w, i, on, 0, -1);
        return;
    }
    if (i.values == Values::always || i.values == Values::shuffle) return set(w, i, on, 0, -1);
    u32 undefined = undefined_in(w, i, i.reads);
    if (undefined == 0) return set(w, i, on, 0, -1);
    const i32 origin = origin_of(w, i, i.reads, on);
    if (i.values == Values::select) {
        const u32 first = undefined_in(w, i, i.reads & 2), second = undefined_in(w, i, i.reads & 4);
        const u32 chosen = w.predicate(i.o[3]);
        undefined = (first & chosen) | (second & ~chosen) | undefined_in(w, i, i.reads & 8);
    } else if (i.values == Values::collective) {
        undefined = undefined & on ? FULL : 0;
    }
    set(w, i, on, undefined, origin);
}

void Initcheck::shuffled(Warp &w, const Instruction &i, u32 mask, const u32 *from) {
    const u32 source = i.reads & 2 ? w.undefined[i.o[1]] : 0;
    u32 undefined = 0;
    each_lane(mask, [&](int lane) {
        undefined |= static_cast<u32>(!(mask >> from[lane] & 1) || (source >> from[lane] & 1)) << lane;
    });
    if (!(i.writes & 1)) return;
    const bool inherited = (undefined & source) != 0;
    w.undefined[i.o[0]] = (w.undefined[i.o[0]] & ~mask) | undefined;
    if (undefined != 0) {
        auto &origins = state_of(w).origin;
        const i32 before = i.reads & 2 ? origins[static_cast<std::size_t>(i.o[1])] : -1;
        origins[static_cast<std::size_t>(i.o[0])] = inherited && before >= 0 ? before : i.index;
    }
}

u8 *Initcheck::bytes_at(Warp &w, Space space, int lane, u64 address) {
    BlockState &state = state_of(*w.block);
    if (space == Space::shared) return state.shared.data() + address;
    if (space == Space::local) {
        return state.warps[w.index].local.data() + static_cast<u64>(lane) * machine_->program.local_bytes + address;
    }
    const auto &all = machine_->allocations;
    const auto after = std::upper_bound(all.begin(), all.end(), address,
                                        [](u64 value, const Allocation &a) { return value < a.first; });
    if (after == all.begin()) return nullptr;
    const Allocation &found = *(after - 1);
    return found.undefined == nullptr ? nullptr : found.undefined + (address - found.first);
}

bool Initcheck::bytes_of(Warp &w, Space space, u64 low, u64 end, u8 *&bytes) {
    if (space == Space::local) return false;
    if (space == Space::shared) {
        bytes = state_of(*w.block).shared.data() + low;
        return true;
    }
    const auto &all = machine_->allocations;
    const auto after = std::upper_bound(all.begin(), all.end(), low,
                                        [](u64 value, const Allocation &a) { return value < a.first; });
    if (after == all.begin() || end > (after - 1)->end) return false;
    const Allocation &found = *(after - 1);
    bytes = found.undefined == nullptr ? nullptr : found.undefined + (low - found.first);
    return true;
}

/// An access that brings nothing without a value along and meets nothing without one, as nearly all are. False: it may.
bool Initcheck::access_plainly(Warp &w, u32 mask, const u64 *addresses, u32 bytes, Space space, bool store) {
    const auto [low, high] = span_of(mask, addresses);
    const u64 length = high + bytes - low;
    u8 *known = nullptr;
    if (!bytes_of(w, space, low, high + bytes, known)) return false;
    if (known == nullptr) return true;
    if (!store) return length <= 4096 && std::memchr(known, 1, length) == nullptr;
    u64 off_line = ~mask;
    for (u64 lane = 0; lane < LANES; ++lane) off_line |= addresses[lane] ^ (low + lane * bytes);
    if (off_line == 0) {
        std::memset(known, 0, length);
    } else {
        each_lane(mask, [&](int lane) { std::memset(known + (addresses[lane] - low), 0, bytes); });
    }
    return true;
}

void Initcheck::access(Warp &w, const Instruction &i, u32 mask, const u64 *addresses, u32 bytes, Space space, bool store) {
    const u32 each = i.values == Values::load || i.values == Values::store ? i.bytes : bytes;
    if (store) {
        const u32 told = i.values == Values::store ? i.reads & ~1u : 0;
        const u32 lost = told == 0 ? 0 : undefined_in(w, i, told) & mask;
        if (lost == 0 && access_plainly(w, mask, addresses, bytes, space, true)) return;
        if (lost != 0 && space == Space::global) {
            report(w, i, "uninitialised_store", told, lost, space, addresses[std::countr_zero(lost)]);
        }
        each_lane(mask, [&](int lane) {
            u8 *at = bytes_at(w, space, lane, addresses[lane]);
            if (at == nullptr) return;
            for (u32 e = 0; e * each < bytes; ++e) {
                const u32 lost = told >> (e + 1) & 1 ? undefined_in(w, i, 1u << (e + 1)) >> lane & 1 : 0;
                std::memset(at + e * each, static_cast<int>(lost), each);
            }
        });
        return;
    }
    if (i.values != Values::load || access_plainly(w, mask, addresses, bytes, space, false)) return;
    for (u32 e = 0; e * each < bytes; ++e) {
        u32 lost = 0;
        each_lane(mask, [&](int lane) {
            const u8 *at = bytes_at(w, space, lane, addresses[lane]);
            if (at != nullptr && std::memchr(at + e * each, 1, each) != nullptr) lost |= 1u << lane;
        });
        const u32 operand = 1u << (e + 1);
        if (lost == 0 || !(i.writes & operand)) continue;
        WarpState &state = state_of(w);
        each_offset(i, operand, [&](i32 offset) {
            w.undefined[offset] |= lost;
            state.origin[static_cast<std::size_t>(offset)] = i.index;
        });
    }
}

void Initcheck::atomic(Warp &w, const Instruction &i, u32 mask, const u64 *addresses, u32 bytes, Space space) {
    if (const u32 told = i.reads & ~1u; told != 0) {
        if (const u32 lost = undefined_in(w, i, told) & mask; lost != 0) {
            report(w, i, "uninitialised_store", told, lost, space, addresses[std::countr_zero(lost)]);
        }
    }
    each_lane(mask, [&](int lane) {
        u8 *at = bytes_at(w, space, lane, addresses[lane]);
        if (at == nullptr || std::memchr(at, 1, bytes) == nullptr) return;
        const u64 thread = thread_of(w, lane);
        findings_.add({"uninitialised_atomic", -1, i.index, space, addresses[lane], thread, thread, 0});
        std::memset(at, 0, bytes);
    });
}

void Initcheck::flight_lands(Warp &w, const Flight &flight, u32 lanes) {
    u8 *shared = state_of(*w.block).shared.data();
    if (flight.whole) {
        // Nearly always an input, which has values.
        const auto [low, high] = span_of(lanes, flight.from);
        u8 *known = nullptr;
        if (bytes_of(w, Space::global, low, high + flight.bytes, known) && known == nullptr) {
            for (u32 rest = lanes; rest != 0; rest &= rest - 1) {
                u8 *to = shared + flight.to[std::countr_zero(rest)];
                flight.bytes == 16 ? std::memset(to, 0, 16) : std::memset(to, 0, flight.bytes);
            }
            return;
        }
    }
    for (u32 rest = lanes; rest != 0; rest &= rest - 1) {
        const int lane = std::countr_zero(rest);
        u8 *to = shared + flight.to[lane];
        std::memset(to, 0, flight.bytes);
        const u8 *from = flight.filled[lane] == 0 ? nullptr : bytes_at(w, Space::global, 0, flight.from[lane]);
        if (from != nullptr) std::memcpy(to, from, flight.filled[lane]);
    }
}

}  // namespace simulate
