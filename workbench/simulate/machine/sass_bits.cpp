// SASS: bits, shifts, bytes, and predicates as bits.

#include <algorithm>

#include "sass.h"

namespace simulate {
namespace {

/// A table of eight results as a choice among masks, so that every table costs the same few operations.
template <class Word>
struct Table {
    Word entry[8];
    explicit Table(u8 table) {
        for (int k = 0; k < 8; ++k) entry[k] = table >> k & 1 ? static_cast<Word>(~Word{0}) : Word{0};
    }
    static Word choose(Word which, Word one, Word zero) { return zero ^ ((one ^ zero) & which); }
    Word operator()(Word a, Word b, Word c) const {
        const Word low = choose(b, choose(c, entry[3], entry[2]), choose(c, entry[1], entry[0]));
        const Word high = choose(b, choose(c, entry[7], entry[6]), choose(c, entry[5], entry[4]));
        return choose(a, high, low);
    }
};

/// d = table(a, b, c), bit by bit.
template <bool PLAIN>
void logic3(Warp &w, const Instruction &i, u32 mask) {
    const Source<PLAIN> a(w, i, 1, 0), b(w, i, 2, 1), c(w, i, 3, 2);
    const Table<u32> table(i.variant);
    write_row(w.row(i.o[0]), mask, [=](int lane) { return table(a(lane), b(lane), c(lane)); });
}

/// p, d = table(a, b, c): p where d is not 0, or the last predicate holds; AND (bit 32 of `immediate`): and.
void logic3_test(Warp &w, const Instruction &i, u32 mask) {
    const Source<false> a(w, i, 2, 0), b(w, i, 3, 1), c(w, i, 4, 2);
    const Table<u32> table(i.variant);
    alignas(64) u32 made[LANES];
    for (int lane = 0; lane < LANES; ++lane) made[lane] = table(a(lane), b(lane), c(lane));
    const u32 set = lanes_where([&](int lane) { return made[lane] != 0; });
    const u32 other = predicate_source(w, i, 5);
    write_row(w.row(i.o[1]), mask, [&](int lane) { return made[lane]; });
    predicate_result(w, i, 0, mask, i.immediate >> 32 & 1 ? set & other : set | other);
}

/// p, q = two tables of three predicates; the second table stands in the high half of `immediate`.
void predicate_logic(Warp &w, const Instruction &i, u32 mask) {
    const u32 a = predicate_source(w, i, 2), b = predicate_source(w, i, 3), c = predicate_source(w, i, 4);
    const u32 first = Table<u32>(i.variant)(a, b, c), second = Table<u32>(static_cast<u8>(i.immediate >> 32))(a, b, c);
    predicate_result(w, i, 0, mask, first);
    predicate_result(w, i, 1, mask, second);
}

/// Shifts of the pair (c : a) by b. BITS: what b is held to, 32 or 64; with `variant` (W) it wraps around instead.
template <bool LEFT, bool HIGH, bool SIGNED, u32 BITS>
void shift(Warp &w, const Instruction &i, u32 mask) {
    const Source<true> low(w, i, 1, 0), by(w, i, 2, 1), high(w, i, 3, 2);
    const bool wraps = i.variant != 0;
    write_row(w.row(i.o[0]), mask, [=](int lane) {
        const u64 pair = low(lane) | static_cast<u64>(high(lane)) << 32;
        const u32 count = wraps ? by(lane) & (BITS - 1) : std::min(by(lane), BITS);
        u64 made;
        if constexpr (LEFT) {
            made = count > 63 ? 0 : pair << (count & 63);
        } else if constexpr (SIGNED) {
            made = static_cast<u64>(static_cast<i64>(pair) >> std::min(count, 63u));
        } else {
            made = count > 63 ? 0 : pair >> (count & 63);
        }
        return static_cast<u32>(HIGH ? made >> 32 : made);
    });
}

/// Shifts of one word by less than 32, which is most of them: by = slot 2, word = slot 1.
template <bool LEFT, bool SIGNED>
void shift_word(Warp &w, const Instruction &i, u32 mask) {
    const u32 *word = w.row(i.o[1]), *by = w.row(i.o[2]);
    write_row(w.row(i.o[0]), mask, [=](int lane) {
        if constexpr (LEFT) return word[lane] << (by[lane] & 31);
        if constexpr (SIGNED) return static_cast<u32>(static_cast<i32>(word[lane]) >> (by[lane] & 31));
        return word[lane] >> (by[lane] & 31);
    });
}

/// d = bytes of the pair (c : a), chosen by the nibbles of b; the modes are those of PTX's prmt.
void permute(Warp &w, const Instruction &i, u32 mask) {
    const Source<true> a(w, i, 1, 0), b(w, i, 2, 1), c(w, i, 3, 2);
    const u8 mode = i.variant;
    write_row(w.row(i.o[0]), mask, [=](int lane) {
        const u64 pair = a(lane) | static_cast<u64>(c(lane)) << 32;
        const u32 select = b(lane), s = select & 3;
        u32 made = 0;
        for (u32 k = 0; k < 4; ++k) {
            u32 from = k;
            switch (mode) {
                case 0: from = select >> 4 * k & 15; break;
                case 1: from = s + k; break;                       // F4E
                case 2: from = (s + 8 - k) & 7; break;             // B4E
                case 3: from = s; break;                           // RC8
                case 4: from = std::max(k, s); break;              // ECL
                case 5: from = std::min(k, s); break;              // ECR
                default: from = (s & 1) * 2 + (k & 1); break;      // RC16
            }
            u32 byte = static_cast<u32>(pair >> 8 * (from & 7)) & 255;
            if (from & 8) byte = byte & 128 ? 255 : 0;
            made |= byte << 8 * k;
        }
        return made;
    });
}

/// d = the low b bits of a, extended; bit 0 of `variant`: with zeros, bit 1: b wraps at 32.
void extend(Warp &w, const Instruction &i, u32 mask) {
    const Source<false> a(w, i, 1, 0), b(w, i, 2, 1);
    const bool zeros = i.variant & 1, wraps = i.variant & 2;
    write_row(w.row(i.o[0]), mask, [=](int lane) {
        const u32 bits = wraps ? b(lane) & 31 : std::min(b(lane), 32u);
        if (bits == 0) return 0u;
        const u32 high = a(lane) << (32 - bits);
        return zeros ? high >> (32 - bits) : static_cast<u32>(static_cast<i32>(high) >> (32 - bits));
    });
}

/// d = b ones from bit a on; `variant` (W): both wrap at 32.
void ones(Warp &w, const Instruction &i, u32 mask) {
    const Source<false> a(w, i, 1, 0), b(w, i, 2, 1);
    const bool wraps = i.variant != 0;
    write_row(w.row(i.o[0]), mask, [=](int lane) {
        const u32 at = wraps ? a(lane) & 31 : std::min(a(lane), 32u), width = wraps ? b(lane) & 31 : std::min(b(lane), 32u);
        return static_cast<u32>(((1ull << width) - 1) << at);
    });
}

struct Ones { static u32 of(u32 x, u8) { return static_cast<u32>(std::popcount(x)); } };
struct Reversed {
    static u32 of(u32 x, u8) {
        x = (x >> 1 & 0x55555555u) | (x & 0x55555555u) << 1;
        x = (x >> 2 & 0x33333333u) | (x & 0x33333333u) << 2;
        x = (x >> 4 & 0x0f0f0f0fu) | (x & 0x0f0f0f0fu) << 4;
        return __builtin_bswap32(x);
    }
};
/// The place of the highest bit that counts; bit 0 of `variant`: signed (the highest that differs from the sign), bit 1
/// (SH): as the shift that brings it to the top. ~0 where there is none.
struct Leading {
    static u32 of(u32 x, u8 variant) {
        if ((variant & 1) && static_cast<i32>(x) < 0) x = ~x;
        if (x == 0) return FULL;
        const u32 zeros = static_cast<u32>(std::countl_zero(x));
        return variant & 2 ? zeros : 31 - zeros;
    }
};

template <class Operation>
void of_one(Warp &w, const Instruction &i, u32 mask) {
    const Source<false> a(w, i, 1, 0);
    const u8 variant = i.variant;
    write_row(w.row(i.o[0]), mask, [=](int lane) { return Operation::of(a(lane), variant); });
}

constexpr int PREDICATES = 7;

/// d = (predicates & mask b) | (a & ~b), from byte `variant` of d on. Slot 1 is the first of the seven predicates.
void predicates_to_row(Warp &w, const Instruction &i, u32 mask) {
    const u32 *predicates = w.row(i.o[1]);
    const Source<true> a(w, i, 2, 0), b(w, i, 3, 1);
    const int shift = 8 * i.variant;
    write_row(w.row(i.o[0]), mask, [=](int lane) {
        u32 bits = 0;
        for (int k = 0; k < PREDICATES; ++k) bits |= (predicates[k] >> lane & 1) << k;
        const u32 taken = b(lane) << shift;
        return (bits << shift & taken) | (a(lane) & ~taken);
    });
}

/// The predicates that mask b names = bits of byte `variant` of a. Slot 0 is the first of the seven.
void row_to_predicates(Warp &w, const Instruction &i, u32 mask) {
    u32 *predicates = w.row(i.o[0]);
    const Source<true> a(w, i, 1, 0), b(w, i, 2, 1);
    for (int k = 0; k < PREDICATES; ++k) {
        const u32 taken = lanes_where([=](int lane) { return (b(lane) >> k & 1) != 0; }) & mask;
        const int at = 8 * i.variant + k;
        write_mask(predicates[k], taken, lanes_where([=](int lane) { return (a(lane) >> at & 1) != 0; }));
    }
}

SASS_FORM(form_logic, "sass.lop3", logic3)
RegisterForm form_logic_test("sass.lop3.test", logic3_test), form_plop3("sass.plop3", predicate_logic);
#define SHIFT(identifier, name, left, is_signed, bits)                                          \
    RegisterForm identifier##_low("sass.shf." name ".lo", shift<left, false, is_signed, bits>); \
    RegisterForm identifier##_high("sass.shf." name ".hi", shift<left, true, is_signed, bits>);
SHIFT(form_shl32, "l.u32", true, false, 32)
SHIFT(form_shl64, "l.u64", true, false, 64)
SHIFT(form_shr_u32, "r.u32", false, false, 32)
SHIFT(form_shr_s32, "r.s32", false, true, 32)
SHIFT(form_shr_u64, "r.u64", false, false, 64)
SHIFT(form_shr_s64, "r.s64", false, true, 64)
#undef SHIFT
RegisterForm form_word_left("sass.shl", shift_word<true, false>), form_word_right("sass.shr.u32", shift_word<false, false>);
RegisterForm form_word_right_s("sass.shr.s32", shift_word<false, true>);
RegisterForm form_permute("sass.prmt", permute), form_extend("sass.sgxt", extend), form_ones("sass.bmsk", ones);
RegisterForm form_popc("sass.popc", of_one<Ones>), form_brev("sass.brev", of_one<Reversed>);
RegisterForm form_flo("sass.flo", of_one<Leading>);
RegisterForm form_p2r("sass.p2r", predicates_to_row), form_r2p("sass.r2p", row_to_predicates);

}  // namespace
}  // namespace simulate
