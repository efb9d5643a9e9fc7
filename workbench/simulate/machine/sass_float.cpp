// SASS: floats and doubles.
//
// `variant` of arithmetic: bits 0 and 1 the rounding (nearest, down, up, to zero), bit 2 FTZ (denormals are zero), bit 3
// SAT (held to 0..1).

#include <cfenv>
#include <cmath>

#include "sass.h"

namespace simulate {
namespace {

/// The host's rounding direction for as long as it lives.
struct Rounding {
    explicit Rounding(u8 variant) {
        constexpr int modes[] = {FE_TONEAREST, FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO};
        std::fesetround(modes[variant & 3]);
    }
    ~Rounding() { std::fesetround(FE_TONEAREST); }
    Rounding(const Rounding &) = delete;
};

inline f32 flushed(f32 x) {
    const u32 bits = as_bits(x);
    return (bits & 0x7f800000u) == 0 ? as_float(bits & 0x80000000u) : x;
}
inline f32 saturated(f32 x) { return x >= 1 ? 1.0f : x > 0 ? x : 0.0f; }

struct Sum { static f32 of(f32 a, f32 b, f32) { return a + b; } };
struct Product { static f32 of(f32 a, f32 b, f32) { return a * b; } };
struct Fused { static f32 of(f32 a, f32 b, f32 c) { return __builtin_fmaf(a, b, c); } };

/// d = operation(a, b, c); operations of two take a for the third.
template <class Operation, bool PLAIN>
void arithmetic(Warp &w, const Instruction &i, u32 mask) {
    constexpr bool three = std::is_same_v<Operation, Fused>;
    const FloatSource<PLAIN> a(w, i, 1, 0), b(w, i, 2, 1), c(w, i, three ? 3 : 1, three ? 2 : 0);
    u32 *to = w.row(i.o[0]);
    if (PLAIN || i.variant == 0) {
        write_row(to, mask, [=](int lane) { return as_bits(Operation::of(a(lane), b(lane), c(lane))); });
        return;
    }
    const bool ftz = i.variant & 4, sat = i.variant & 8;
    const Rounding rounding(i.variant);
    write_row(to, mask, [=](int lane) {
        f32 x = a(lane), y = b(lane), z = c(lane);
        if (ftz) x = flushed(x), y = flushed(y), z = flushed(z);
        f32 made = Operation::of(x, y, z);
        if (ftz) made = flushed(made);
        if (sat) made = saturated(made);
        return as_bits(made);
    });
}
template <bool PLAIN> constexpr auto add = arithmetic<Sum, PLAIN>;
template <bool PLAIN> constexpr auto multiply = arithmetic<Product, PLAIN>;
template <bool PLAIN> constexpr auto multiply_add = arithmetic<Fused, PLAIN>;

/// Two floats side by side in a pair of registers, each as the form of one does it.
template <auto ONE>
void of_pair(Warp &w, const Instruction &i, u32 mask) {
    Instruction high = i;
    for (int slot = 0; slot < 4; ++slot) high.o[slot] += LANES;
    ONE(w, i, mask), ONE(w, high, mask);
}

struct DoubleSum { static f64 of(f64 a, f64 b, f64) { return a + b; } };
struct DoubleProduct { static f64 of(f64 a, f64 b, f64) { return a * b; } };
struct DoubleFused { static f64 of(f64 a, f64 b, f64 c) { return __builtin_fma(a, b, c); } };

template <class Operation>
void arithmetic_double(Warp &w, const Instruction &i, u32 mask) {
    constexpr bool three = std::is_same_v<Operation, DoubleFused>;
    const DoubleSource a(w, i, 1, 0), b(w, i, 2, 1), c(w, i, three ? 3 : 1, three ? 2 : 0);
    const Rounding rounding(i.variant);
    write_pair(w.row(i.o[0]), mask, [=](int lane) { return as_bits(Operation::of(a(lane), b(lane), c(lane))); });
}

// A comparison whose name ends in U holds where either side is no number.
struct Less { template <class T> static bool of(T a, T b) { return a < b; } };
struct LessEqual { template <class T> static bool of(T a, T b) { return a <= b; } };
struct Greater { template <class T> static bool of(T a, T b) { return a > b; } };
struct GreaterEqual { template <class T> static bool of(T a, T b) { return a >= b; } };
struct Equal { template <class T> static bool of(T a, T b) { return a == b; } };
struct LessOrNot { template <class T> static bool of(T a, T b) { return !(a >= b); } };
struct LessEqualOrNot { template <class T> static bool of(T a, T b) { return !(a > b); } };
struct GreaterOrNot { template <class T> static bool of(T a, T b) { return !(a <= b); } };
struct GreaterEqualOrNot { template <class T> static bool of(T a, T b) { return !(a < b); } };
struct EqualOrNot { template <class T> static bool of(T a, T b) { return !(a < b) && !(a > b); } };
struct UnequalOrNot { template <class T> static bool of(T a, T b) { return a != b; } };
struct Unequal { template <class T> static bool of(T a, T b) { return a < b || a > b; } };
struct Numbers { template <class T> static bool of(T a, T b) { return a == a && b == b; } };
struct NoNumbers { template <class T> static bool of(T a, T b) { return a != a || b != b; } };

template <class Comparison>
u32 compared(Warp &w, const Instruction &i, int slot) {
    const FloatSource<false> a(w, i, slot, 0), b(w, i, slot + 1, 1);
    if (i.variant & 4) return lanes_where([=](int lane) { return Comparison::of(flushed(a(lane)), flushed(b(lane))); });
    return lanes_where([=](int lane) { return Comparison::of(a(lane), b(lane)); });
}

/// p, q = a ? b, joined with a predicate.
template <class Comparison>
void compare(Warp &w, const Instruction &i, u32 mask) {
    write_comparison(w, i, mask, compared<Comparison>(w, i, 2), predicate_source(w, i, 4));
}

/// d = 1.0 (bit 3 of `variant`, BF) or all ones where a ? b, joined with a predicate; else 0.
template <class Comparison>
void compare_to_row(Warp &w, const Instruction &i, u32 mask) {
    const u32 set = joined(compared<Comparison>(w, i, 1), predicate_source(w, i, 3), i.variant);
    const u32 one = i.variant & 8 ? 0x3f800000u : FULL;
    write_row(w.row(i.o[0]), mask, [=](int lane) { return set >> lane & 1 ? one : 0; });
}

template <class Comparison>
void compare_double(Warp &w, const Instruction &i, u32 mask) {
    const DoubleSource a(w, i, 2, 0), b(w, i, 3, 1);
    const u32 made = lanes_where([=](int lane) { return Comparison::of(a(lane), b(lane)); });
    write_comparison(w, i, mask, made, predicate_source(w, i, 4));
}

/// p = a is at most (or: at least) b, so that a select takes the least (most) of them, the number of a number and a NaN.
/// Of two zeros the negative one is less. q = both are NaN: what the select has taken is then made a quiet one.
template <bool LEAST>
void double_least_or_most(Warp &w, const Instruction &i, u32 mask) {
    const DoubleSource a(w, i, 2, 0), b(w, i, 3, 1);
    const u32 made = lanes_where([=](int lane) {
        const f64 x = a(lane), y = b(lane);
        if (x == y) return LEAST ? std::signbit(x) || !std::signbit(y) : !std::signbit(x) || std::signbit(y);
        return (LEAST ? x < y : x > y) || y != y;
    });
    const u32 nans = lanes_where([=](int lane) { return a(lane) != a(lane) && b(lane) != b(lane); });
    predicate_result(w, i, 0, mask, made & predicate_source(w, i, 4));
    predicate_result(w, i, 1, mask, nans);
}

/// The least or most of two, a number before a NaN; `nan`: a NaN before a number.
inline u32 least_or_most_of(f32 x, f32 y, bool take_least, bool nan) {
    if (x != x || y != y) {
        if (nan || (x != x && y != y)) return 0x7fffffffu;
        return as_bits(x != x ? y : x);
    }
    if (x == y) {  // of two zeros, the negative one is less
        return take_least ? as_bits(x) | as_bits(y) : as_bits(x) & as_bits(y);
    }
    return as_bits((x < y) == take_least ? x : y);
}

/// d = the least or most of a and b, or of a, b and c; bit 2 of `variant`: FTZ, bit 3: NAN.
template <bool THREE>
void least_or_most(Warp &w, const Instruction &i, u32 mask) {
    const FloatSource<false> a(w, i, 1, 0), b(w, i, 2, 1), c(w, i, THREE ? 3 : 2, THREE ? 2 : 1);
    const u32 least = predicate_source(w, i, THREE ? 4 : 3);
    const bool ftz = i.variant & 4, nan = i.variant & 8;
    write_row(w.row(i.o[0]), mask, [=](int lane) {
        f32 x = a(lane), y = b(lane), z = c(lane);
        if (ftz) x = flushed(x), y = flushed(y), z = flushed(z);
        const bool take_least = least >> lane & 1;
        const u32 made = least_or_most_of(x, y, take_least, nan);
        return THREE ? least_or_most_of(as_float(made), z, take_least, nan) : made;
    });
}

template <bool PLAIN>
void select(Warp &w, const Instruction &i, u32 mask) {
    const FloatSource<PLAIN> a(w, i, 1, 0), b(w, i, 2, 1);
    const u32 first = predicate_source(w, i, 3);
    write_row(w.row(i.o[0]), mask, [=](int lane) { return as_bits(first >> lane & 1 ? a(lane) : b(lane)); });
}

/// p = a / b needs the slow path of division: a side that is no number or 0, or exponents far apart.
void check_division(Warp &w, const Instruction &i, u32 mask) {
    const FloatSource<false> a(w, i, 1, 0), b(w, i, 2, 1);
    predicate_result(w, i, 0, mask, lanes_where([=](int lane) {
        const i32 x = static_cast<i32>(as_bits(a(lane)) >> 23 & 255), y = static_cast<i32>(as_bits(b(lane)) >> 23 & 255);
        return x == 255 || y == 255 || y == 0 || x < 24 || y > 252 || y - x > 125 || x - y > 125;
    }));
}

// ---- The special function unit: its results are within 1 or 2 units in the last place; here they are rounded. Denormals
// are zeros to it: where PTX keeps them, ptxas scales what goes in and what comes out.

/// 2^x by a polynomial in double precision, which vectorises: e^(r ln 2) for |r| <= 1/2.
inline f32 exp2_of(f32 x) {
    const f32 held = x < -200.0f ? -200.0f : x > 200.0f ? 200.0f : x;
    const f32 whole = __builtin_rintf(held);
    const f64 r = static_cast<f64>(held - whole) * 0.693147180559945309417;
    f64 p = 1.0 / 40320;
    p = p * r + 1.0 / 5040;
    p = p * r + 1.0 / 720;
    p = p * r + 1.0 / 120;
    p = p * r + 1.0 / 24;
    p = p * r + 1.0 / 6;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    const f64 scale = as_double(static_cast<u64>(static_cast<i64>(static_cast<i32>(whole)) + 1023) << 52);
    return x != x ? x : static_cast<f32>(p * scale);
}

struct Exp2 { static f32 of(f32 x) { return flushed(exp2_of(x)); } };
struct Log2 { static f32 of(f32 x) { return static_cast<f32>(std::log2(static_cast<f64>(flushed(x)))); } };
struct Reciprocal { static f32 of(f32 x) { return flushed(1.0f / flushed(x)); } };
struct ReciprocalRoot { static f32 of(f32 x) { return static_cast<f32>(1.0 / std::sqrt(static_cast<f64>(flushed(x)))); } };
struct Root { static f32 of(f32 x) { return std::sqrt(flushed(x)); } };
struct Tanh { static f32 of(f32 x) { return static_cast<f32>(std::tanh(static_cast<f64>(x))); } };
constexpr f64 TURN = 6.283185307179586476925;  // the unit takes turns, not radians
struct Sine { static f32 of(f32 x) { return static_cast<f32>(std::sin(static_cast<f64>(x) * TURN)); } };
struct Cosine { static f32 of(f32 x) { return static_cast<f32>(std::cos(static_cast<f64>(x) * TURN)); } };

template <class Function>
void special(Warp &w, const Instruction &i, u32 mask) {
    const FloatSource<false> a(w, i, 1, 0);
    write_row(w.row(i.o[0]), mask, [=](int lane) { return as_bits(Function::of(a(lane))); });
}

/// The high word of 1 / x or 1 / sqrt(x) for the double whose high word is a.
template <bool ROOT>
void special_high(Warp &w, const Instruction &i, u32 mask) {
    const FloatSource<false> a(w, i, 1, 0);
    write_row(w.row(i.o[0]), mask, [=](int lane) {
        const f64 x = as_double(static_cast<u64>(as_bits(a(lane))) << 32);
        return static_cast<u32>(as_bits(1.0 / (ROOT ? std::sqrt(x) : x)) >> 32);
    });
}

SASS_FORM(form_add, "sass.fadd", add)
SASS_FORM(form_multiply, "sass.fmul", multiply)
SASS_FORM(form_fused, "sass.ffma", multiply_add)
SASS_FORM(form_select, "sass.fsel", select)
RegisterForm form_dadd("sass.dadd", arithmetic_double<DoubleSum>), form_dmul("sass.dmul", arithmetic_double<DoubleProduct>);
RegisterForm form_dfma("sass.dfma", arithmetic_double<DoubleFused>), form_fmnmx("sass.fmnmx", least_or_most<false>);
RegisterForm form_fmnmx3("sass.fmnmx3", least_or_most<true>);
RegisterForm form_add2("sass.fadd2", of_pair<arithmetic<Sum, false>>);
RegisterForm form_multiply2("sass.fmul2", of_pair<arithmetic<Product, false>>);
RegisterForm form_fused2("sass.ffma2", of_pair<arithmetic<Fused, false>>);
RegisterForm form_fchk("sass.fchk", check_division);
RegisterForm form_dsetp_min("sass.dsetp.min", double_least_or_most<true>);
RegisterForm form_dsetp_max("sass.dsetp.max", double_least_or_most<false>);
#define COMPARE(word, Comparison)                                                       \
    RegisterForm form_##Comparison##_f("sass.fsetp." word, compare<Comparison>);        \
    RegisterForm form_##Comparison##_r("sass.fset." word, compare_to_row<Comparison>);  \
    RegisterForm form_##Comparison##_d("sass.dsetp." word, compare_double<Comparison>);
COMPARE("lt", Less) COMPARE("le", LessEqual) COMPARE("gt", Greater) COMPARE("ge", GreaterEqual)
COMPARE("eq", Equal) COMPARE("ne", Unequal) COMPARE("ltu", LessOrNot) COMPARE("leu", LessEqualOrNot)
COMPARE("gtu", GreaterOrNot) COMPARE("geu", GreaterEqualOrNot) COMPARE("equ", EqualOrNot)
COMPARE("neu", UnequalOrNot) COMPARE("num", Numbers) COMPARE("nan", NoNumbers)
#undef COMPARE
RegisterForm form_ex2("sass.mufu.ex2", special<Exp2>), form_lg2("sass.mufu.lg2", special<Log2>);
RegisterForm form_rcp("sass.mufu.rcp", special<Reciprocal>), form_rsq("sass.mufu.rsq", special<ReciprocalRoot>);
RegisterForm form_sqrt("sass.mufu.sqrt", special<Root>), form_tanh("sass.mufu.tanh", special<Tanh>);
RegisterForm form_sin("sass.mufu.sin", special<Sine>), form_cos("sass.mufu.cos", special<Cosine>);
RegisterForm form_rcp64("sass.mufu.rcp64h", special_high<false>), form_rsq64("sass.mufu.rsq64h", special_high<true>);

}  // namespace
}  // namespace simulate
