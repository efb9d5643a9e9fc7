// What a warp's asynchronous copies wait for: a queue of its own, an entry per instruction.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "lanes.h"

namespace simulate {

/// Asynchronous copies that one instruction issued, of all its lanes together; or its lanes' arrivals at mbarriers, due
/// when the copies that each issued before have landed. Carried out as late as the program allows.
struct Flight {
    i32 instruction = -1;
    u32 mask = 0;             ///< lanes that have not landed
    u32 bytes = 0;            ///< of a lane's copy; 0: it arrives
    bool whole = true;        ///< all bytes are copied, in every lane
    u32 to[LANES];            ///< in shared memory: the copy's target, or the mbarrier
    u32 group[LANES];         ///< of each lane's copies: see Warp::group
    const u8 *host[LANES];    ///< where its source is in the host's memory, if anything is copied
    u64 from[LANES];          ///< the source's address
    u8 filled[LANES];         ///< bytes that are copied; the rest become zero
};

/// In the order of the program. Entries are kept when they have landed and used again: copies are issued all the time,
/// and an entry is large.
class Flights {
  public:
    bool empty() const { return under_way_.empty(); }

    /// A new entry, the last. All that it holds from before is to be written.
    Flight &add(bool arrives) {
        if (free_.empty()) {
            all_.push_back(std::make_unique<Flight>());
            free_.push_back(all_.back().get());
        }
        under_way_.push_back({free_.back(), arrives});
        free_.pop_back();
        return *under_way_.back().flight;
    }

    void drop_last() {
        free_.push_back(under_way_.back().flight);
        under_way_.pop_back();
    }

    /// Calls f for the first `end` entries and drops those of which no lane is left.
    template <class F>
    void each(F &&f, std::size_t end = ~std::size_t{0}) {
        std::size_t kept = 0;
        end = std::min(end, under_way_.size());
        for (std::size_t k = 0; k < end; ++k) {
            f(*under_way_[k].flight);
            if (under_way_[k].flight->mask == 0) {
                free_.push_back(under_way_[k].flight);
            } else {
                under_way_[kept++] = under_way_[k];
            }
        }
        const auto at = [&](std::size_t place) { return under_way_.begin() + static_cast<std::ptrdiff_t>(place); };
        if (kept != end) under_way_.erase(at(kept), at(end));
    }

    /// Calls f(place, entry) for the arrivals.
    template <class F>
    void each_arrival(F &&f) const {
        for (u32 k = 0; k < under_way_.size(); ++k) {
            if (under_way_[k].arrives) f(k, *under_way_[k].flight);
        }
    }

  private:
    struct Place {
        Flight *flight;
        bool arrives;  ///< said here too: who looks for an arrival reads no other entry
    };
    std::vector<Place> under_way_;
    std::vector<Flight *> free_;
    std::vector<std::unique_ptr<Flight>> all_;
};

}  // namespace simulate
