#include "clocks.h"

#include <algorithm>

namespace simulate {

namespace {
bool before(const std::pair<u64, u32> &entry, u64 key) { return entry.first < key; }
}  // namespace

u32 Counts::of(u64 key) const {
    const auto at = std::lower_bound(entries_.begin(), entries_.end(), key, before);
    return at != entries_.end() && at->first == key ? at->second : 0;
}

void Counts::raise(u64 key, u32 count) {
    const auto at = std::lower_bound(entries_.begin(), entries_.end(), key, before);
    if (at != entries_.end() && at->first == key) {
        at->second = std::max(at->second, count);
    } else {
        entries_.insert(at, {key, count});
    }
}

void Counts::join(const Counts &other) {
    if (other.entries_.empty()) return;
    if (entries_.empty()) {
        entries_ = other.entries_;
        return;
    }
    std::vector<std::pair<u64, u32>> merged;
    merged.reserve(entries_.size() + other.entries_.size());
    auto a = entries_.cbegin(), b = other.entries_.cbegin();
    while (a != entries_.cend() || b != other.entries_.cend()) {
        if (b == other.entries_.cend() || (a != entries_.cend() && a->first < b->first)) {
            merged.push_back(*a++);
        } else if (a == entries_.cend() || b->first < a->first) {
            merged.push_back(*b++);
        } else {
            merged.emplace_back(a->first, std::max(a->second, b->second));
            ++a, ++b;
        }
    }
    entries_ = std::move(merged);
}

ClockRef joined(const ClockRef &a, const ClockRef &b) {
    if (b == nullptr || a == b) return a;
    if (a == nullptr) return b;
    auto made = std::make_shared<Clock>(*a);
    made->join(*b);
    return made;
}

}  // namespace simulate
