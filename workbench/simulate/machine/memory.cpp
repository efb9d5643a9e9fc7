// Loads and stores: addresses, bounds, and the bytes themselves.

#include <algorithm>

#include "transfer.h"

namespace simulate {

u8 *Machine::resolve(u64 address, u64 bytes, bool store) {
    auto holds = [&](const Allocation &a) { return address >= a.first && address + bytes <= a.end; };
    if (recent_ >= allocations.size() || !holds(allocations[recent_])) {
        // Sorted by address: the last that begins at or before it.
        const auto after = std::upper_bound(allocations.begin(), allocations.end(), address,
                                            [](u64 value, const Allocation &a) { return value < a.first; });
        if (after == allocations.begin() || !holds(*(after - 1))) return nullptr;
        recent_ = static_cast<u32>(after - allocations.begin() - 1);
    }
    const Allocation &found = allocations[recent_];
    if (store && !found.writable) return nullptr;
    return found.host + (address - found.first);
}

namespace {

/// In words: where an address outside of every allocation lies.
std::string describe(const Machine &machine, u64 address, u32 bytes, bool store) {
    const Allocation *nearest = nullptr;
    u64 distance = ~0ull;
    bool behind = true;
    for (const Allocation &a : machine.allocations) {
        if (address >= a.first && address + bytes <= a.end) return "a store to " + a.name + ", which is an input";
        const u64 d = address >= a.end ? address - a.end : address < a.first ? a.first - address : 0;
        if (d < distance) distance = d, nearest = &a, behind = address >= a.first;
    }
    const char *what = store ? "a store of " : "a load of ";
    std::string text = what + std::to_string(bytes) + " bytes ";
    if (address < 4096) return text + "through a null pointer";
    if (nearest == nullptr || distance > (1ull << 32)) return text + "far from every buffer";
    return text + std::to_string(distance) + (behind ? " bytes behind the end of " : " bytes before the start of ") +
           nearest->name;
}

Space space_of(const Instruction &i, u64 address) {
    if (i.space != Space::generic) return i.space;
    if (address - SHARED_WINDOW < WINDOW_BYTES) return Space::shared;
    if (address - LOCAL_WINDOW < WINDOW_BYTES) return Space::local;
    return Space::global;
}

}  // namespace

namespace {
void finish_late_at(Warp &w, u32 mask, const u64 *addresses, u32 bytes);
}

Space addresses_of(Warp &w, const Instruction &i, u32 mask, u32 bytes, bool store, i32 row, i64 immediate, u64 *out) {
    const bool wide = i.space == Space::global || i.space == Space::generic || i.space == Space::constant;
    if (i.base >= 0) immediate += static_cast<i64>(wide ? pair_of(w.row(i.base), 0) : w.row(i.base)[0]);
    if (row < 0) {
        const u64 address = wide ? static_cast<u64>(immediate) : static_cast<u32>(immediate);
        for (int lane = 0; lane < LANES; ++lane) out[lane] = address;
    } else if (i.address_rows == 2) {
        const u32 *low = w.row(row);
        for (int lane = 0; lane < LANES; ++lane) out[lane] = pair_of(low, lane) + static_cast<u64>(immediate);
    } else if (wide) {
        const u32 *low = w.row(row);
        for (int lane = 0; lane < LANES; ++lane) out[lane] = low[lane] + static_cast<u64>(immediate);
    } else {
        const u32 *low = w.row(row);
        const u32 scale = i.scale, offset = static_cast<u32>(immediate);
        for (int lane = 0; lane < LANES; ++lane) out[lane] = static_cast<u32>((low[lane] << scale) + offset);
    }
    const int first = std::countr_zero(mask);
    const Space space = space_of(i, out[first]);
    if (i.space == Space::generic && space != Space::global) {
        const u64 window = space == Space::shared ? SHARED_WINDOW : LOCAL_WINDOW;
        each_lane(mask, [&](int lane) {
            if (space_of(i, out[lane]) != space) {
                w.machine().fault(w, i, "mixed_spaces", "lanes of one access address different memories; simulate it "
                                  "with qualified pointers", lane, out[lane]);
            }
        });
        for (int lane = 0; lane < LANES; ++lane) out[lane] -= window;
    }

    const auto [low, high] = span_of(mask, out);
    u64 bits = 0;
    each_lane(mask, [&](int lane) { bits |= out[lane]; });
    if (bits & (bytes - 1)) {
        each_lane(mask, [&](int lane) {
            if (out[lane] & (bytes - 1)) {
                w.machine().fault(w, i, "misaligned", std::string(store ? "a store" : "a load") + " of " +
                                  std::to_string(bytes) + " bytes at an address that is no multiple of them", lane,
                                  out[lane]);
            }
        });
    }
    if (w.machine().launch.delays && space == Space::global) {
        finish_late_at(w, mask, out, bytes);
        settle_overlapping(w, mask, out, bytes);
        settle_by_chance(w, 8);
    }
    const u64 limit = space == Space::shared ? w.block->shared.size() : w.machine().program.local_bytes;
    if (space == Space::global || space == Space::constant) {
        if (w.machine().resolve(low, high + bytes - low, store) == nullptr) {
            each_lane(mask, [&](int lane) {
                if (w.machine().resolve(out[lane], bytes, store) == nullptr) {
                    w.machine().fault(w, i, store ? "stray_write" : "stray_read",
                                      describe(w.machine(), out[lane], bytes, store), lane, out[lane]);
                }
            });
        }
    } else if (const u64 least = space == Space::shared ? w.machine().program.reserved_shared : 0;
               high + bytes > limit || low < least) {
        each_lane(mask, [&](int lane) {
            if (out[lane] + bytes > limit || out[lane] < least) {
                const char *name = space == Space::shared ? "shared" : "local";
                w.machine().fault(w, i, store ? "stray_write" : "stray_read",
                                  std::string(store ? "a store" : "a load") + " of " + std::to_string(bytes) + " bytes at " +
                                  std::to_string(out[lane]) + " of " + std::to_string(limit) + " bytes of " + name +
                                  " memory", lane, out[lane]);
            }
        });
    }
    return space;
}

// ---------------------------------------------------------------------------------------- stores that wait

namespace {

/// Stores that a warp, or a block, holds back at most: some then wait for long, and looking through them stays cheap.
constexpr std::size_t MOST_PENDING = 256;

void let_out(Machine &machine, const PendingStore &store) {
    std::memcpy(machine.resolve(store.address, store.bytes, true), store.data, store.bytes);
}

bool overlap(const PendingStore &store, u64 address, u32 bytes) {
    return store.address < address + bytes && address < store.address + store.bytes;
}

}  // namespace

void settle_block_overlapping(Block &block, u64 address, u32 bytes) {
    std::erase_if(block.pending, [&](const PendingStore &store) {
        if (!overlap(store, address, bytes)) return false;
        let_out(*block.machine, store);
        return true;
    });
}

void settle_block(Block &block) {
    if (block.pending.empty()) return;
    for (const PendingStore &store : block.pending) let_out(*block.machine, store);
    block.pending.clear();
}

void settle(Warp &w, u32 mask, Scope scope) {
    finish_late(w);
    if (scope > Scope::block) settle_block(*w.block);
    std::erase_if(w.pending, [&](const PendingStore &store) {
        if (!(mask >> store.lane & 1)) return false;
        if (scope > Scope::block) {
            let_out(w.machine(), store);
        } else {
            w.block->pending.push_back(store);
        }
        return true;
    });
}

void settle_overlapping(Warp &w, u32 mask, const u64 *addresses, u32 bytes) {
    if (!w.block->pending.empty()) {
        each_lane(mask, [&](int lane) { settle_block_overlapping(*w.block, addresses[lane], bytes); });
    }
    std::erase_if(w.pending, [&](const PendingStore &store) {
        if (!(mask >> store.lane & 1) || !overlap(store, addresses[store.lane], bytes)) return false;
        let_out(w.machine(), store);
        return true;
    });
}

namespace {

/// Lets one of the warp's stores out, whichever it is.
void settle_one(Warp &w) {
    const PendingStore chosen = w.pending[w.machine().random() % w.pending.size()];
    u64 addresses[LANES];
    addresses[chosen.lane] = chosen.address;
    // Older ones of the same lane to the same place go first: a location has one order of stores.
    settle_overlapping(w, 1u << chosen.lane, addresses, chosen.bytes);
}

}  // namespace

void settle_by_chance(Warp &w, u32 one_in) {
    std::mt19937_64 &random = w.machine().random;
    std::vector<PendingStore> &of_block = w.block->pending;
    for (bool one = !of_block.empty() && random() % one_in == 0; one; one = of_block.size() > MOST_PENDING) {
        const PendingStore chosen = of_block[random() % of_block.size()];
        settle_block_overlapping(*w.block, chosen.address, chosen.bytes);
    }
    for (bool one = !w.pending.empty() && random() % one_in == 0; one; one = w.pending.size() > MOST_PENDING) settle_one(w);
}

u8 *host_address(Warp &w, Space space, u64 address, u32 bytes, bool store) {
    if (space == Space::shared) return w.block->shared.data() + address;
    return w.machine().resolve(address, bytes, store);
}

void check_in_flight(Warp &w, const Instruction &i, u32 mask, const u64 *addresses, u32 bytes) {
    if (w.block->flights == 0) return;
    each_lane(mask, [&](int lane) {
        for (u64 word = addresses[lane] / 4; word <= (addresses[lane] + bytes - 1) / 4; ++word) {
            if (w.block->in_flight[word]) {
                w.machine().fault(w, i, "copy_in_flight",
                                  "shared memory that an asynchronous copy is still writing: wait for the copy first", lane,
                                  addresses[lane]);
            }
        }
    });
}

namespace {

void transfer_local(Warp &w, const Instruction &i, u32 mask, const u64 *addresses, bool store) {
    each_lane(mask, [&](int lane) {
        for (int e = 0; e < i.elements; ++e) {
            u32 *row = w.row(i.o[1 + e]);
            u8 element[8] = {};
            const u64 at = addresses[lane] + static_cast<u64>(e) * i.bytes;
            if (store) store_element(row, lane, element, i);
            for (u32 k = 0; k < i.bytes; ++k) {
                u8 &byte = w.local[((at + k) / 4 * LANES + static_cast<u64>(lane)) * 4 + (at + k) % 4];
                if (store) byte = element[k]; else element[k] = byte;
            }
            if (!store) load_element(row, lane, element, i);
        }
    });
}

/// Whether chance lets a load wait for who needs it. One that acquires does not, nor one whose registers are not told.
bool may_wait(Machine &machine, const Instruction &i) {
    const bool free = i.order == Order::weak || i.order == Order::relaxed || i.order == Order::is_volatile;
    return free && i.writes != 0 && machine.random() % 2 == 0;
}

void carry_out(Warp &w, const LateLoad &late) {
    const Instruction &i = w.machine().program.code[static_cast<u32>(late.instruction)];
    const u32 bytes = static_cast<u32>(i.bytes) * i.elements;
    settle_overlapping(w, late.mask, late.addresses, bytes);
    each_lane(late.mask, [&](int lane) {
        const u8 *host = w.machine().resolve(late.addresses[lane], bytes, false);
        for (int e = 0; e < i.elements; ++e, host += i.bytes) load_element(w.row(i.o[1 + e]), lane, host, i);
    });
}

/// Carries out, in their order, the late loads that `due` accepts.
template <class F>
void finish_where(Warp &w, F &&due) {
    std::vector<LateLoad> all;
    all.swap(w.late);
    for (const LateLoad &late : all) {
        if (due(late)) {
            carry_out(w, late);
        } else {
            w.late.push_back(late);
        }
    }
}

/// A place's loads stay in the order of the program, and before its later stores.
void finish_late_at(Warp &w, u32 mask, const u64 *addresses, u32 bytes) {
    if (w.late.empty()) return;
    finish_where(w, [&](const LateLoad &late) {
        const Instruction &i = w.machine().program.code[static_cast<u32>(late.instruction)];
        const u32 size = static_cast<u32>(i.bytes) * i.elements;
        bool meets = false;
        each_lane(mask & late.mask, [&](int lane) {
            meets |= late.addresses[lane] < addresses[lane] + bytes && addresses[lane] < late.addresses[lane] + size;
        });
        return meets;
    });
}

template <bool STORE>
void access(Warp &w, const Instruction &i, u32 mask) {
    if (access_quickly<STORE>(w, i, mask)) return;
    alignas(64) u64 addresses[LANES];
    const u32 bytes = static_cast<u32>(i.bytes) * i.elements;
    const Space space = addresses_of(w, i, mask, bytes, STORE, i.o[0], i.immediate, addresses);
    Machine &machine = w.machine();
    Count &count = machine.count_of(i);
    ++count.requests;
    count.bytes += static_cast<u64>(std::popcount(mask)) * bytes;
    if (space == Space::shared) {
        count_wavefronts(count, mask, addresses, bytes);
        check_in_flight(w, i, mask, addresses, bytes);
    } else if (space != Space::constant) {
        count_sectors(machine, w, i, space, mask, addresses, bytes, STORE);
    }
    // Before the bytes move: an observer may compare what is stored with what is there.
    for (Observer *o : machine.observers) o->access(w, i, mask, addresses, bytes, space, STORE);
    if (STORE && i.order >= Order::release && i.order != Order::is_volatile) settle(w, mask, i.scope);
    if (STORE && space != Space::local) machine.progress = machine.executed;
    const bool delays = machine.launch.delays && space == Space::global;
    if (space == Space::local) {
        transfer_local(w, i, mask, addresses, STORE);
    } else if (!STORE && delays && may_wait(machine, i)) {
        LateLoad late{machine.index_of(i), mask, {}};
        std::copy_n(addresses, LANES, late.addresses);
        w.late.push_back(late);
    } else if (STORE && delays) {
        each_lane(mask, [&](int lane) {
            PendingStore pending{lane, bytes, addresses[lane], {}};
            for (int e = 0; e < i.elements; ++e) store_element(w.row(i.o[1 + e]), lane, pending.data + e * i.bytes, i);
            w.pending.push_back(pending);
        });
    } else {
        each_lane(mask, [&](int lane) {
            u8 *host = host_address(w, space, addresses[lane], bytes, STORE);
            for (int e = 0; e < i.elements; ++e, host += i.bytes) {
                STORE ? store_element(w.row(i.o[1 + e]), lane, host, i) : load_element(w.row(i.o[1 + e]), lane, host, i);
            }
        });
    }
}

RegisterForm load_form("load", load);
RegisterForm store_form("store", store);

}  // namespace

void finish_late(Warp &w) {
    if (!w.late.empty()) finish_where(w, [](const LateLoad &) { return true; });
}

void finish_late_for(Warp &w, const Instruction &i) {
    finish_where(w, [&](const LateLoad &late) {
        const Instruction &load = w.machine().program.code[static_cast<u32>(late.instruction)];
        for (int e = 1; e <= load.elements; ++e) {
            for (u32 used = i.reads | i.writes; used != 0; used &= used - 1) {
                if (i.o[std::countr_zero(used)] == load.o[e]) return true;
            }
        }
        return false;
    });
}

void load(Warp &w, const Instruction &i, u32 mask) { access<false>(w, i, mask); }
void store(Warp &w, const Instruction &i, u32 mask) { access<true>(w, i, mask); }

}  // namespace simulate
