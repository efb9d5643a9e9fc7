// Vector clocks: what happened before what, as the PTX memory model orders it.
//
// A warp counts its own steps: the count rises whenever a lane of it releases something, and at its barriers. An access
// is stamped with its thread and the warp's count. A lane's clock holds, for each warp, up to which count the accesses
// of *all* its lanes happened before; and for single threads what is known beyond that: a release by one lane
// publishes that lane's accesses, not its neighbours', unless a warp barrier came between.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "lanes.h"

namespace simulate {

/// Sorted pairs of a key and a count, the larger count of two winning.
class Counts {
  public:
    u32 of(u64 key) const;                ///< 0 where it is not known
    void raise(u64 key, u32 count);
    void join(const Counts &other);

  private:
    std::vector<std::pair<u64, u32>> entries_;
};

struct Clock {
    Counts warps;    ///< by the warp's number in the grid
    Counts threads;  ///< by warp * 32 + lane

    void join(const Clock &other) {
        warps.join(other.warps);
        threads.join(other.threads);
    }
    /// Whether the access of that thread at that count of its warp happened before.
    bool holds(u64 thread, u32 count) const {
        return warps.of(thread / LANES) >= count || threads.of(thread) >= count;
    }
};

using ClockRef = std::shared_ptr<const Clock>;

/// The join of two, one of them itself where it holds the other already by being the same.
ClockRef joined(const ClockRef &a, const ClockRef &b);

}  // namespace simulate
