// Asynchronous copies from global to shared memory, and the objects that wait for them.
//
// A copy is carried out as late as the program allows: when its thread waits for it, or when somebody looks at the object
// that it arrives at; with launch.copies_at_once, when it is issued. So a missing wait shows.
//
// An mbarrier object is laid out as the hardware lays it out, counts as negatives: bits 1 to 20 the arrivals that a phase
// expects, 21 to 42 the bytes still to come, 43 to 62 the arrivals still pending, 63 the phase. An arrival adds one to
// the pending field, whose last carry flips the phase.

#include <algorithm>

#include "forms.h"

namespace simulate {
namespace {

constexpr u64 TWENTY = (1u << 20) - 1, TWENTY_TWO = (1u << 22) - 1;
constexpr int EXPECTED = 1, BYTES = 21, PENDING = 43, PHASE = 63;

u64 field(u64 state, int at, u64 ones) { return state >> at & ones; }
u64 with_field(u64 state, int at, u64 ones, u64 value) { return (state & ~(ones << at)) | (value & ones) << at; }

/// What an object is after its end: more bytes to come than any has.
constexpr u64 ENDED = ~0ull;

/// The object at an address of shared memory, which has been checked.
struct Object {
    u8 *at;
    u64 state() const {
        u64 bits;
        std::memcpy(&bits, at, 8);
        return bits;
    }
    void set(u64 bits) { std::memcpy(at, &bits, 8); }

