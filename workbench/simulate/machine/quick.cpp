// Accesses of the usual kind: their pattern is looked up (see footprint.h), and all lanes' bytes move at once.

#include <algorithm>

#include "transfer.h"

#if defined(__AVX512F__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // said of GCC 12's own intrinsics
#endif

namespace simulate {

namespace {

alignas(64) constexpr u32 NO_ROWS[2 * LANES] = {};

/// (row - start) << scale where the mask has the lane, 0 elsewhere.
void offsets_from(const u32 *row, u32 start, u32 scale, u32 mask, u32 *offsets) {
#ifdef __AVX512F__
    const __m512i first = _mm512_set1_epi32(static_cast<i32>(start));
    for (int at = 0; at < LANES; at += 16) {
        const __m512i from = _mm512_maskz_sub_epi32(static_cast<__mmask16>(mask >> at), _mm512_load_si512(row + at), first);
        _mm512_store_si512(offsets + at, _mm512_slli_epi32(from, scale));
    }
#else
    for (int lane = 0; lane < LANES; ++lane) offsets[lane] = mask >> lane & 1 ? (row[lane] - start) << scale : 0;
#endif
}

#ifdef __AVX512F__
/// Four by four words within each quarter of the registers: x of four lanes, y of four lanes… or back.
void transpose_words(__m512i *r) {
    const __m512i a = _mm512_unpacklo_epi32(r[0], r[1]), b = _mm512_unpacklo_epi32(r[2], r[3]);
    const __m512i c = _mm512_unpackhi_epi32(r[0], r[1]), d = _mm512_unpackhi_epi32(r[2], r[3]);
    r[0] = _mm512_unpacklo_epi64(a, b), r[1] = _mm512_unpackhi_epi64(a, b);
    r[2] = _mm512_unpacklo_epi64(c, d), r[3] = _mm512_unpackhi_epi64(c, d);
}

/// Four by four quarters.
void transpose_quarters(__m512i *r) {
    const __m512i a = _mm512_shuffle_i32x4(r[0], r[1], 0x44), b = _mm512_shuffle_i32x4(r[0], r[1], 0xee);
    const __m512i c = _mm512_shuffle_i32x4(r[2], r[3], 0x44), d = _mm512_shuffle_i32x4(r[2], r[3], 0xee);
    r[0] = _mm512_shuffle_i32x4(a, c, 0x88), r[1] = _mm512_shuffle_i32x4(a, c, 0xdd);
    r[2] = _mm512_shuffle_i32x4(b, d, 0x88), r[3] = _mm512_shuffle_i32x4(b, d, 0xdd);
}
#endif

/// Lanes one behind the other, each with WORDS words in as many rows.
template <bool STORE, int WORDS>
void interleave(u32 *const *rows, u8 *host) {
#ifdef __AVX512F__
    if constexpr (WORDS == 4) {
        for (int at = 0; at < LANES; at += 16, host += 16 * 4 * WORDS) {
            __m512i r[4];
            for (int k = 0; k < 4; ++k) {
                r[k] = STORE ? _mm512_load_si512(rows[k] + at) : _mm512_loadu_si512(host + 64 * k);
            }
            if (STORE) transpose_words(r);
            transpose_quarters(r);
            if (!STORE) transpose_words(r);
            for (int k = 0; k < 4; ++k) {
                STORE ? _mm512_storeu_si512(host + 64 * k, r[k]) : _mm512_store_si512(rows[k] + at, r[k]);
            }
        }
        return;
    }
#endif
    for (int k = 0; k < WORDS; ++k) {
        u8 *at = host + 4 * k;
        for (int lane = 0; lane < LANES; ++lane, at += 4 * WORDS) {
            STORE ? std::memcpy(at, &rows[k][lane], 4) : std::memcpy(&rows[k][lane], at, 4);
        }
    }
}

/// One word of each lane of the mask, at host + its offset. Of two lanes that store to one place the higher one is last.
template <bool STORE>
void scattered(u32 *row, const Footprint &f, u8 *host) {
#ifdef __AVX512F__
    for (int at = 0; at < LANES; at += 16) {
        const auto some = static_cast<__mmask16>(f.mask >> at);
        const __m512i offsets = _mm512_load_si512(f.offsets + at), now = _mm512_load_si512(row + at);
        if constexpr (STORE) {
            _mm512_mask_i32scatter_epi32(host, some, offsets, now, 1);
        } else {
            _mm512_store_si512(row + at, _mm512_mask_i32gather_epi32(now, some, offsets, host, 1));
        }
    }
#else
    each_lane(f.mask, [&](int lane) {
        u8 *at = host + static_cast<i32>(f.offsets[lane]);
        STORE ? std::memcpy(at, &row[lane], 4) : std::memcpy(&row[lane], at, 4);
    });
#endif
}

/// The lanes' elements of an access whose first lane is at `host`.
template <bool STORE>
void transfer(Warp &w, const Instruction &i, const Footprint &f, u8 *host) {
    if (i.bytes < 4) {
        if (f.pattern == Pattern::contiguous && i.elements == 1 && i.bytes == 2 && !i.sign_extend) {
            u32 *row = w.row(i.o[1]);
            for (int lane = 0; lane < LANES; ++lane) {
                u16 half = static_cast<u16>(row[lane]);
                STORE ? std::memcpy(host + 2 * lane, &half, 2) : std::memcpy(&half, host + 2 * lane, 2);
                if (!STORE) row[lane] = half;
            }
            return;
        }
        each_lane(f.mask, [&](int lane) {
            u8 *at = host + static_cast<i32>(f.offsets[lane]);
            for (int e = 0; e < i.elements; ++e, at += i.bytes) {
                STORE ? store_element(w.row(i.o[1 + e]), lane, at, i) : load_element(w.row(i.o[1 + e]), lane, at, i);
            }
        });
        return;
    }
    u32 *rows[8];
    int words = 0;
    for (int e = 0; e < i.elements; ++e) {
        rows[words++] = w.row(i.o[1 + e]);
        if (i.bytes == 8) rows[words] = rows[words - 1] + LANES, ++words;
    }
    if (f.pattern == Pattern::contiguous && words == 1) {
        STORE ? std::memcpy(host, rows[0], 4 * LANES) : std::memcpy(rows[0], host, 4 * LANES);
    } else if (f.pattern == Pattern::contiguous && words == 2) {
        interleave<STORE, 2>(rows, host);
    } else if (f.pattern == Pattern::contiguous && words == 4) {
        interleave<STORE, 4>(rows, host);
    } else if (f.pattern == Pattern::broadcast && !STORE) {
        for (int k = 0; k < words; ++k) {
            u32 value;
            std::memcpy(&value, host + 4 * k, 4);
            std::fill_n(rows[k], LANES, value);
        }
    } else {
        for (int k = 0; k < words; ++k) scattered<STORE>(rows[k], f, host + 4 * k);
    }
}

/// Whether no asynchronous copy is on its way to these bytes of shared memory.
bool at_rest(const Block &block, u64 first, u64 end) {
    if (block.flights == 0) return true;
    if (end - first > 4096) return false;
    u8 some = 0;
    for (u64 word = first / 4; word <= (end - 1) / 4; ++word) some |= block.in_flight[word];
    return some == 0;
}

}  // namespace

template <bool STORE>
bool access_quickly(Warp &w, const Instruction &i, u32 mask) {
    Machine &machine = w.machine();
    const bool wide = i.space == Space::global || i.space == Space::generic, two = i.address_rows == 2;
    if (machine.launch.delays || (!wide && (i.space != Space::shared || two))) return false;
    i64 immediate = i.immediate;
    if (i.base >= 0) immediate += static_cast<i64>(wide ? pair_of(w.row(i.base), 0) : w.row(i.base)[0]);
    const u32 *low = i.o[0] < 0 ? NO_ROWS : w.row(i.o[0]);
    const int lead = std::countr_zero(mask);
    const u32 start = low[lead];
    u64 first = start;
    if (wide) {
        if (two && i.o[0] >= 0) {
            const u32 high = low[LANES + lead];
            if (!all_hold(low + LANES, mask, high)) return false;
            first |= static_cast<u64>(high) << 32;
        }
        first += static_cast<u64>(immediate);
    } else {
        first = static_cast<u32>((start << i.scale) + static_cast<u32>(immediate));
    }
    Space space = i.space;
    if (space == Space::generic) {
        if (first - LOCAL_WINDOW < WINDOW_BYTES) return false;
        const bool shared = first - SHARED_WINDOW < WINDOW_BYTES;
        space = shared ? Space::shared : Space::global;
        if (shared) first -= SHARED_WINDOW;
    }
    const u32 bytes = static_cast<u32>(i.bytes) * i.elements;
    alignas(64) u32 offsets[LANES];
    offsets_from(low, start, wide ? 0 : i.scale, mask, offsets);
    Footprints &patterns = machine.footprints_of(i);
    Footprint &f = patterns.find(offsets, mask, first & (space == Space::shared ? 3 : 127), space, bytes);
    if (!f.aligned || (first & (bytes - 1)) != 0) return false;
    // The low words are `start` and the offsets exactly where none of them wraps around.
    const i64 lowest = static_cast<i64>(start) + f.least, highest = static_cast<i64>(start) + f.most;
    if (wide && (lowest < 0 || highest > static_cast<i64>(FULL))) return false;
    const u64 least = first + static_cast<u64>(static_cast<i64>(f.least)), end = first + static_cast<u64>(f.most) + bytes;
    u8 *host;
    if (space == Space::shared) {
        const bool inside = static_cast<i64>(least) >= static_cast<i64>(machine.program.reserved_shared) &&
                            static_cast<i64>(end) <= static_cast<i64>(w.block->shared.size());
        if (!inside || !at_rest(*w.block, least, end)) return false;
        host = w.block->shared.data() + first;
    } else {
        host = machine.resolve(least, end - least, STORE);
        if (host == nullptr) return false;
        host -= f.least;
        patterns.fetch_ahead(host, static_cast<u32>(f.most) + bytes, STORE);
    }
    Count &count = machine.count_of(i);
    ++count.requests;
    count.bytes += static_cast<u64>(std::popcount(mask)) * bytes;
    const bool cached = space == Space::global && machine.caches != nullptr;
    if (!cached) count_footprint(count, f, first, bytes);
    if (cached || !machine.observers.empty()) {
        alignas(64) u64 addresses[LANES];
        for (int lane = 0; lane < LANES; ++lane) {
            addresses[lane] = first + static_cast<u64>(static_cast<i64>(static_cast<i32>(f.offsets[lane])));
        }
        if (cached) count_sectors(machine, w, i, space, mask, addresses, bytes, STORE);
        for (Observer *o : machine.observers) o->access(w, i, mask, addresses, bytes, space, STORE);
    }
    if (STORE) machine.progress = machine.executed;
    transfer<STORE>(w, i, f, host);
    return true;
}

template bool access_quickly<false>(Warp &, const Instruction &, u32);
template bool access_quickly<true>(Warp &, const Instruction &, u32);

}  // namespace simulate
