// Vector clocks: what happened before what, as the PTX memory model orders it.
//
// A warp counts its own steps: the count rises whenever a lane of it releases something, and at its barriers. An access
// is stamped with its thread and the warp's count. A lane's clock holds, for each warp, up to which count the accesses
// of *all* its lanes happened before; and for single lanes what is known beyond that: a release by one lane publishes
// that lane's accesses, not its neighbours', unless a warp barrier came between.
//
// Lanes, barriers and objects hold the same clock most of the time: clocks are shared, and copied before a change only
// where somebody else holds them. So are, within them, the counts of single lanes.
#pragma once

#include <utility>
#include <vector>

#include "lanes.h"

namespace simulate {

/// Shares a value of type T, which counts its holders. A checker and all that it keeps belong to one thread of the host:
/// the count is a plain number.
template <class T>
class Shared {
  public:
    Shared() = default;
    explicit Shared(T *made) : at_(made) { hold(); }
    Shared(const Shared &other) : at_(other.at_) { hold(); }
    Shared(Shared &&other) noexcept : at_(std::exchange(other.at_, nullptr)) {}
    ~Shared() { drop(); }
    Shared &operator=(Shared other) noexcept {
        std::swap(at_, other.at_);
        return *this;
    }

    const T *get() const { return at_; }
    const T &operator*() const { return *at_; }
    const T *operator->() const { return at_; }
    explicit operator bool() const { return at_ != nullptr; }
    bool operator==(const Shared &other) const { return at_ == other.at_; }

    /// The value to change: a copy of it where others hold it too, a new one where there is none.
    T &own() {
        if (at_ == nullptr || at_->holders != 1) *this = Shared(at_ == nullptr ? new T : new T(*at_));
        return *at_;
    }

  private:
    T *at_ = nullptr;
    void hold() const {
        if (at_ != nullptr) ++at_->holders;
    }
    void drop() const {
        if (at_ != nullptr && --at_->holders == 0) delete at_;
    }
};

/// Holders of a value; a copy has none yet.
struct Holders {
    u32 holders = 0;
    Holders() = default;
    Holders(const Holders &) {}
    Holders &operator=(const Holders &) = delete;
};

struct LaneCounts : Holders {
    u32 of[LANES] = {};
};

/// What is known of one warp: up to which count of its steps everything happened before.
struct Known {
    u32 warp;                   ///< its number in the grid
    u32 all = 0;                ///< the accesses of all its lanes
    Shared<LaneCounts> lanes;   ///< those of single lanes, where more is known of them

    u32 of_lane(u32 lane) const { return lanes ? std::max(all, lanes->of[lane]) : all; }
    bool covers(const Known &other) const;
    void join(const Known &other);
};

class Clock : public Holders {
  public:
    /// nullptr where nothing of that warp is known.
    const Known *of(u32 warp) const {
        // A block's warps lie next to each other: nearly always this is the place.
        if (entries_.empty()) return nullptr;
        const u32 guess = warp - entries_.front().warp;
        if (guess < entries_.size() && entries_[guess].warp == warp) return &entries_[guess];
        return searched(warp);
    }
    /// Whether the access of that lane at that count of its warp happened before.
    bool holds(u32 warp, u32 lane, u32 count) const {
        const Known *known = of(warp);
        return known != nullptr && (known->all >= count || (known->lanes && known->lanes->of[lane] >= count));
    }
    void raise(u32 warp, u32 count);
    void raise_lane(u32 warp, u32 lane, u32 count);
    void join(const Clock &other);
    /// Whether a join with the other would change nothing.
    bool covers(const Clock &other) const;

  private:
    std::vector<Known> entries_;  ///< by warp

    const Known *searched(u32 warp) const;
    Known &entry(u32 warp);
};

using ClockRef = Shared<Clock>;

/// The join of two, one of them itself where it holds the other already.
ClockRef joined(const ClockRef &a, const ClockRef &b);

/// The clocks of a warp's lanes: one for all of them, as long as they learn the same.
class LaneClocks {
  public:
    bool together() const { return together_; }
    const ClockRef &of(int lane) const { return together_ ? all_ : own_[lane]; }
    void set(u32 mask, const ClockRef &clock);

    /// Each of these lanes gets changed(its clock), which is asked once for neighbours with one clock.
    template <class F>
    void change(u32 mask, F &&changed) {
        if (together_ && mask == FULL) {
            all_ = changed(all_);
            return;
        }
        ClockRef before, after;
        each_run(mask, [&](u32 run, const ClockRef &clock) {
            before = clock;
            after = changed(before);
            if (!(after == before)) set(run, after);
        });
    }

    /// Calls f(lanes, clock) for each run of lanes, among those of the mask, that have one clock.
    template <class F>
    void each_run(u32 mask, F &&f) const {
        while (mask != 0) {
            const ClockRef clock = of(std::countr_zero(mask));
            u32 run = 0;
            for (; mask != 0 && of(std::countr_zero(mask)) == clock; mask &= mask - 1) run |= mask & (0 - mask);
            f(run, clock);
        }
    }

  private:
    bool together_ = true;
    ClockRef all_, own_[LANES];
};

}  // namespace simulate
