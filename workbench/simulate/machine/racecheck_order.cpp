// What a lane knows to have happened before it, and how it learns: barriers, mbarriers, fences and strong accesses.

#include "racecheck.h"

namespace simulate {

namespace {

bool acquires(const Instruction &i) { return i.order == Order::acquire || i.order == Order::acquire_release; }
bool releases(const Instruction &i) { return i.order == Order::release || i.order == Order::acquire_release; }

u32 number_of(const Warp &w) { return static_cast<u32>(w.global_index); }

/// The lanes' clocks joined, and what they did themselves: all of the warp, or these lanes alone.
ClockRef together(const Warp &w, const LaneClocks &clocks, u32 lanes, bool whole_warp, u32 count) {
    ClockRef all;
    clocks.each_run(lanes, [&](u32, const ClockRef &clock) { all = joined(all, clock); });
    Clock &own = all.own();
    if (whole_warp) {
        own.raise(number_of(w), count);
    } else {
        each_lane(lanes, [&](int lane) { own.raise_lane(number_of(w), static_cast<u32>(lane), count); });
    }
    return all;
}

}  // namespace

ClockRef Racecheck::snapshot(const Warp &w, const ClockRef &past, int lane, u32 count) {
    ClockRef made = past;
    made.own().raise_lane(number_of(w), static_cast<u32>(lane), count);
    return made;
}

const ClockRef &Racecheck::published(const Warp &w, Publication &publication, int lane) {
    if (publication.past && !publication.whole) {
        publication.whole = snapshot(w, publication.past, lane, publication.count);
    }
    return publication.whole;
}

void Racecheck::acquire(Lanes &lanes, u32 mask, const ClockRef &clock) {
    if (clock) lanes.clocks.change(mask, [&](const ClockRef &own) { return joined(own, clock); });
}

/// What a strong access orders: a release publishes the lane's clock, an acquire takes what was published; relaxed
/// ones do either only together with a fence before or behind them. What only the block may see stays with it.
void Racecheck::synchronise(const Access &a, u64 address, bool reads, bool writes) {
    Lanes &lanes = a.lanes;
    const int lane = a.lane;
    ClockRef &near = a.block.objects[address];
    ClockRef *far = a.space != Space::shared && reach_of(a.i) == 2 ? &released_[address] : nullptr;
    if (reads) {
        for (ClockRef *object : {&near, far}) {
            if (object == nullptr || !*object) continue;
            if (acquires(a.i)) {
                acquire(lanes, 1u << lane, *object);
            } else {
                lanes.seen_relaxed[lane] = joined(lanes.seen_relaxed[lane], *object);
            }
        }
    }
    if (!writes) return;
    ClockRef own;
    if (releases(a.i)) own = snapshot(a.w, lanes.clocks.of(lane), lane, lanes.count);
    // A read-modify-write goes on with what the operation before it released; a plain store ends that.
    const ClockRef &to_block = own ? own : published(a.w, lanes.by_fence[lane][0], lane);
    near = reads ? joined(near, to_block) : to_block;
    if (far != nullptr) {
        const ClockRef &to_all = own ? own : published(a.w, lanes.by_fence[lane][1], lane);
        *far = reads ? joined(*far, to_all) : to_all;
    }
    if (releases(a.i)) ++lanes.count;
}

void Racecheck::fence(Warp &w, const Instruction &i, u32 mask) {
    Lanes &lanes = lanes_of(w);
    for (u32 rest = mask; rest != 0;) {  // lanes that have seen the same learn it together
        const ClockRef seen = lanes.seen_relaxed[std::countr_zero(rest)];
        u32 group = 0;
        each_lane(rest, [&](int lane) { group |= static_cast<u32>(lanes.seen_relaxed[lane] == seen) << lane; });
        acquire(lanes, group, seen);
        rest &= ~group;
    }
    each_lane(mask, [&](int lane) {
        for (int far = 0; far <= (i.scope > Scope::block); ++far) {
            lanes.by_fence[lane][far] = {lanes.clocks.of(lane), lanes.count, {}};
        }
    });
    ++lanes.count;
}

void Racecheck::warp_synced(Warp &w, const Instruction &i, u32 mask) {
    if (i.run != nullptr || mask == 0) return;  // shuffles and votes order no memory
    Lanes &lanes = lanes_of(w);
    lanes.clocks.set(mask, together(w, lanes.clocks, mask, mask == w.alive, lanes.count));
    ++lanes.count;
}

void Racecheck::barrier_arrives(Warp &w, const Instruction &i, u32 mask, int barrier) {
    Lanes &lanes = lanes_of(w);
    ClockRef &gathering = state_of(*w.block).gathering[barrier];
    // Lanes that wait already touch nothing: once the last arrives, all that the warp did came before.
    const bool waits = i.immediate == 0;
    if (waits) lanes.arrived |= mask;
    const bool whole_warp = (waits ? lanes.arrived : mask) == w.alive;
    gathering = joined(gathering, together(w, lanes.clocks, mask, whole_warp, lanes.count));
    ++lanes.count;
}

void Racecheck::barrier_opens(Block &block, int barrier) {
    BlockState &state = state_of(block);
    state.open[barrier] = std::exchange(state.gathering[barrier], {});
}

void Racecheck::barrier_leaves(Warp &w, u32 mask, int barrier) {
    Lanes &lanes = lanes_of(w);
    lanes.arrived &= ~mask;
    lanes.clocks.set(mask, state_of(*w.block).open[barrier]);
}

/// Each lane's arrival is a step of its own.
void Racecheck::object_arrives(Warp &w, const Instruction &i, u32 mask, u32 address) {
    Access a = access_by(w, i, Space::shared, false, 1);
    ClockRef told;
    a.lanes.clocks.each_run(mask, [&](u32, const ClockRef &clock) { told = joined(told, clock); });
    Clock &own = told.own();
    for (u32 rest = mask; rest != 0; rest &= rest - 1, ++a.lanes.count) {
        a.lane = std::countr_zero(rest);
        touch(a, address, 8);
        own.raise_lane(number_of(w), static_cast<u32>(a.lane), a.lanes.count);
    }
    ClockRef &object = a.block.objects[address];
    object = joined(object, told);
}

void Racecheck::object_passed(Warp &w, const Instruction &i, u32 mask, u32 address) {
    Access a = access_by(w, i, Space::shared, false, 1);
    if (!read_object(a, mask, address)) {
        for (u32 rest = mask; rest != 0; rest &= rest - 1) {
            a.lane = std::countr_zero(rest);
            touch(a, address, 8);
        }
    }
    acquire(a.lanes, mask, a.block.objects[address]);
}

}  // namespace simulate
