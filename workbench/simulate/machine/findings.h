// What the checkers found, each kind at each pair of places once.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "machine.h"

namespace simulate {

struct Finding {
    const char *kind = "";
    int first = -1;   ///< instruction that came first, -1: none
    int second = -1;  ///< the one that found it
    Space space = Space::global;
    u64 address = 0;  ///< of the first time, as the two threads (warp in the grid * 32 + lane)
    u64 first_thread = 0, second_thread = 0;
    u64 times = 0;
};

class Findings {
  public:
    void clear() { found_.clear(); }
    void add(const Finding &finding) {
        Finding &f = found_[{finding.kind, finding.first, finding.second}];
        if (f.times == 0) f = finding;
        ++f.times;
    }
    /// The most frequent first.
    std::vector<Finding> all() const {
        std::vector<Finding> found;
        for (const auto &entry : found_) found.push_back(entry.second);
        std::stable_sort(found.begin(), found.end(), [](const Finding &a, const Finding &b) { return a.times > b.times; });
        return found;
    }

  private:
    std::map<std::tuple<std::string, int, int>, Finding> found_;
};

inline u64 thread_of(const Warp &w, int lane) { return w.global_index * LANES + static_cast<u64>(lane); }

}  // namespace simulate
