#include "cache.h"

#include <algorithm>
#include <bit>

namespace simulate {

SectorCache::SectorCache(u64 bytes, u32 ways)
    : ways_(ways), sets_(std::max<u64>(1, bytes / 128 / ways)) {
    lines_.resize(sets_ * ways_);
}

bool SectorCache::look_up(u64 sector, bool keep, bool write) {
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
            if (write) line.dirty |= bit;
            return hit;
        }
        if (line.used < oldest->used) oldest = &line;
    }
    if (keep) {
        written_back += static_cast<u64>(std::popcount(oldest->dirty));
        *oldest = {tag, clock_, bit, write ? bit : u8{0}};
    }
    return false;
}

u64 SectorCache::dirty() const {
    u64 found = 0;
    for (const Line &line : lines_) found += static_cast<u64>(std::popcount(line.dirty));
    return found;
}

Caches::Caches(u32 multiprocessors, u64 first_bytes, u64 second_bytes, u32 partitions)
    : first(multiprocessors, SectorCache(first_bytes, static_cast<u32>(std::clamp<u64>(first_bytes / 4096, 1, 64)))),
      second(std::clamp(partitions, 1u, 2u), SectorCache(second_bytes / std::clamp(partitions, 1u, 2u), 16)) {}

void Caches::access(Count &count, u32 multiprocessor, const u64 *sectors, int found, bool store) {
    multiprocessor %= static_cast<u32>(first.size());
    for (int k = 0; k < found; ++k) {
        const bool hit = first[multiprocessor].look_up(sectors[k], !store);
        if (store) {
            in_second(multiprocessor, sectors[k], true);  // written through
            continue;
        }
        count.l1_hits += hit;
        if (hit) continue;
        ++second_reads;
        if (in_second(multiprocessor, sectors[k], false)) {
            ++second_hits, ++count.l2_hits;
        } else {
            ++memory_reads;
        }
    }
}

bool Caches::in_second(u32 multiprocessor, u64 sector, bool store) {
    const size_t partitions = second.size();
    const size_t near = multiprocessor % partitions;  // however few blocks there are, both have their share
    const size_t home = ((sector >> 2) * 0x9E3779B97F4A7C15ull >> 63) % partitions;  // evenly, whatever the stride
    const bool here = second[near].look_up(sector, true, store && near == home);
    if (near == home || (here && !store)) return here;
    return second[home].look_up(sector, true, store);
}

u64 Caches::memory_writes() const {
    u64 found = 0;
    for (const SectorCache &part : second) found += part.written_back;
    return found;
}

u64 Caches::dirty() const {
    u64 found = 0;
    for (const SectorCache &part : second) found += part.dirty();
    return found;
}

}  // namespace simulate
