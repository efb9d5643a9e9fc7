// Sector caches: one L1 per multiprocessor, and an L2 in one partition or two, as a model.
#pragma once

#include <vector>

#include "machine.h"

namespace simulate {

/// Lines of 128 bytes with four sectors each, least recently used goes first.
struct SectorCache {
    SectorCache(u64 bytes, u32 ways);

    u64 written_back = 0;  ///< dirty sectors that had to make way

    /// Whether the sector is there; with `keep`, it is from now on. `write`: it is dirty from now on.
    bool look_up(u64 sector, bool keep, bool write = false);
    u64 dirty() const;

  private:
    struct Line {
        u64 tag = ~0ull;
        u64 used = 0;
        u8 valid = 0, dirty = 0;
    };
    std::vector<Line> lines_;
    u32 ways_;
    u64 sets_;
    u64 clock_ = 0;
};

/// Where L2 has two partitions each line is at home in one of them, and what the multiprocessors at the other ask for is
/// there as well: what one multiprocessor alone uses takes one and a half times its size.
struct Caches {
    std::vector<SectorCache> first, second;
    u64 second_reads = 0, second_hits = 0;
    u64 memory_reads = 0;  ///< sectors that had to come from memory

    Caches(u32 multiprocessors, u64 first_bytes, u64 second_bytes, u32 partitions);
    void access(Count &count, u32 multiprocessor, const u64 *sectors, int found, bool store);

    /// Sectors that went back to memory, and those that stay in L2 and are to go back.
    u64 memory_writes() const;
    u64 dirty() const;

  private:
    /// Whether L2 has the sector; it has from now on.
    bool in_second(u32 multiprocessor, u64 sector, bool store);
};

}  // namespace simulate
