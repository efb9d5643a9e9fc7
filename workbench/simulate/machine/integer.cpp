// Integer arithmetic, typed as PTX types it. A register of 8 or 16 bits is a row whose high bits mean nothing.

#include <algorithm>
#include <limits>

#include "forms.h"

namespace simulate {
namespace {

template <class T>
using Wrapping = std::make_unsigned_t<T>;
template <class T>
using Wide = std::conditional_t<sizeof(T) == 2, std::conditional_t<std::is_signed_v<T>, i32, u32>,
                                std::conditional_t<sizeof(T) == 4, std::conditional_t<std::is_signed_v<T>, i64, u64>,
                                                   std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>>>;

// Signed overflow wraps on a GPU: arithmetic is done on the unsigned twin.
template <class T> struct Add { static T of(T a, T b) { return static_cast<T>(static_cast<Wrapping<T>>(static_cast<Wrapping<T>>(a) + static_cast<Wrapping<T>>(b))); } };
template <class T> struct Subtract { static T of(T a, T b) { return static_cast<T>(static_cast<Wrapping<T>>(static_cast<Wrapping<T>>(a) - static_cast<Wrapping<T>>(b))); } };
template <class T> struct Multiply {
    using Product = std::conditional_t<sizeof(T) == 8, u64, u32>;
    static T of(T a, T b) { return static_cast<T>(static_cast<Product>(a) * static_cast<Product>(b)); }
};
template <class T> struct High { static T of(T a, T b) { return static_cast<T>(static_cast<Wide<T>>(a) * static_cast<Wide<T>>(b) >> 8 * sizeof(T)); } };
template <class T> struct Least { static T of(T a, T b) { return std::min(a, b); } };
template <class T> struct Most { static T of(T a, T b) { return std::max(a, b); } };
template <class T> struct Negate { static T of(T a) { return Subtract<T>::of(0, a); } };
template <class T> struct Absolute { static T of(T a) { return a < 0 ? Negate<T>::of(a) : a; } };
template <class T> struct MultiplyAdd { static T of(T a, T b, T c) { return Add<T>::of(Multiply<T>::of(a, b), c); } };
template <class T> struct HighAdd { static T of(T a, T b, T c) { return Add<T>::of(High<T>::of(a, b), c); } };
/// Division by zero is undefined: all ones, as the hardware's sequence happens to give.
template <class T> struct Divide {
    static T of(T a, T b) {
        if (b == 0) return static_cast<T>(-1);
        if constexpr (std::is_signed_v<T>) { if (b == -1) return Negate<T>::of(a); }
        return static_cast<T>(a / b);
    }
};
template <class T> struct Remainder {
    static T of(T a, T b) {
        if (b == 0) return a;
        if constexpr (std::is_signed_v<T>) { if (b == -1) return 0; }
        return static_cast<T>(a % b);
    }
};
/// Shifts by the width and more give zeros, or copies of the sign.
template <class T> struct ShiftRight {
    static T of(T a, u32 by) {
        constexpr u32 width = 8 * sizeof(T);
        if constexpr (std::is_signed_v<T>) return static_cast<T>(a >> std::min(by, width - 1));
        const T made = static_cast<T>(a >> (by & (width - 1)));
        return by >= width ? 0 : made;
    }
};
template <class T> struct ShiftLeft {
    static T of(T a, u32 by) {
        constexpr u32 width = 8 * sizeof(T);
        const T made = static_cast<T>(a << (by & (width - 1)));
        return by >= width ? 0 : made;
    }
};
template <class T> struct Widening { static Wide<T> of(T a, T b) { return static_cast<Wide<T>>(a) * static_cast<Wide<T>>(b); } };
template <class T> struct WideningAdd { static Wide<T> of(T a, T b, Wide<T> c) { return Add<Wide<T>>::of(Widening<T>::of(a, b), c); } };
template <class T> struct Distance { static T of(T a, T b, T c) { return Add<T>::of(c, a < b ? Subtract<T>::of(b, a) : Subtract<T>::of(a, b)); } };

/// What is below zero becomes zero: .relu.
template <class T, class Operation>
struct NotBelowZero { static T of(T a, T b) { return std::max(Operation::of(a, b), T{0}); } };
/// The same on both halves of a register.
template <class T, class Operation>
struct Halves {
    static u32 of(u32 a, u32 b) {
        const auto one = [](u32 x, u32 y) { return static_cast<u16>(Operation::of(static_cast<T>(x), static_cast<T>(y))); };
        return one(a, b) | static_cast<u32>(one(a >> 16, b >> 16)) << 16;
    }
};

i32 saturated(i64 value) { return static_cast<i32>(std::clamp<i64>(value, INT32_MIN, INT32_MAX)); }
struct AddSaturated { static i32 of(i32 a, i32 b) { return saturated(static_cast<i64>(a) + b); } };
struct SubtractSaturated { static i32 of(i32 a, i32 b) { return saturated(static_cast<i64>(a) - b); } };
struct HighAddSaturated { static i32 of(i32 a, i32 b, i32 c) { return saturated(static_cast<i64>(High<i32>::of(a, b)) + c); } };

/// The low 24 bits of a, with its sign where T has one.
template <class T> i64 low24(T a) { return std::is_signed_v<T> ? static_cast<i32>(static_cast<u32>(a) << 8) >> 8 : static_cast<i64>(a & 0xffffff); }
template <class T> struct Low24 { static T of(T a, T b) { return static_cast<T>(low24(a) * low24(b)); } };
template <class T> struct High24 { static T of(T a, T b) { return static_cast<T>(low24(a) * low24(b) >> 16); } };
template <class T> struct Low24Add { static T of(T a, T b, T c) { return Add<T>::of(Low24<T>::of(a, b), c); } };
template <class T> struct High24Add { static T of(T a, T b, T c) { return Add<T>::of(High24<T>::of(a, b), c); } };

template <class T> struct And { static T of(T a, T b) { return a & b; } };
template <class T> struct Or { static T of(T a, T b) { return a | b; } };
template <class T> struct Xor { static T of(T a, T b) { return a ^ b; } };
template <class T> struct Not { static T of(T a) { return static_cast<T>(~a); } };
template <class T> struct Zero { static T of(T a) { return a == 0 ? 1 : 0; } };
template <class T> struct Move { static T of(T a) { return a; } };

/// Division and remainder: what a zero below gives is unspecified, and told to who looks on.
template <class T, class Operation>
void divide(Warp &w, const Instruction &i, u32 mask) {
    const u32 *b = w.row(i.o[2]);
    if (const u32 zeros = mask & lanes_where([=](int lane) { return get<T>(b, lane) == 0; }); zeros != 0) {
        for (Observer *o : w.machine().observers) o->divided_by_zero(w, i, zeros);
    }
    binary<T, T, Operation>(w, i, mask);
}

/// Sums with a carry: o[last] is the predicate of carries. A subtraction's carry is its borrow.
enum class Carry { out, in, both };

template <class T, Carry CARRY, bool SUBTRACT>
void add_with_carry(Warp &w, const Instruction &i, u32 mask) {
    const u32 *a = w.row(i.o[1]), *b = w.row(i.o[2]);
    const u32 carries = CARRY == Carry::out ? 0 : w.predicate(i.o[3]);
    T made[LANES];
    u32 out = 0;
    for (int lane = 0; lane < LANES; ++lane) {
        const T x = get<T>(a, lane), y = get<T>(b, lane), in = carries >> lane & 1;
        const T first = SUBTRACT ? x - y : x + y;
        made[lane] = SUBTRACT ? first - in : first + in;
        const bool over = SUBTRACT ? x < y || first < in : first < x || made[lane] < first;
        out |= static_cast<u32>(over) << lane;
    }
    put<T>(w.row(i.o[0]), mask, [&](int lane) { return made[lane]; });
    if (CARRY != Carry::in) write_mask(w.predicate(i.o[3]), mask, out);
}

/// The low or high half of a product, plus c, plus the carry.
template <class T, Carry CARRY, bool HIGH, class U>
void multiply_add_with_carry(Warp &w, const Instruction &i, u32 mask) {
    const u32 *a = w.row(i.o[1]), *b = w.row(i.o[2]), *c = w.row(i.o[3]);
    const u32 carries = CARRY == Carry::out ? 0 : w.predicate(i.o[4]);
    U made[LANES];
    u32 out = 0;
    for (int lane = 0; lane < LANES; ++lane) {
        const T x = get<T>(a, lane), y = get<T>(b, lane);
        const U product = static_cast<U>(HIGH ? High<T>::of(x, y) : Multiply<T>::of(x, y)), in = carries >> lane & 1;
        const U first = product + get<U>(c, lane);
        made[lane] = first + in;
        out |= static_cast<u32>(first < product || made[lane] < first) << lane;
    }
    put<U>(w.row(i.o[0]), mask, [&](int lane) { return made[lane]; });
    if (CARRY != Carry::in) write_mask(w.predicate(i.o[4]), mask, out);
}

template <class T, Carry CARRY>
void register_carries(const Name &plain, const Name &product) {
    using U = Wrapping<T>;
    const Name type = Name(".") + type_name<T>(), cc = CARRY == Carry::in ? "" : ".cc";
    RegisterForm("add" + plain + cc + type, add_with_carry<U, CARRY, false>);
    RegisterForm("sub" + plain + cc + type, add_with_carry<U, CARRY, true>);
    RegisterForm(product + ".lo" + cc + type, multiply_add_with_carry<T, CARRY, false, U>);
    RegisterForm(product + ".hi" + cc + type, multiply_add_with_carry<T, CARRY, true, U>);
}

const bool every_integer = for_types<u16, i16, u32, i32, u64, i64>([]<class T>() {
    const Name type = Name(".") + type_name<T>();
    RegisterForm("mul.lo" + type, binary<T, T, Multiply<T>>);
    RegisterForm("mul.hi" + type, binary<T, T, High<T>>);
    RegisterForm("mad.lo" + type, ternary<T, T, MultiplyAdd<T>>);
    RegisterForm("mad.hi" + type, ternary<T, T, HighAdd<T>>);
    RegisterForm("div" + type, divide<T, Divide<T>>);
    RegisterForm("rem" + type, divide<T, Remainder<T>>);
    RegisterForm("min" + type, binary<T, T, Least<T>>);
    RegisterForm("max" + type, binary<T, T, Most<T>>);
    RegisterForm("sad" + type, ternary<T, T, Distance<T>>);
    RegisterForm("shr" + type, binary<T, T, ShiftRight<T>, u32>);
    if constexpr (std::is_signed_v<T>) {
        RegisterForm("neg" + type, unary<T, T, Negate<T>>);
        RegisterForm("abs" + type, unary<T, T, Absolute<T>>);
    }
    if constexpr (sizeof(T) < 8) {
        RegisterForm("add" + type, binary<T, T, Add<T>>);
        RegisterForm("sub" + type, binary<T, T, Subtract<T>>);
        RegisterForm("mul.wide" + type, binary<Wide<T>, T, Widening<T>>);
        RegisterForm("mad.wide" + type, ternary<Wide<T>, T, WideningAdd<T>, Wide<T>>);
    }
});

const bool carries = for_types<u32, i32, u64, i64>([]<class T>() {
    register_carries<T, Carry::out>("", "mad");
    register_carries<T, Carry::in>("c", "madc");
    register_carries<T, Carry::both>("c", "madc");
});

const bool of_24_bits = for_types<u32, i32>([]<class T>() {
    const Name type = Name(".") + type_name<T>();
    RegisterForm("mul24.lo" + type, binary<T, T, Low24<T>>);
    RegisterForm("mul24.hi" + type, binary<T, T, High24<T>>);
    RegisterForm("mad24.lo" + type, ternary<T, T, Low24Add<T>>);
    RegisterForm("mad24.hi" + type, ternary<T, T, High24Add<T>>);
});

/// Bits: the same for every type of a width.
const bool bits = for_types<u16, u32>([]<class T>() {
    const Name type = sizeof(T) == 4 ? ".b32" : ".b16";
    RegisterForm("and" + type, binary<T, T, And<T>>);
    RegisterForm("or" + type, binary<T, T, Or<T>>);
    RegisterForm("xor" + type, binary<T, T, Xor<T>>);
    RegisterForm("not" + type, unary<T, T, Not<T>>);
    RegisterForm("shl" + type, binary<T, T, ShiftLeft<T>, u32>);
    RegisterForm("mov" + type, unary<T, T, Move<T>>);
});

const bool of_two_halves = for_types<u16, i16>([]<class T>() {
    const Name type = Name(".") + type_name<T>() + "x2";
    RegisterForm("add" + type, binary<u32, u32, Halves<T, Add<T>>>);
    RegisterForm("min" + type, binary<u32, u32, Halves<T, Least<T>>>);
    RegisterForm("max" + type, binary<u32, u32, Halves<T, Most<T>>>);
});
RegisterForm not_below_zero[] = {
    {"min.relu.s16x2", binary<u32, u32, Halves<i16, NotBelowZero<i16, Least<i16>>>>},
    {"max.relu.s16x2", binary<u32, u32, Halves<i16, NotBelowZero<i16, Most<i16>>>>},
    {"min.relu.s32", binary<i32, i32, NotBelowZero<i32, Least<i32>>>},
    {"max.relu.s32", binary<i32, i32, NotBelowZero<i32, Most<i32>>>},
};
RegisterForm saturating[] = {
    {"add.sat.s32", binary<i32, i32, AddSaturated>},
    {"sub.sat.s32", binary<i32, i32, SubtractSaturated>},
    {"mad.hi.sat.s32", ternary<i32, i32, HighAddSaturated>},
};
RegisterForm zeros[] = {
    {"cnot.b16", unary<u16, u16, Zero<u16>>},
    {"cnot.b32", unary<u32, u32, Zero<u32>>},
    {"cnot.b64", unary<u64, u64, Zero<u64>>},
};

}  // namespace
}  // namespace simulate
