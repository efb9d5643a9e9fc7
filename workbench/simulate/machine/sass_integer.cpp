// SASS: integer arithmetic of 32 bits and its carries.

#include <algorithm>

#include "sass.h"

namespace simulate {
namespace {

void move(Warp &w, const Instruction &i, u32 mask) {
    const u32 *from = w.row(i.o[1]);
    write_row(w.row(i.o[0]), mask, [=](int lane) { return from[lane]; });
}

void move_pair(Warp &w, const Instruction &i, u32 mask) {
    const u32 *from = w.row(i.o[1]);
    u32 *to = w.row(i.o[0]);
    write_row(to, mask, [=](int lane) { return from[lane]; });
    write_row(to + LANES, mask, [=](int lane) { return from[LANES + lane]; });
}

/// d, p, q = a + b + c + carries: p where one was carried out, q where two were. A negated source is its complement plus
/// one, added in full: 0 - 0 carries.
void add3_carry(Warp &w, const Instruction &i, u32 mask) {
    const Source<false> a(w, i, 3, 0), b(w, i, 4, 1), c(w, i, 5, 2);
    const u32 first = predicate_source(w, i, 6), second = predicate_source(w, i, 7);
    const u32 plus = a.plus + b.plus + c.plus;
    alignas(64) u32 made[LANES], carry[LANES];
    for (int lane = 0; lane < LANES; ++lane) {
        const u32 x = (a.row[lane] & a.keep) ^ a.flip, y = (b.row[lane] & b.keep) ^ b.flip, z = (c.row[lane] & c.keep) ^ c.flip;
        const u32 two_of = x + y, three = two_of + z, all = three + (plus + (first >> lane & 1) + (second >> lane & 1));
        made[lane] = all;
        carry[lane] = static_cast<u32>(two_of < x) + static_cast<u32>(three < z) + static_cast<u32>(all < three);
    }
    write_row(w.row(i.o[0]), mask, [&](int lane) { return made[lane]; });
    predicate_result(w, i, 1, mask, lanes_where([&](int lane) { return carry[lane] > 0; }));
    predicate_result(w, i, 2, mask, lanes_where([&](int lane) { return carry[lane] > 1; }));
}

/// d, p = a + b: the low half of most additions of 64 bits.
void add_carry_out(Warp &w, const Instruction &i, u32 mask) {
    const u32 *a = w.row(i.o[2]), *b = w.row(i.o[3]);
    alignas(64) u32 made[LANES];
    for (int lane = 0; lane < LANES; ++lane) made[lane] = a[lane] + b[lane];
    const u32 carry = lanes_where([&](int lane) { return made[lane] < a[lane]; });
    write_row(w.row(i.o[0]), mask, [&](int lane) { return made[lane]; });
    predicate_result(w, i, 1, mask, carry);
}

/// d = a + b + carry: the high half.
void add_carry_in(Warp &w, const Instruction &i, u32 mask) {
    const u32 *a = w.row(i.o[1]), *b = w.row(i.o[2]);
    const u32 carry = predicate_source(w, i, 3);
    write_row(w.row(i.o[0]), mask, [=](int lane) { return a[lane] + b[lane] + (carry >> lane & 1); });
}

template <bool PLAIN>
void add3(Warp &w, const Instruction &i, u32 mask) {
    const Source<PLAIN> a(w, i, 1, 0), b(w, i, 2, 1), c(w, i, 3, 2);
    write_row(w.row(i.o[0]), mask, [=](int lane) { return a(lane) + b(lane) + c(lane); });
}

template <bool PLAIN>
void multiply_add(Warp &w, const Instruction &i, u32 mask) {
    const Source<PLAIN> a(w, i, 1, 0), b(w, i, 2, 1), c(w, i, 3, 2);
    write_row(w.row(i.o[0]), mask, [=](int lane) { return a(lane) * b(lane) + c(lane); });
}

/// d, p = a * b + c + carry: IMAD.X.
void multiply_add_carry(Warp &w, const Instruction &i, u32 mask) {
    const Source<false> a(w, i, 1, 0), b(w, i, 2, 1), c(w, i, 3, 2);
    const u32 carry = predicate_source(w, i, 4);
    write_row(w.row(i.o[0]), mask, [=](int lane) { return a(lane) * b(lane) + c(lane) + (carry >> lane & 1); });
}

template <bool SIGNED>
u64 product(u32 a, u32 b) {
    if constexpr (SIGNED) return static_cast<u64>(static_cast<i64>(static_cast<i32>(a)) * static_cast<i32>(b));
    return static_cast<u64>(a) * b;
}

/// The pair d = a * b + the pair c.
template <bool SIGNED, bool PLAIN>
void multiply_wide(Warp &w, const Instruction &i, u32 mask) {
    const Source<PLAIN> a(w, i, 1, 0), b(w, i, 2, 1);
    const WideSource<PLAIN> c(w, i, 3, 2);
    write_pair(w.row(i.o[0]), mask, [=](int lane) { return product<SIGNED>(a(lane), b(lane)) + c(lane); });
}
template <bool PLAIN> constexpr auto multiply_wide_signed = multiply_wide<true, PLAIN>;
template <bool PLAIN> constexpr auto multiply_wide_unsigned = multiply_wide<false, PLAIN>;

/// As multiply_wide with a carry in (slot 5) and out (slot 1); HIGH: d is the high word alone.
template <bool SIGNED, bool HIGH>
void multiply_wide_carry(Warp &w, const Instruction &i, u32 mask) {
    const Source<false> a(w, i, 2, 0), b(w, i, 3, 1);
    const WideSource<false> c(w, i, 4, 2);
    const u32 carry_in = predicate_source(w, i, 5);
    alignas(64) u64 made[LANES];
    alignas(64) u32 carry[LANES];
    for (int lane = 0; lane < LANES; ++lane) {
        const u64 ab = product<SIGNED>(a(lane), b(lane)), sum = ab + c(lane), all = sum + (carry_in >> lane & 1);
        made[lane] = all;
        carry[lane] = static_cast<u32>(sum < ab) | static_cast<u32>(all < sum);
    }
    if constexpr (HIGH) {
        write_row(w.row(i.o[0]), mask, [&](int lane) { return static_cast<u32>(made[lane] >> 32); });
    } else {
        write_pair(w.row(i.o[0]), mask, [&](int lane) { return made[lane]; });
    }
    predicate_result(w, i, 1, mask, lanes_where([&](int lane) { return carry[lane] != 0; }));
}

/// d, p = (a << n) + b, n in `variant`. A negated a is the complement of what was shifted, plus one that is added in full:
/// b - (0 << n) carries, which the high word of a difference of 64 bits then takes.
void shift_add(Warp &w, const Instruction &i, u32 mask) {
    const Source<false> a(w, i, 2, 0), b(w, i, 3, 1);
    const u32 shift = i.variant & 31, plus = a.plus + b.plus;
    alignas(64) u32 made[LANES], carry[LANES];
    for (int lane = 0; lane < LANES; ++lane) {
        const u32 shifted = ((a.row[lane] & a.keep) << shift) ^ a.flip;
        const u32 sum = shifted + ((b.row[lane] & b.keep) ^ b.flip), all = sum + plus;
        made[lane] = all;
        carry[lane] = static_cast<u32>(sum < shifted) | static_cast<u32>(all < sum);
    }
    write_row(w.row(i.o[0]), mask, [&](int lane) { return made[lane]; });
    predicate_result(w, i, 1, mask, lanes_where([&](int lane) { return carry[lane] != 0; }));
}

/// d, p = the high word of the pair (c : a) << n, plus b, plus a carry. SIGN: c is a's sign.
template <bool SIGN>
void shift_add_high(Warp &w, const Instruction &i, u32 mask) {
    const Source<false> a(w, i, 2, 0), b(w, i, 3, 1), c(w, i, 4, 2);
    const u32 carry_in = predicate_source(w, i, 5);
    const u32 shift = i.variant & 31;
    alignas(64) u32 made[LANES], carry[LANES];
    for (int lane = 0; lane < LANES; ++lane) {
        const u32 low = a(lane);
        const u32 high = SIGN ? static_cast<u32>(static_cast<i32>(low) >> 31) : c(lane);
        const u32 shifted = static_cast<u32>((low | static_cast<u64>(high) << 32) << shift >> 32);
        const u32 sum = shifted + ((b.row[lane] & b.keep) ^ b.flip), all = sum + (b.plus + (carry_in >> lane & 1));
        made[lane] = all;
        carry[lane] = static_cast<u32>(sum < shifted) + static_cast<u32>(all < sum);
    }
    write_row(w.row(i.o[0]), mask, [&](int lane) { return made[lane]; });
    predicate_result(w, i, 1, mask, lanes_where([&](int lane) { return carry[lane] != 0; }));
}

/// d = least or most of a and b; bit 0 of `variant`, RELU: what is below zero becomes zero.
template <class T>
void least_or_most(Warp &w, const Instruction &i, u32 mask) {
    const Source<false> a(w, i, 1, 0), b(w, i, 2, 1);
    const u32 least = predicate_source(w, i, 3);
    const bool relu = i.variant & 1;
    write_row(w.row(i.o[0]), mask, [=](int lane) {
        const u32 x = a(lane), y = b(lane);
        const bool below = static_cast<T>(x) < static_cast<T>(y);
        const u32 made = below == ((least >> lane & 1) != 0) ? x : y;
        return relu && static_cast<i32>(made) < 0 ? 0 : made;
    });
}

/// d = least or most of a, b and c.
template <class T>
void least_or_most3(Warp &w, const Instruction &i, u32 mask) {
    const Source<false> a(w, i, 1, 0), b(w, i, 2, 1), c(w, i, 3, 2);
    const u32 least = predicate_source(w, i, 4);
    write_row(w.row(i.o[0]), mask, [=](int lane) {
        const T x = static_cast<T>(a(lane)), y = static_cast<T>(b(lane)), z = static_cast<T>(c(lane));
        return static_cast<u32>(least >> lane & 1 ? std::min({x, y, z}) : std::max({x, y, z}));
    });
}

/// The same as least_or_most of both halves.
template <class T>
void least_or_most_halves(Warp &w, const Instruction &i, u32 mask) {
    const Source<true> a(w, i, 1, 0), b(w, i, 2, 1);
    const u32 least = predicate_source(w, i, 3);
    const bool relu = i.variant & 1;
    write_row(w.row(i.o[0]), mask, [=](int lane) {
        const auto one = [=](u32 left, u32 right) {
            const T x = static_cast<T>(left), y = static_cast<T>(right);
            const T made = (x < y) == ((least >> lane & 1) != 0) ? x : y;
            return static_cast<u32>(static_cast<u16>(relu ? std::max(made, T{0}) : made));
        };
        return one(a(lane), b(lane)) | one(a(lane) >> 16, b(lane) >> 16) << 16;
    });
}

/// The same of four bytes.
template <class T>
void least_or_most_bytes(Warp &w, const Instruction &i, u32 mask) {
    const Source<true> a(w, i, 1, 0), b(w, i, 2, 1);
    const u32 least = predicate_source(w, i, 3);
    write_row(w.row(i.o[0]), mask, [=](int lane) {
        u32 made = 0;
        for (u32 shift = 0; shift < 32; shift += 8) {
            const T x = static_cast<T>(a(lane) >> shift), y = static_cast<T>(b(lane) >> shift);
            made |= static_cast<u32>(static_cast<u8>((x < y) == ((least >> lane & 1) != 0) ? x : y)) << shift;
        }
        return made;
    });
}

/// d = a + b, byte by byte; a negated source is so byte by byte.
void add_bytes(Warp &w, const Instruction &i, u32 mask) {
    const Source<false> a(w, i, 1, 0), b(w, i, 2, 1);
    write_row(w.row(i.o[0]), mask, [=](int lane) {
        const u32 x = (a.row[lane] & a.keep) ^ a.flip, y = (b.row[lane] & b.keep) ^ b.flip;
        u32 made = 0;
        for (u32 shift = 0; shift < 32; shift += 8) made |= (((x >> shift) + (y >> shift) + a.plus + b.plus) & 255) << shift;
        return made;
    });
}

/// d = a + b, held to what a signed word has. A negated source is exact: less the least one is more than the most.
void add_saturated(Warp &w, const Instruction &i, u32 mask) {
    const Source<false> a(w, i, 1, 0), b(w, i, 2, 1);
    const auto whole = [](const Source<false> &s, int lane) {
        return static_cast<i64>(static_cast<i32>((s.row[lane] & s.keep) ^ s.flip)) + s.plus;
    };
    write_row(w.row(i.o[0]), mask, [=](int lane) {
        constexpr i64 most = 0x7fffffff;
        return static_cast<u32>(std::clamp(whole(a, lane) + whole(b, lane), -most - 1, most));
    });
}

/// d = least or most of a + b and c: VIADDMNMX.
template <class T>
void add_least_or_most(Warp &w, const Instruction &i, u32 mask) {
    const Source<false> a(w, i, 1, 0), b(w, i, 2, 1), c(w, i, 3, 2);
    const u32 least = predicate_source(w, i, 4);
    write_row(w.row(i.o[0]), mask, [=](int lane) {
        const u32 x = a(lane) + b(lane), y = c(lane);
        const bool below = static_cast<T>(x) < static_cast<T>(y);
        return below == ((least >> lane & 1) != 0) ? x : y;
    });
}

struct Less { template <class T> static bool of(T a, T b) { return a < b; } };
struct LessEqual { template <class T> static bool of(T a, T b) { return a <= b; } };
struct Greater { template <class T> static bool of(T a, T b) { return a > b; } };
struct GreaterEqual { template <class T> static bool of(T a, T b) { return a >= b; } };
struct Equal { template <class T> static bool of(T a, T b) { return a == b; } };
struct Unequal { template <class T> static bool of(T a, T b) { return a != b; } };
struct Never { template <class T> static bool of(T, T) { return false; } };
struct Always { template <class T> static bool of(T, T) { return true; } };

/// p, q = a ? b, joined with a predicate. With bit 2 of `variant` (EX) these are high words, and where they are equal
/// the comparison of the low words, slot 5, decides.
template <class T, class Comparison>
void compare(Warp &w, const Instruction &i, u32 mask) {
    const Source<false> a(w, i, 2, 0), b(w, i, 3, 1);
    u32 made = lanes_where([=](int lane) { return Comparison::of(static_cast<T>(a(lane)), static_cast<T>(b(lane))); });
    if (i.variant & 4) {
        const u32 equal = lanes_where([=](int lane) { return a(lane) == b(lane); });
        made = (made & ~equal) | (predicate_source(w, i, 5) & equal);
    }
    write_comparison(w, i, mask, made, predicate_source(w, i, 4));
}

template <bool PLAIN>
void select(Warp &w, const Instruction &i, u32 mask) {
    const Source<PLAIN> a(w, i, 1, 0), b(w, i, 2, 1);
    const u32 first = predicate_source(w, i, 3);
    write_row(w.row(i.o[0]), mask, [=](int lane) { return first >> lane & 1 ? a(lane) : b(lane); });
}

void absolute(Warp &w, const Instruction &i, u32 mask) {
    const Source<false> a(w, i, 1, 0);
    write_row(w.row(i.o[0]), mask, [=](int lane) {
        const u32 x = a(lane);
        return static_cast<i32>(x) < 0 ? 0 - x : x;
    });
}

/// d = |a - b| + c.
template <class T>
void absolute_difference(Warp &w, const Instruction &i, u32 mask) {
    const Source<false> a(w, i, 1, 0), b(w, i, 2, 1), c(w, i, 3, 2);
    write_row(w.row(i.o[0]), mask, [=](int lane) {
        const u32 x = a(lane), y = b(lane);
        return (static_cast<T>(x) < static_cast<T>(y) ? y - x : x - y) + c(lane);
    });
}

/// d = how far the bytes of a lie from those of b: four bytes, or (bit 0 of `variant`, ACC) their sum added to c.
void absolute_difference_bytes(Warp &w, const Instruction &i, u32 mask) {
    const Source<false> a(w, i, 1, 0), b(w, i, 2, 1), c(w, i, 3, 2);
    const bool sum = i.variant & 1;
    write_row(w.row(i.o[0]), mask, [=](int lane) {
        u32 made = sum ? c(lane) : 0;
        for (int k = 0; k < 32; k += 8) {
            const u32 x = a(lane) >> k & 255, y = b(lane) >> k & 255;
            made += (x < y ? y - x : x - y) << (sum ? 0 : k);
        }
        return made;
    });
}

i32 part(u32 word, int at, int bits, bool is_signed) {
    const u32 value = word >> at << (32 - bits);
    return is_signed ? static_cast<i32>(value) >> (32 - bits) : static_cast<i32>(value >> (32 - bits));
}

/// Sums of products of bytes (4A) or of halves with the low or high bytes (2A); bits 0 and 1 of `variant`: a, b signed,
/// bit 2: 2A, bit 3: high bytes.
void dot_product(Warp &w, const Instruction &i, u32 mask) {
    const Source<false> a(w, i, 1, 0), b(w, i, 2, 1), c(w, i, 3, 2);
    const u8 v = i.variant;
    write_row(w.row(i.o[0]), mask, [=](int lane) {
        u32 sum = c(lane);
        const int terms = v & 4 ? 2 : 4, bits = v & 4 ? 16 : 8;
        for (int k = 0; k < terms; ++k) {
            const int at = v & 4 ? 8 * k + (v & 8 ? 16 : 0) : 8 * k;
            sum += static_cast<u32>(part(a(lane), bits * k, bits, v & 1) * part(b(lane), at, 8, v & 2));
        }
        return sum;
    });
}

RegisterForm form_move("sass.mov", move), form_move_pair("sass.mov.64", move_pair);
RegisterForm form_carry_out("sass.iadd.out", add_carry_out), form_carry_in("sass.iadd.in", add_carry_in);
RegisterForm form_add3_carry("sass.iadd3.carry", add3_carry), form_imad_carry("sass.imad.x", multiply_add_carry);
SASS_FORM(form_add3, "sass.iadd3", add3)
SASS_FORM(form_imad, "sass.imad", multiply_add)
SASS_FORM(form_wide_signed, "sass.imad.wide.s32", multiply_wide_signed)
SASS_FORM(form_wide_unsigned, "sass.imad.wide.u32", multiply_wide_unsigned)
RegisterForm form_wide_carry_s("sass.imad.wide.carry.s32", multiply_wide_carry<true, false>);
RegisterForm form_wide_carry_u("sass.imad.wide.carry.u32", multiply_wide_carry<false, false>);
RegisterForm form_high_s("sass.imad.hi.s32", multiply_wide_carry<true, true>);
RegisterForm form_high_u("sass.imad.hi.u32", multiply_wide_carry<false, true>);
RegisterForm form_lea("sass.lea", shift_add), form_lea_hi("sass.lea.hi", shift_add_high<false>);
RegisterForm form_lea_sx("sass.lea.hi.sx32", shift_add_high<true>);
RegisterForm form_mnmx_s("sass.imnmx.s32", least_or_most<i32>), form_mnmx_u("sass.imnmx.u32", least_or_most<u32>);
RegisterForm form_mnmx3_s("sass.vimnmx3.s32", least_or_most3<i32>), form_mnmx3_u("sass.vimnmx3.u32", least_or_most3<u32>);
RegisterForm form_mnmx_s2("sass.imnmx.s16x2", least_or_most_halves<i16>);
RegisterForm form_mnmx_u2("sass.imnmx.u16x2", least_or_most_halves<u16>);
RegisterForm form_mnmx_s4("sass.imnmx.s8x4", least_or_most_bytes<i8>);
RegisterForm form_mnmx_u4("sass.imnmx.u8x4", least_or_most_bytes<u8>);
RegisterForm form_add_bytes("sass.viadd.u8x4", add_bytes);
RegisterForm form_add_saturated("sass.viadd.s32.sat", add_saturated);
RegisterForm form_addmnmx_s("sass.viaddmnmx.s32", add_least_or_most<i32>);
RegisterForm form_addmnmx_u("sass.viaddmnmx.u32", add_least_or_most<u32>);
SASS_FORM(form_select, "sass.sel", select)
RegisterForm form_absolute("sass.iabs", absolute);
RegisterForm form_difference_s("sass.vabsdiff.s32", absolute_difference<i32>);
RegisterForm form_difference_u("sass.vabsdiff.u32", absolute_difference<u32>);
RegisterForm form_difference4("sass.vabsdiff4.u8", absolute_difference_bytes);
RegisterForm form_dot("sass.idp", dot_product);

#define COMPARE(word, Comparison)                                                  \
    RegisterForm form_##Comparison##_s("sass.isetp." word ".s32", compare<i32, Comparison>); \
    RegisterForm form_##Comparison##_u("sass.isetp." word ".u32", compare<u32, Comparison>);
COMPARE("lt", Less) COMPARE("le", LessEqual) COMPARE("gt", Greater) COMPARE("ge", GreaterEqual)
COMPARE("eq", Equal) COMPARE("ne", Unequal) COMPARE("f", Never) COMPARE("t", Always)
#undef COMPARE

}  // namespace
}  // namespace simulate
