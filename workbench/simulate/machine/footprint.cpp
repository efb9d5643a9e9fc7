#include "footprint.h"

#include <algorithm>

#include "machine.h"

namespace simulate {

namespace {

/// Whether two sets of offsets are the same; those outside of the mask are 0 in both.
bool same(const u32 *a, const u32 *b) {
#ifdef __AVX512F__
    const auto differ = [&](int at) { return _mm512_cmpneq_epi32_mask(_mm512_load_si512(a + at), _mm512_load_si512(b + at)); };
    return (differ(0) | differ(16)) == 0;
#else
    u32 differ = 0;
    for (int lane = 0; lane < LANES; ++lane) differ |= a[lane] ^ b[lane];
    return differ == 0;
#endif
}

Pattern pattern_of(const Footprint &f, u32 bytes) {
    if (f.mask != FULL) return Pattern::any;
    u32 off_line = 0, off_place = 0;
    for (u32 lane = 0; lane < LANES; ++lane) {
        off_line |= f.offsets[lane] ^ (lane * bytes);
        off_place |= f.offsets[lane];
    }
    return off_line == 0 ? Pattern::contiguous : off_place == 0 ? Pattern::broadcast : Pattern::any;
}

}  // namespace

Footprint &Footprints::find(const u32 *offsets, u32 mask, u32 phase, Space space, u32 bytes) {
    for (u32 k = 0; k < WAYS; ++k) {
        Footprint &f = way[(recent + k) % WAYS];
        if (f.mask == mask && f.phase == phase && f.space == space && same(f.offsets, offsets)) {
            recent = (recent + k) % WAYS;
            return f;
        }
    }
    recent = (recent + WAYS - 1) % WAYS;
    Footprint &f = way[recent];
    f = {};
    std::copy_n(offsets, LANES, f.offsets);
    f.mask = mask, f.phase = phase, f.space = space;
    u32 bits = 0;
    for (int lane = 0; lane < LANES; ++lane) {
        const i32 offset = static_cast<i32>(offsets[lane]);
        f.least = std::min(f.least, offset), f.most = std::max(f.most, offset);
        bits |= offsets[lane];
    }
    f.aligned = (bits & (bytes - 1)) == 0;
    f.pattern = pattern_of(f, bytes);
    return f;
}

void count_footprint(Count &count, Footprint &f, u64 first, u32 bytes) {
    if (!f.counted) {
        u64 addresses[LANES];
        for (int lane = 0; lane < LANES; ++lane) {
            addresses[lane] = first + static_cast<u64>(static_cast<i64>(static_cast<i32>(f.offsets[lane])));
        }
        Count made;
        if (f.space == Space::shared) {
            count_wavefronts(made, f.mask, addresses, bytes);
            f.units = static_cast<u32>(made.wavefronts), f.units_ideal = static_cast<u32>(made.wavefronts_ideal);
        } else {
            count_global(made, f.mask, addresses, bytes);
            f.units = static_cast<u32>(made.sectors), f.units_ideal = static_cast<u32>(made.sectors_ideal);
            f.tags = static_cast<u32>(made.tags);
        }
        f.counted = true;
    }
    if (f.space == Space::shared) {
        count.wavefronts += f.units, count.wavefronts_ideal += f.units_ideal;
    } else {
        count.sectors += f.units, count.sectors_ideal += f.units_ideal, count.tags += f.tags;
    }
}

}  // namespace simulate
