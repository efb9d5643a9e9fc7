// A warp's values: 32 lanes side by side, and masks of lanes as bits.
//
// A *row* is one 32-bit word for each lane, 128 bytes. A 64-bit value takes two rows, the low words first, as a pair of
// GPU registers does; so one set of memory functions serves every front end. Loops over all lanes are written plainly:
// the host's compiler turns them into vector code.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <utility>
#ifdef __AVX2__
#include <immintrin.h>
#endif

namespace simulate {

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using i8 = std::int8_t;
using i16 = std::int16_t;
using i32 = std::int32_t;
using i64 = std::int64_t;
using f32 = float;
using f64 = double;

constexpr int LANES = 32;
constexpr u32 FULL = ~0u;

/// Calls f(lane) for every lane of the mask.
template <class F>
inline void each_lane(u32 mask, F &&f) {
    if (mask == FULL) {
#pragma GCC ivdep
        for (int lane = 0; lane < LANES; ++lane) f(lane);
    } else {
        for (u32 rest = mask; rest != 0; rest &= rest - 1) f(std::countr_zero(rest));
    }
}

/// Writes value(lane) into the row where the mask has the lane. `value` must be harmless for lanes outside of the mask:
/// it is evaluated for all of them, so that the loop can become vector code.
template <class F>
inline void write_row(u32 *row, u32 mask, F &&value) {
    if (mask == FULL) {
#pragma GCC ivdep
        for (int lane = 0; lane < LANES; ++lane) row[lane] = value(lane);
    } else {
#pragma GCC ivdep
        for (int lane = 0; lane < LANES; ++lane) {
            const u32 made = value(lane);
            row[lane] = (mask >> lane & 1) ? made : row[lane];
        }
    }
}

/// As write_row, for a 64-bit value over two rows. Everything is computed before anything is written: a source may be
/// one of the two rows.
template <class F>
inline void write_pair(u32 *row, u32 mask, F &&value) {
    alignas(64) u32 made[2 * LANES];
    for (int lane = 0; lane < LANES; ++lane) {
        const u64 both = value(lane);
        made[lane] = static_cast<u32>(both);
        made[LANES + lane] = static_cast<u32>(both >> 32);
    }
    if (mask == FULL) {
        std::memcpy(row, made, sizeof made);
        return;
    }
    for (int lane = 0; lane < LANES; ++lane) {
        row[lane] = mask >> lane & 1 ? made[lane] : row[lane];
        row[LANES + lane] = mask >> lane & 1 ? made[LANES + lane] : row[LANES + lane];
    }
}

inline u64 pair_of(const u32 *row, int lane) { return row[lane] | static_cast<u64>(row[LANES + lane]) << 32; }

/// A mask's lanes out of a condition over all lanes.
template <class F>
inline u32 lanes_where(F &&condition) {
    alignas(64) u32 holds[LANES];
    for (int lane = 0; lane < LANES; ++lane) holds[lane] = condition(lane) ? FULL : 0;
    u32 mask = 0;
#ifdef __AVX512F__
    const __m512i low = _mm512_load_si512(holds), high = _mm512_load_si512(holds + 16);
    mask = _mm512_test_epi32_mask(low, low) | static_cast<u32>(_mm512_test_epi32_mask(high, high)) << 16;
#elif defined(__AVX2__)
    for (int part = 0; part < 4; ++part) {
        const __m256 eight = _mm256_castsi256_ps(_mm256_load_si256(reinterpret_cast<const __m256i *>(holds) + part));
        mask |= static_cast<u32>(_mm256_movemask_ps(eight)) << 8 * part;
    }
#else
    for (int lane = 0; lane < LANES; ++lane) mask |= holds[lane] & 1u << lane;
#endif
    return mask;
}

/// to[lane] = row[from[lane]], where `from` and `to` begin at cache lines.
inline void permute_row(u32 *to, const u32 *row, const u32 *from) {
#ifdef __AVX512F__
    const __m512i low = _mm512_load_si512(row), high = _mm512_load_si512(row + 16);
    _mm512_store_si512(to, _mm512_permutex2var_epi32(low, _mm512_load_si512(from), high));
    _mm512_store_si512(to + 16, _mm512_permutex2var_epi32(low, _mm512_load_si512(from + 16), high));
#else
    for (int lane = 0; lane < LANES; ++lane) to[lane] = row[from[lane]];
#endif
}

/// Whether the row holds one value in all lanes of the mask.
inline bool all_hold(const u32 *row, u32 mask, u32 value) {
    return (lanes_where([=](int lane) { return row[lane] != value; }) & mask) == 0;
}

/// The least and the greatest of the lanes' addresses.
inline std::pair<u64, u64> span_of(u32 mask, const u64 *addresses) {
    u64 low = addresses[std::countr_zero(mask)], high = low;
    if (mask == FULL) {
        for (int lane = 0; lane < LANES; ++lane) {
            low = std::min(low, addresses[lane]), high = std::max(high, addresses[lane]);
        }
    } else {
        each_lane(mask, [&](int lane) { low = std::min(low, addresses[lane]), high = std::max(high, addresses[lane]); });
    }
    return {low, high};
}

/// Predicates: bits of `made` where the mask has the lane, the old bits elsewhere.
inline void write_mask(u32 &predicate, u32 mask, u32 made) { predicate = (predicate & ~mask) | (made & mask); }

inline f32 as_float(u32 bits) { return std::bit_cast<f32>(bits); }
inline u32 as_bits(f32 value) { return std::bit_cast<u32>(value); }
inline f64 as_double(u64 bits) { return std::bit_cast<f64>(bits); }
inline u64 as_bits(f64 value) { return std::bit_cast<u64>(value); }

}  // namespace simulate
