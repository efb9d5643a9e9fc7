#include "cache.h"

#include <algorithm>

namespace simulate {

SectorCache::SectorCache(u64 bytes, u32 ways)
    : ways_(ways), sets_(std::max<u64>(1, bytes / 128 / ways)) {
    lines_.resize(sets_ * ways_);
}

bool SectorCache::look_up(u64 sector, bool keep) {
    const u64 tag = sector >> 2;
    const u8 bit = static_cast<u8>(1u << (sector & 3));
    Line *set = &lines_[(tag ^ tag >> 7) % sets_ * ways_];
    Line *oldest = set;
    ++clock_;
    for (u32 way = 0; way < ways_; ++way) {
        Line &line = set[way];
        if (line.tag == tag) {
            const bool hit = (line.valid & bit) != 0;
            line.used = clock_;
            if (keep) line.valid |= bit;
            return hit;
        }
        if (line.used < oldest->used) oldest = &line;
    }
    if (keep) *oldest = {tag, clock_, bit};
    return false;
}

Caches::Caches(u32 multiprocessors, u64 first_bytes, u64 second_bytes)
    : first(multiprocessors, SectorCache(first_bytes, static_cast<u32>(std::clamp<u64>(first_bytes / 4096, 1, 64)))),
      second(second_bytes, 16) {}

void Caches::access(Count &count, u32 multiprocessor, const u64 *sectors, int found, bool store) {
    SectorCache &l1 = first[multiprocessor % first.size()];
    for (int k = 0; k < found; ++k) {
        const bool hit = l1.look_up(sectors[k], !store);
        if (store) {
            // Written through: the sector is in L2 from then on, and goes to memory once at least.
            second.look_up(sectors[k], true);
            memory_writes += written_.insert(sectors[k]).second;
            continue;
        }
        count.l1_hits += hit;
        if (hit) continue;
        ++second_reads;
        if (second.look_up(sectors[k], true)) {
            ++second_hits, ++count.l2_hits;
        } else {
            ++memory_reads;
        }
    }
}

}  // namespace simulate
