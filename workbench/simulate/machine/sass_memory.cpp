// SASS: memory accesses that are not the machine's own: mbarriers of sm_80, copies that fill with zeros, compare-and-store.

#include "sass.h"

namespace simulate {
namespace {

/// LDS where mbarriers of sm_80 are: who reads an object's word looks at it, so the arrivals of copies there are due.
void load_polling(Warp &w, const Instruction &i, u32 mask) {
    bool any = false;
    for (const Warp &other : w.block->warps) any |= !other.flights.empty();
    u64 addresses[LANES];
    if (any && addresses_of(w, i, mask, i.bytes, false, i.o[0], i.immediate, addresses) == Space::shared) {
        u64 last = FULL;
        each_lane(mask, [&](int lane) {
            const u64 object = addresses[lane] & ~7ull;
            if (object != last) land_arrivals(*w.block, static_cast<u32>(object));
            last = object;
        });
    }
    load(w, i, mask);
}

/// LDGSTS.ZFILL: slot 6 is the predicate that lets bytes be copied, an address within its word leaves so many out. Slots
/// 7 and 8 are free rows: the aligned address (a pair), and the bytes to copy.
void copy_filled(Warp &w, const Instruction &i, u32 mask) {
    static const Form copy = form_of("cp.async");
    const u32 bytes = static_cast<u32>(i.bytes) * i.elements, copied = predicate_source(w, i, 6);
    const u32 *from = w.row(i.o[1]);
    u32 *aligned = w.row(i.o[7]), *filled = w.row(i.o[8]);
    const u32 low = static_cast<u32>(i.immediate >> 32);
    for (int lane = 0; lane < LANES; ++lane) {
        const u32 within = (from[lane] + low) & (bytes - 1);
        aligned[lane] = from[lane] - within;  // the offset is added later, and a word never crosses 4 GiB
        aligned[LANES + lane] = from[LANES + lane] - (from[lane] < within);
        filled[lane] = copied >> lane & 1 ? bytes - within : 0;
    }
    Instruction plain = i;
    plain.o[1] = i.o[7], plain.o[2] = i.o[8];
    copy(w, plain, mask);
}

/// d = 1 where memory held a and is b now, else 0: ATOMS.CAST.
template <class T>
void compare_and_store(Warp &w, const Instruction &i, u32 mask) {
    static const Form swap = form_of(sizeof(T) == 8 ? "atomic.cas.b64" : "atomic.cas.b32");
    u32 *result = w.row(i.o[1]), *before = w.row(i.o[4]);
    Instruction plain = i;
    plain.o[1] = i.o[4];
    u32 expected[2 * LANES];
    std::memcpy(expected, w.row(i.o[2]), sizeof(T) * LANES);
    swap(w, plain, mask);
    write_row(result, mask, [&](int lane) {
        bool same = before[lane] == expected[lane];
        if constexpr (sizeof(T) == 8) same &= before[LANES + lane] == expected[LANES + lane];
        return static_cast<u32>(same);
    });
}

RegisterForm memory_forms[] = {
    {"sass.lds.poll", load_polling},
    {"sass.ldgsts.zfill", copy_filled},
    {"sass.atoms.cast.b32", compare_and_store<u32>},
    {"sass.atoms.cast.b64", compare_and_store<u64>},
};

}  // namespace
}  // namespace simulate
