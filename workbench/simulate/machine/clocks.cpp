#include "clocks.h"

#include <algorithm>

namespace simulate {

namespace {

bool before(const Known &entry, u32 warp) { return entry.warp < warp; }

/// Whether all that an array of lanes' counts says is said by `all`, or by the other array.
bool within(const LaneCounts &counts, u32 all) {
    u32 more = 0;
    for (int lane = 0; lane < LANES; ++lane) more |= static_cast<u32>(counts.of[lane] > all);
    return more == 0;
}
bool within(const LaneCounts &counts, u32 all, const LaneCounts &other) {
    u32 more = 0;
    for (int lane = 0; lane < LANES; ++lane) more |= static_cast<u32>(counts.of[lane] > std::max(all, other.of[lane]));
    return more == 0;
}

}  // namespace

bool Known::covers(const Known &other) const {
    if (other.all > all) return false;
    if (!other.lanes || other.lanes == lanes) return true;
    return lanes ? within(*other.lanes, all, *lanes) : within(*other.lanes, all);
}

void Known::join(const Known &other) {
    all = std::max(all, other.all);
    if (!other.lanes || other.lanes == lanes) return;
    if (!lanes) {
        lanes = other.lanes;
    } else if (!within(*other.lanes, all, *lanes)) {
        LaneCounts &own = lanes.own();
        for (int lane = 0; lane < LANES; ++lane) own.of[lane] = std::max(own.of[lane], other.lanes->of[lane]);
    }
}

const Known *Clock::searched(u32 warp) const {
    const auto at = std::lower_bound(entries_.begin(), entries_.end(), warp, before);
    return at != entries_.end() && at->warp == warp ? &*at : nullptr;
}

Known &Clock::entry(u32 warp) {
    const auto at = std::lower_bound(entries_.begin(), entries_.end(), warp, before);
    if (at != entries_.end() && at->warp == warp) return *at;
    return *entries_.insert(at, Known{warp, 0, {}});
}

void Clock::raise(u32 warp, u32 count) {
    Known &known = entry(warp);
    known.all = std::max(known.all, count);
    if (known.lanes && within(*known.lanes, known.all)) known.lanes = {};
}

void Clock::raise_lane(u32 warp, u32 lane, u32 count) {
    Known &known = entry(warp);
    if (known.of_lane(lane) < count) known.lanes.own().of[lane] = count;
}

bool Clock::covers(const Clock &other) const {
    auto mine = entries_.begin();
    for (const Known &theirs : other.entries_) {
        while (mine != entries_.end() && mine->warp < theirs.warp) ++mine;
        if (mine == entries_.end() || mine->warp != theirs.warp || !mine->covers(theirs)) return false;
    }
    return true;
}

void Clock::join(const Clock &other) {
    auto place = entries_.begin();
    auto met = other.entries_.begin();
    for (; met != other.entries_.end(); ++met) {  // in place, as long as the other knows of no further warp
        while (place != entries_.end() && place->warp < met->warp) ++place;
        if (place == entries_.end() || place->warp != met->warp) break;
        place->join(*met);
    }
    if (met == other.entries_.end()) return;
    std::vector<Known> merged;
    merged.reserve(entries_.size() + other.entries_.size());
    auto mine = entries_.begin();
    for (const Known &theirs : other.entries_) {
        for (; mine != entries_.end() && mine->warp < theirs.warp; ++mine) merged.push_back(std::move(*mine));
        if (mine != entries_.end() && mine->warp == theirs.warp) {
            merged.push_back(std::move(*mine++));
            merged.back().join(theirs);
        } else {
            merged.push_back(theirs);
        }
    }
    for (; mine != entries_.end(); ++mine) merged.push_back(std::move(*mine));
    entries_ = std::move(merged);
}

ClockRef joined(const ClockRef &a, const ClockRef &b) {
    if (!b || a == b) return a;
    if (!a) return b;
    if (a->covers(*b)) return a;
    if (b->covers(*a)) return b;
    ClockRef made = a;
    made.own().join(*b);
    return made;
}

void LaneClocks::set(u32 mask, const ClockRef &clock) {
    if (mask == FULL) {
        all_ = clock;
        if (!together_) std::fill_n(own_, LANES, ClockRef());
        together_ = true;
        return;
    }
    if (together_) {
        if (all_ == clock) return;
        std::fill_n(own_, LANES, all_);
        all_ = {};
        together_ = false;
    }
    for (; mask != 0; mask &= mask - 1) own_[std::countr_zero(mask)] = clock;
    if (std::all_of(own_, own_ + LANES, [&](const ClockRef &own) { return own == clock; })) set(FULL, ClockRef(clock));
}

}  // namespace simulate