    void initialise(u64 count) { set(with_field(with_field(0, EXPECTED, TWENTY, 0 - count), PENDING, TWENTY, 0 - count)); }
    /// Ends the phase where nothing is outstanding any more.
    void complete() {
        const u64 bits = state();
        if (field(bits, PENDING, TWENTY) != 0 || field(bits, BYTES, TWENTY_TWO) != 0) return;
        set(with_field(bits ^ 1ull << PHASE, PENDING, TWENTY, field(bits, EXPECTED, TWENTY)));
    }
    void arrive(u64 count) {
        const u64 bits = state();
        set(with_field(bits, PENDING, TWENTY, field(bits, PENDING, TWENTY) + count));
        complete();
    }
    u64 outstanding() const { return (0 - field(state(), PENDING, TWENTY)) & TWENTY; }
    void expect_one_more() {
        const u64 bits = state();
        set(with_field(bits, PENDING, TWENTY, field(bits, PENDING, TWENTY) - 1));
    }
    void expect_fewer(u64 count) {
        const u64 bits = state();
        set(with_field(bits, EXPECTED, TWENTY, field(bits, EXPECTED, TWENTY) + count));
    }
    void add_bytes(u64 bytes) {
        const u64 bits = state();
        set(with_field(bits, BYTES, TWENTY_TWO, field(bits, BYTES, TWENTY_TWO) + bytes));
    }
};

/// sm_80's own layout: the low word 2^30 less the arrivals that a phase expects, the high word the phase in bit 31 above
/// 2^31 less the arrivals still pending.
void arrive_before_90(u8 *at) {
    u32 expected, state;
    std::memcpy(&expected, at, 4);
    std::memcpy(&state, at + 4, 4);
    const bool completes = ((state + 1) ^ state) >> 31;
    state = completes ? ((state + 1) & 0x80000000u) | (expected & 0x3fffffffu) | 0x40000000u : state + 1;
    std::memcpy(at + 4, &state, 4);
}

/// Addresses of the lanes' objects; faults where one is no object in shared memory.
void objects_of(Warp &w, const Instruction &i, u32 mask, i32 row, u64 *addresses) {
    const Space space = addresses_of(w, i, mask, 8, true, row, i.immediate, addresses);
    if (space != Space::shared) w.machine().fault(w, i, "stray_write", "an mbarrier outside of shared memory");
}

Object object_at(Warp &w, u64 address) { return {w.block->shared.data() + address}; }

/// o: address, count.
void initialise(Warp &w, const Instruction &i, u32 mask) {
    u64 addresses[LANES];
    objects_of(w, i, mask, i.o[0], addresses);
    const u32 *count = w.row(i.o[1]);
    each_lane(mask, [&](int lane) {
        if (count[lane] == 0 || count[lane] > TWENTY) {
            w.machine().fault(w, i, "bad_mbarrier", "an mbarrier for " + std::to_string(count[lane]) + " arrivals: 1 to " +
                              std::to_string(TWENTY) + " are possible", lane, addresses[lane]);
        }
        object_at(w, addresses[lane]).initialise(count[lane]);
    });
    w.machine().progress = w.machine().executed;
    for (Observer *o : w.machine().observers) o->access(w, i, mask, addresses, 8, Space::shared, true);
}

/// Whoever comes to an object that has ended comes too late.
void must_live(Warp &w, const Instruction &i, int lane, u64 address) {
    if (object_at(w, address).state() != ENDED) return;
    w.machine().fault(w, i, "bad_mbarrier", "an mbarrier that was made invalid before: is a barrier missing?", lane, address);
}

/// Calls f(lanes, object) for each object that lanes of the mask name, the first lane's first: what they do to one object
/// is told of all of them at once.
template <class Address, class F>
void each_object(u32 mask, const Address *addresses, F &&f) {
    while (mask != 0) {
        const Address object = addresses[std::countr_zero(mask)];
        const u32 lanes = mask & lanes_where([&](int lane) { return addresses[lane] == object; });
        f(lanes, static_cast<u32>(object));
        mask &= ~lanes;
    }
}

/// o: address. Its bytes are free for other use afterwards.
void invalidate(Warp &w, const Instruction &i, u32 mask) {
    u64 addresses[LANES];
    objects_of(w, i, mask, i.o[0], addresses);
    each_lane(mask, [&](int lane) { object_at(w, addresses[lane]).set(ENDED); });
    for (Observer *o : w.machine().observers) o->access(w, i, mask, addresses, 8, Space::shared, true);
}

/// o: address, state before (a pair, -1: none), arrivals (-1: one), bytes to expect (-1: none). Variant 1: the thread
/// will not come again, so that later phases expect fewer. Variant 2: in the layout of sm_80.
void arrive(Warp &w, const Instruction &i, u32 mask) {
    u64 addresses[LANES] = {}, before[LANES] = {};
    objects_of(w, i, mask, i.o[0], addresses);
    each_object(mask, addresses, [&](u32 lanes, u32 object) {
        for (Observer *o : w.machine().observers) o->object_arrives(w, i, lanes, object);
    });
    if (i.variant == 2) {
        each_lane(mask, [&](int lane) {
            std::memcpy(&before[lane], object_at(w, addresses[lane]).at, 8);
            arrive_before_90(object_at(w, addresses[lane]).at);
        });
        if (i.o[1] >= 0) write_pair(w.row(i.o[1]), mask, [&](int lane) { return before[lane]; });
        return;
    }
    each_lane(mask, [&](int lane) {
        must_live(w, i, lane, addresses[lane]);
        Object object = object_at(w, addresses[lane]);
        const u64 count = i.o[2] < 0 ? 1 : w.row(i.o[2])[lane];
        const u64 outstanding = object.outstanding();
        if (count > outstanding) {
            w.machine().fault(w, i, "bad_mbarrier", std::to_string(count) + " arrivals where the phase expects " +
                              std::to_string(outstanding) + " more (is the mbarrier initialised?)", lane, addresses[lane]);
        }
        if (i.o[3] >= 0) object.add_bytes(w.row(i.o[3])[lane]);
        before[lane] = object.state();
        if (i.variant == 1) object.expect_fewer(count);
        object.arrive(count);
    });
    w.machine().progress = w.machine().executed;
    if (i.o[1] >= 0) write_pair(w.row(i.o[1]), mask, [&](int lane) { return before[lane]; });
}

/// o: address, -, -, bytes. More bytes to wait for, or (variant 1) bytes that have come.
void transaction(Warp &w, const Instruction &i, u32 mask) {
    u64 addresses[LANES];
    objects_of(w, i, mask, i.o[0], addresses);
    each_lane(mask, [&](int lane) {
        Object object = object_at(w, addresses[lane]);
        const u64 bytes = w.row(i.o[3])[lane];
        object.add_bytes(i.variant == 1 ? 0 - bytes : bytes);
        if (i.variant == 1) object.complete();
    });
}

/// o: address, predicate, state of an earlier arrival (a pair) or, with variant 1, the phase's parity (a row). Holds
/// where that phase is over.
void test(Warp &w, const Instruction &i, u32 mask) {
    u64 addresses[LANES] = {};
    objects_of(w, i, mask, i.o[0], addresses);
    const u32 *phase = w.row(i.variant == 1 ? i.o[2] : i.o[2] + LANES);
    u32 over = 0;
    each_lane(mask, [&](int lane) { must_live(w, i, lane, addresses[lane]); });
    const auto look = [&] {
        over = 0;
        each_lane(mask, [&](int lane) {
            const u32 parity = i.variant == 1 ? phase[lane] & 1 : phase[lane] >> 31;
            const u32 now = static_cast<u32>(object_at(w, addresses[lane]).state() >> PHASE);
            over |= static_cast<u32>(now != parity) << lane;
        });
    };
    look();
    if (over != mask) {
        each_object(mask & ~over, addresses, [&](u32, u32 object) { land_arrivals(*w.block, object); });
        look();
    }
    each_object(over, addresses, [&](u32 lanes, u32 object) {
        for (Observer *o : w.machine().observers) o->object_passed(w, i, lanes, object);
    });
    w.waits_for_others = over != mask;
    write_mask(w.predicate(i.o[1]), mask, over);
}

/// Sectors read and passes over the banks, of a copy by these lanes.
void count_copy(Machine &machine, Warp &w, const Instruction &i, u32 mask, const u64 *from, const u64 *to, u32 bytes) {
    Count &count = machine.count_of(i);
    const int lead = std::countr_zero(mask);
    const u64 ideal = count.wavefronts_ideal + (static_cast<u64>(std::popcount(mask)) * bytes + 127) / 128;
    alignas(64) u32 offsets[LANES] = {};
    each_lane(mask, [&](int lane) { offsets[lane] = static_cast<u32>(to[lane] - to[lead]); });
    Footprint &target = machine.footprints_of(i, true).find(offsets, mask, to[lead] & 3, Space::shared, bytes);
    count_footprint(count, target, to[lead], bytes);
    count.wavefronts_ideal = ideal;
    const auto [low, high] = span_of(mask, from);
    if (machine.caches != nullptr || high - low >= 1ull << 31) {
        return count_sectors(machine, w, i, Space::global, mask, from, bytes, false);
    }
    each_lane(mask, [&](int lane) { offsets[lane] = static_cast<u32>(from[lane] - from[lead]); });
    Footprint &source = machine.footprints_of(i).find(offsets, mask, from[lead] & 127, Space::global, bytes);
    count_footprint(count, source, from[lead], bytes);
}

/// Where the copies of a flight come from. `reads`: lanes that copy anything; `bounds`: bytes that lie in a buffer for sure.
void find_sources(Warp &w, const Instruction &i, Flight &flight, u32 reads, u32 bounds) {
    Machine &machine = w.machine();
    Instruction source = i;
    source.space = Space::global;
    source.address_rows = 2;
    source.base = i.o[5];
    u64 *from = flight.from;
    // Alignment is that of the whole copy, bounds are those of what is read.
    addresses_of(w, source, reads, bounds, false, i.o[1], i.immediate >> 32, from);
    const auto [low, high] = span_of(reads, from);
    const u8 *all = machine.resolve(low, high + flight.bytes - low, false);
    if (all != nullptr && bounds == flight.bytes) {
        const u64 shift = reinterpret_cast<u64>(all) - low;
        each_lane(reads, [&](int lane) { flight.host[lane] = reinterpret_cast<const u8 *>(from[lane] + shift); });
        return;
    }
    each_lane(reads, [&](int lane) {
        if (from[lane] & (flight.bytes - 1)) machine.fault(w, i, "misaligned", "an asynchronous copy", lane, from[lane]);
        flight.host[lane] = all != nullptr ? all + from[lane] - low : machine.resolve(from[lane], flight.filled[lane], false);
        if (flight.host[lane] == nullptr) {
            machine.fault(w, i, "stray_read", "an asynchronous copy reads behind the end of a buffer", lane, from[lane]);
        }
    });
}

/// Each lane's copy lands before the next lane's begins.
void copy_at_once(Warp &w, Flight &flight) {
    each_lane(flight.mask, [&](int lane) {
        mark_in_flight(*w.block, flight, 1u << lane, 1);
        for (Observer *o : w.machine().observers) o->flight_starts(w, flight, 1u << lane);
        land_lanes(w, flight, 1u << lane);
    });
    w.flights.drop_last();
}

/// o: shared address, global address, bytes to copy (-1: all), predicate that lets nothing be copied (-1: none). The low
/// half of the immediate is added to the shared address, the high half to the global one. What is not copied is zero.
void copy(Warp &w, const Instruction &i, u32 mask) {
    alignas(64) u64 to[LANES];
    const u32 bytes = i.bytes * i.elements;
    Instruction target = i;
    target.space = i.space == Space::global ? Space::shared : i.space;
    target.address_rows = i.variant == 1 ? 2 : 1;
    target.base = i.o[4];
    if (addresses_of(w, target, mask, bytes, true, i.o[0], static_cast<i32>(i.immediate), to) != Space::shared) {
        w.machine().fault(w, i, "stray_write", "an asynchronous copy to elsewhere than shared memory");
    }
    Machine &machine = w.machine();
    Count &count = machine.count_of(i);
    Flight &flight = w.flights.add(false);
    flight.instruction = i.index, flight.mask = mask, flight.bytes = bytes;
    each_lane(FULL, [&](int lane) { flight.to[lane] = static_cast<u32>(to[lane]); });
    std::copy_n(w.group, LANES, flight.group);
    std::fill_n(flight.filled, LANES, static_cast<u8>(bytes));
    const u32 ignored = i.o[3] >= 0 ? (w.predicate(i.o[3]) & i.keep[3]) ^ i.flip[3] : 0;
    flight.whole = i.o[2] < 0 && (ignored & mask) == 0;
    u32 reads = mask, least = bytes, sum = bytes * static_cast<u32>(std::popcount(mask));
    if (!flight.whole) {
        reads = sum = 0;
        each_lane(mask, [&](int lane) {
            u32 filled = i.o[2] < 0 ? bytes : std::min(w.row(i.o[2])[lane], bytes);
            if (ignored >> lane & 1) filled = 0;
            flight.filled[lane] = static_cast<u8>(filled), sum += filled;
            reads |= static_cast<u32>(filled != 0) << lane;
            if (filled != 0) least = std::min(least, filled);
        });
        flight.whole = reads == mask && least == bytes;
    }
    ++count.requests;
    count.bytes += sum;
    if (reads != 0) {
        find_sources(w, i, flight, reads, least == bytes ? bytes : 1);
        count_copy(machine, w, i, reads, flight.from, to, bytes);
        for (Observer *o : machine.observers) o->access(w, i, reads, flight.from, bytes, Space::global, false);
    }
    if (machine.launch.copies_at_once) return copy_at_once(w, flight);
    mark_in_flight(*w.block, flight, mask, 1);
    for (u32 rest = reads; rest != 0; rest &= rest - 1) __builtin_prefetch(flight.host[std::countr_zero(rest)]);
    for (Observer *o : machine.observers) o->flight_starts(w, flight, mask);
}

void commit(Warp &w, const Instruction &, u32 mask) {
    each_lane(mask, [&](int lane) { ++w.group[lane]; });
}

/// All but the last `immediate` groups of each lane have landed afterwards.
void wait_group(Warp &w, const Instruction &i, u32 mask) {
    land(w, [&](const Flight &flight) {
        if (flight.bytes == 0) return 0u;
        const u64 left = static_cast<u64>(i.immediate);
        return mask & lanes_where([&](int lane) { return flight.group[lane] + left < w.group[lane]; });
    });
}

void wait_all(Warp &w, const Instruction &, u32 mask) {
    land(w, [&](const Flight &flight) { return flight.bytes == 0 ? 0 : mask; });
}

/// o: address. An arrival at the object once every copy that its lane has issued so far has landed. Variant 1: the
/// phase counts on it already; 0: it is one arrival more; 2: as 1, in the layout of sm_80; 3: one byte that was expected.
void arrive_after_copies(Warp &w, const Instruction &i, u32 mask) {
    u64 addresses[LANES];
    objects_of(w, i, mask, i.o[0], addresses);
    Flight &flight = w.flights.add(true);
    flight.instruction = i.index, flight.mask = mask, flight.bytes = 0;
    for (int lane = 0; lane < LANES; ++lane) flight.to[lane] = static_cast<u32>(addresses[lane]);
    const bool at_once = w.machine().launch.copies_at_once;
    each_lane(mask, [&](int lane) {
        if (i.variant == 0) object_at(w, addresses[lane]).expect_one_more();
        if (at_once) land_lanes(w, flight, 1u << lane);
    });
    if (at_once) w.flights.drop_last();
}

RegisterForm async_forms[] = {
    {"mbarrier.init", initialise},
    {"mbarrier.inval", invalidate},
    {"mbarrier.arrive", arrive},
    {"mbarrier.transaction", transaction},
    {"mbarrier.test", test},
    {"cp.async", copy},
    {"cp.async.commit", commit},
    {"cp.async.wait_group", wait_group},
    {"cp.async.wait_all", wait_all},
    {"cp.async.mbarrier.arrive", arrive_after_copies},
};

}  // namespace

/// They, and all that their lanes issued before them.
void land_arrivals(Block &block, u32 address) {
    for (Warp &w : block.warps) {
        alignas(64) u32 last[LANES] = {};  // one behind the last flight of each lane that has to land
        u32 end = 0;
        w.flights.each_arrival([&](u32 place, const Flight &flight) {
            const u32 due = flight.mask & lanes_where([&](int lane) { return flight.to[lane] == address; });
            if (due == 0) return;
            end = place + 1;
            each_lane(due, [&](int lane) { last[lane] = end; });
        });
        u32 k = 0;
        const auto due = [&](const Flight &) {
            const u32 place = k++;
            return lanes_where([&](int lane) { return place < last[lane]; });
        };
        if (end != 0) land(w, due, end);
    }
}

namespace {

/// Arrivals of lanes at one object.
void arrive_together(Warp &w, const Instruction &i, u32 lanes, u32 address) {
    for (Observer *o : w.machine().observers) o->object_arrives(w, i, lanes, address);
    Object object = object_at(w, address);
    const u32 count = static_cast<u32>(std::popcount(lanes));
    if (i.variant != 2 && i.variant != 3 && count <= object.outstanding()) return object.arrive(count);
    for (u32 k = 0; k < count; ++k) {
        if (i.variant == 2) {
            arrive_before_90(object.at);
        } else if (i.variant == 3) {
            object.add_bytes(FULL);  // one byte less, in 22 bits
            object.complete();
        } else {
            object.arrive(1);
        }
    }
}

}  // namespace

void arrive_at(Warp &w, const Flight &flight, u32 lanes) {
    const Instruction &i = w.machine().program.code[static_cast<u32>(flight.instruction)];
    each_object(lanes, flight.to, [&](u32 those, u32 object) { arrive_together(w, i, those, object); });
}

}  // namespace simulate
