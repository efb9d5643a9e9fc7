// What Nsight Compute counts of one access, by the rules that its reports obey.
//
// Sectors: distinct units of 32 bytes among the lanes; tags: distinct lines of 128. Shared memory: 32 banks of 4 bytes;
// an access of 4 bytes per lane or less takes one pass per distinct word in the fullest bank; 8 bytes per lane go in two
// halves of the warp, 16 in four quarters, and two neighbouring parts go together where every active lane has the address
// of lane ^ 1, or every one that of lane ^ 2 (NVIDIA, "Unexpected shared memory bank conflict", developer forum, 77228).

#include <algorithm>

#include "cache.h"
#include "machine.h"

namespace simulate {

namespace {

/// Sorts where needed and drops what is there twice; returns how many are left.
int distinct(u64 *values, int count) {
    if (!std::is_sorted(values, values + count)) std::sort(values, values + count);
    return static_cast<int>(std::unique(values, values + count) - values);
}

int lines_among(const u64 *sectors, int count) {
    int lines = 0;
    for (int k = 0; k < count; ++k) lines += k == 0 || sectors[k] >> 2 != sectors[k - 1] >> 2;
    return lines;
}

/// Most distinct words in one bank, among the lanes of the mask.
int fullest_bank(u32 mask, const u64 *addresses, u32 words) {
    if (words == 1) {  // nearly always a bank for each lane
        u32 banks = 0;
        each_lane(mask, [&](int lane) { banks |= 1u << (addresses[lane] >> 2 & 31); });
        if (std::popcount(banks) == std::popcount(mask)) return 1;
    }
    u32 seen[32][32];
    int filled[32] = {};
    int most = 0;
    each_lane(mask, [&](int lane) {
        for (u32 k = 0; k < words; ++k) {
            const u32 word = static_cast<u32>(addresses[lane] >> 2) + k;
            const u32 bank = word & 31;
            int at = 0;
            while (at < filled[bank] && seen[bank][at] != word) ++at;
            if (at == filled[bank]) {
                seen[bank][filled[bank]++] = word;
                most = std::max(most, filled[bank]);
            }
        }
    });
    return most;
}

bool pairs_agree(u32 mask, const u64 *addresses, int distance) {
    for (int lane = 0; lane < LANES; ++lane) {
        const int other = lane ^ distance;
        if ((mask >> lane & 1) && (mask >> other & 1) && addresses[lane] != addresses[other]) return false;
    }
    return true;
}

/// Sectors of lanes in global memory, counted; into `sectors`, which has room for one per lane: how many are returned.
int sectors_of(Count &count, u32 mask, const u64 *addresses, u32 bytes, u64 *sectors) {
    u64 places[LANES];
    int lanes = 0;
    each_lane(mask, [&](int lane) {
        sectors[lanes] = addresses[lane] >> 5;
        places[lanes++] = addresses[lane];
    });
    const int found = distinct(sectors, lanes);
    count.sectors += static_cast<u64>(found);
    count.tags += static_cast<u64>(lines_among(sectors, found));
    count.sectors_ideal += static_cast<u64>((distinct(places, lanes) * static_cast<int>(bytes) + 31) / 32);
    return found;
}

}  // namespace

void count_global(Count &count, u32 mask, const u64 *addresses, u32 bytes) {
    u64 sectors[LANES];
    sectors_of(count, mask, addresses, bytes, sectors);
}

void count_sectors(Machine &machine, Warp &w, const Instruction &i, Space space, u32 mask, const u64 *addresses, u32 bytes,
                   bool store) {
    Count &count = machine.count_of(i);
    u64 sectors[LANES * 4];
    int found = 0;
    if (space == Space::local) {
        // Interleaved by words: word w of all lanes lies together, behind the warp's own base.
        const u64 base = (w.global_index * machine.program.local_bytes * LANES) >> 5;
        each_lane(mask, [&](int lane) {
            for (u64 word = addresses[lane] / 4; word <= (addresses[lane] + bytes - 1) / 4; ++word) {
                sectors[found++] = base + ((word * LANES + static_cast<u64>(lane)) * 4 >> 5);
            }
        });
        found = distinct(sectors, found);
        count.sectors_ideal += static_cast<u64>((std::popcount(mask) * static_cast<int>(bytes) + 31) / 32);
        count.sectors += static_cast<u64>(found);
        count.tags += static_cast<u64>(lines_among(sectors, found));
    } else {
        found = sectors_of(count, mask, addresses, bytes, sectors);
    }
    if (machine.caches != nullptr) machine.caches->access(count, w.block->multiprocessor, sectors, found, store);
}

void count_wavefronts(Count &count, u32 mask, const u64 *addresses, u32 bytes) {
    const u32 words = std::max(1u, bytes / 4);
    if (mask == FULL) {
        u64 off_line = 0, off_place = 0;
        for (int lane = 0; lane < LANES; ++lane) {
            off_line |= addresses[lane] ^ (addresses[0] + static_cast<u64>(lane) * bytes);
            off_place |= addresses[lane] ^ addresses[0];
        }
        if (off_line == 0 && bytes >= 4) {
            count.wavefronts += words, count.wavefronts_ideal += words;
            return;
        }
        if (off_place == 0 && words == 1) {
            ++count.wavefronts, ++count.wavefronts_ideal;
            return;
        }
    }
    const int parts = bytes <= 4 ? 1 : static_cast<int>(bytes / 4);
    if (parts == 1) {
        count.wavefronts += static_cast<u64>(fullest_bank(mask, addresses, 1));
        ++count.wavefronts_ideal;
        return;
    }
    const int per_part = LANES / parts;
    const int step = pairs_agree(mask, addresses, 1) || pairs_agree(mask, addresses, 2) ? 2 : 1;
    for (int part = 0; part < parts; part += step) {
        const u32 width = static_cast<u32>(per_part * step);
        const u32 lanes = (width == 32 ? FULL : (1u << width) - 1) << (part * per_part) & mask;
        if (lanes == 0) continue;
        count.wavefronts += static_cast<u64>(fullest_bank(lanes, addresses, words));
        ++count.wavefronts_ideal;
    }
}

void totals(const std::vector<Count> &counts, std::vector<Count> &out) {
    out = counts;
    i64 executed = 0, threads = 0;
    for (Count &count : out) {
        count.executed = executed += count.executed;
        count.threads = threads += count.threads;
    }
}

}  // namespace simulate
