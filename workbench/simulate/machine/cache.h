// Sector caches: one L1 per multiprocessor and one L2, as a model.
#pragma once

#include <unordered_set>
#include <vector>

#include "machine.h"

namespace simulate {

/// Lines of 128 bytes with four sectors each, least recently used goes first.
struct SectorCache {
    SectorCache(u64 bytes, u32 ways);

    /// Whether the sector is there; with `keep`, it is from now on.
    bool look_up(u64 sector, bool keep);

  private:
    struct Line {
        u64 tag = ~0ull;
        u64 used = 0;
        u8 valid = 0;
    };
    std::vector<Line> lines_;
    u32 ways_;
    u64 sets_;
    u64 clock_ = 0;
};

struct Caches {
    std::vector<SectorCache> first;
    SectorCache second;
    u64 second_reads = 0, second_hits = 0;
    u64 memory_reads = 0;    ///< sectors that had to come from memory
    u64 memory_writes = 0;   ///< distinct sectors written: what must go back at the end at least

    Caches(u32 multiprocessors, u64 first_bytes, u64 second_bytes);
    void access(Count &count, u32 multiprocessor, const u64 *sectors, int found, bool store);

  private:
    std::unordered_set<u64> written_;
};

}  // namespace simulate
