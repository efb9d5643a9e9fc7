// f32 and f64: IEEE arithmetic with flushed denormals, saturation and the four roundings, and the approximate functions,
// which the host computes to about one unit in the last place.

#include <algorithm>
#include <cmath>

#include "forms.h"
#include "rounding.h"

namespace simulate {
namespace {

template <class T>
using Bits = std::conditional_t<sizeof(T) == 8, u64, u32>;

/// The NaN of every f32 result; f64 keeps payloads.
inline f32 canonical(f32 x) { return x == x ? x : as_float(0x7fffffff); }
inline f64 canonical(f64 x) { return x; }

inline f32 flush(f32 x) {
    const u32 bits = as_bits(x);
    return as_float((bits & 0x7f800000) == 0 ? bits & 0x80000000 : bits);
}
inline f64 flush(f64 x) { return x; }

/// Into [0, 1]; NaN becomes 0.
template <class T>
inline T saturate(T x) {
    const T low = x > 0 ? x : T{0};
    return low < 1 ? low : T{1};
}

/// An operation with flushed sources and result, and a saturated result.
template <class Operation, bool FLUSH, bool SATURATE>
struct Modified {
    template <class T, class... Rest>
    static T of(T a, Rest... rest) {
        T made;
        if constexpr (FLUSH) {
            made = flush(Operation::of(flush(a), flush(rest)...));
        } else {
            made = Operation::of(a, rest...);
        }
        if constexpr (SATURATE) return saturate(made);
        return canonical(made);
    }
};

struct Add { template <class T> static T of(T a, T b) { return a + b; } };
struct Subtract { template <class T> static T of(T a, T b) { return a - b; } };
struct Multiply { template <class T> static T of(T a, T b) { return a * b; } };
struct Divide { template <class T> static T of(T a, T b) { return a / b; } };
struct MultiplyAdd { template <class T> static T of(T a, T b, T c) { return std::fma(a, b, c); } };
struct Reciprocal { template <class T> static T of(T a) { return T{1} / a; } };
struct Root { template <class T> static T of(T a) { return std::sqrt(a); } };
struct ReciprocalRoot { template <class T> static T of(T a) { return T{1} / std::sqrt(a); } };
struct Logarithm { static f32 of(f32 a) { return std::log2(a); } };
struct Sine { static f32 of(f32 a) { return std::sin(a); } };
struct Cosine { static f32 of(f32 a) { return std::cos(a); } };
struct Tangent { static f32 of(f32 a) { return std::tanh(a); } };

/// 2^a by a polynomial over [-1/2, 1/2] (its error is below 2^-27), scaled in two steps so that denormals come out too.
struct Exponential {
    static f32 of(f32 a) {
        const f32 kept = std::min(std::max(a, -152.0f), 129.0f);
        const f32 shifted = kept + 0x1.8p23f;  // the nearest integer, in the low bits of the sum
        const i32 whole = static_cast<i32>(as_bits(shifted) - as_bits(0x1.8p23f));
        const f32 r = kept - (shifted - 0x1.8p23f);
        f32 p = 1.5403530e-4f;
        p = std::fma(p, r, 1.3333558e-3f);
        p = std::fma(p, r, 9.6181291e-3f);
        p = std::fma(p, r, 5.5504109e-2f);
        p = std::fma(p, r, 2.4022651e-1f);
        p = std::fma(p, r, 6.9314718e-1f);
        p = std::fma(p, r, 1.0f);
        const i32 half = whole >> 1;
        const f32 first = as_float(static_cast<u32>(half + 127) << 23);
        const f32 second = as_float(static_cast<u32>(whole - half + 127) << 23);
        const f32 made = p * first * second;
        return a == a ? made : a;
    }
};

/// One NaN gives way to the other operand, -0 is less than +0.
struct Least {
    template <class T> static T of(T a, T b) {
        const T zeros = std::bit_cast<T>(std::bit_cast<Bits<T>>(a) | std::bit_cast<Bits<T>>(b));
        const T made = a < b ? a : a == b ? zeros : b;
        return a == a ? (b == b ? made : a) : b;
    }
};
struct Most {
    template <class T> static T of(T a, T b) {
        const T zeros = std::bit_cast<T>(std::bit_cast<Bits<T>>(a) & std::bit_cast<Bits<T>>(b));
        const T made = a > b ? a : a == b ? zeros : b;
        return a == a ? (b == b ? made : a) : b;
    }
};
template <class Operation>
struct NanWins {
    template <class T> static T of(T a, T b) { return a != a ? a : b != b ? b : Operation::of(a, b); }
};
template <class Operation>
struct OfSizes {  ///< .xorsign.abs
    template <class T> static T of(T a, T b) {
        const T sign = std::bit_cast<T>(std::bit_cast<Bits<T>>(a) ^ std::bit_cast<Bits<T>>(b));
        return std::copysign(Operation::of(std::fabs(a), std::fabs(b)), sign);
    }
};

template <class T> struct Negate { static T of(T a) { return std::bit_cast<T>(std::bit_cast<Bits<T>>(a) ^ Bits<T>{1} << (8 * sizeof(T) - 1)); } };
template <class T> struct Absolute { static T of(T a) { return std::bit_cast<T>(std::bit_cast<Bits<T>>(a) & ~(Bits<T>{1} << (8 * sizeof(T) - 1))); } };
template <class T> struct SignOf { static T of(T a, T b) { return std::copysign(b, a); } };
struct FlushedNegate { static f32 of(f32 a) { return Negate<f32>::of(flush(a)); } };
struct FlushedAbsolute { static f32 of(f32 a) { return Absolute<f32>::of(flush(a)); } };

/// The approximate functions of f64 keep the high word alone.
template <class Operation>
struct HighWord { static f64 of(f64 a) { return as_double(as_bits(Operation::of(a)) & ~0xffffffffull); } };

enum class Test { finite, infinite, number, not_a_number, normal, subnormal };
template <class T, Test TEST>
void test(Warp &w, const Instruction &i, u32 mask) {
    const u32 *a = w.row(i.o[1]);
    const u32 made = lanes_where([=](int lane) {
        const T x = get<T>(a, lane);
        const int kind = std::fpclassify(x);
        switch (TEST) {
            case Test::finite: return kind != FP_NAN && kind != FP_INFINITE;
            case Test::infinite: return kind == FP_INFINITE;
            case Test::number: return kind != FP_NAN;
            case Test::not_a_number: return kind == FP_NAN;
            case Test::normal: return kind == FP_NORMAL || kind == FP_ZERO;
            case Test::subnormal: return kind == FP_SUBNORMAL;
        }
        return false;
    });
    write_mask(w.predicate(i.o[0]), mask, made);
}

template <class Operation, int SOURCES, class T, bool FLUSH, bool SATURATE>
constexpr Form form() {
    using Whole = Modified<Operation, FLUSH, SATURATE>;
    if constexpr (SOURCES == 1) return unary<T, T, Whole>;
    else if constexpr (SOURCES == 2) return binary<T, T, Whole>;
    else return ternary<T, T, Whole>;
}

/// Two floats side by side in 64 bits: each as the form of one does it.
template <Form ONE>
void of_two(Warp &w, const Instruction &i, u32 mask) {
    Instruction high = i;
    for (int slot = 0; slot < 4; ++slot) high.o[slot] += LANES;
    ONE(w, i, mask), ONE(w, high, mask);
}

/// Every combination of rounding, .ftz and (for sums and products) .sat; of those also two at once.
template <class Operation, int SOURCES, bool SATURATES>
void exact(const Name &name) {
    register_roundings<form<Operation, SOURCES, f32, false, false>()>(name, ".f32");
    register_roundings<form<Operation, SOURCES, f32, true, false>()>(name, ".ftz.f32");
    register_roundings<form<Operation, SOURCES, f64, false, false>()>(name, ".f64");
    if constexpr (SATURATES) {
        register_roundings<form<Operation, SOURCES, f32, false, true>()>(name, ".sat.f32");
        register_roundings<form<Operation, SOURCES, f32, true, true>()>(name, ".ftz.sat.f32");
        register_roundings<of_two<form<Operation, SOURCES, f32, false, false>()>>(name, ".f32x2");
        register_roundings<of_two<form<Operation, SOURCES, f32, true, false>()>>(name, ".ftz.f32x2");
    }
}

template <class Operation, int SOURCES = 1>
void approximate(const Name &name) {
    RegisterForm(name + ".f32", form<Operation, SOURCES, f32, false, false>());
    RegisterForm(name + ".ftz.f32", form<Operation, SOURCES, f32, true, false>());
}

template <class Operation>
void ordering(const Name &name) {
    approximate<Operation, 2>(name);
    approximate<NanWins<Operation>, 2>(name + ".NaN");
    approximate<OfSizes<Operation>, 2>(name + ".xorsign.abs");
    RegisterForm(name + ".f64", binary<f64, f64, Operation>);
}

const bool registered = [] {
    exact<Add, 2, true>("add");
    exact<Subtract, 2, true>("sub");
    exact<Multiply, 2, true>("mul");
    exact<MultiplyAdd, 3, true>("fma");
    exact<Divide, 2, false>("div");
    exact<Reciprocal, 1, false>("rcp");
    exact<Root, 1, false>("sqrt");
    approximate<ReciprocalRoot>("rsqrt");
    approximate<Logarithm>("lg2");
    approximate<Exponential>("ex2");
    approximate<Sine>("sin");
    approximate<Cosine>("cos");
    approximate<Tangent>("tanh");
    ordering<Least>("min");
    ordering<Most>("max");
    return true;
}();

template <class T, Test... TESTS>
void tests(const char *const (&names)[sizeof...(TESTS)]) {
    int k = 0;
    (RegisterForm("testp." + Name(names[k++]) + "." + type_name<T>(), test<T, TESTS>), ...);
}

const bool others = for_types<f32, f64>([]<class T>() {
    const Name type = Name(".") + type_name<T>();
    RegisterForm("neg" + type, unary<T, T, Negate<T>>);
    RegisterForm("abs" + type, unary<T, T, Absolute<T>>);
    RegisterForm("copysign" + type, binary<T, T, SignOf<T>>);
    tests<T, Test::finite, Test::infinite, Test::number, Test::not_a_number, Test::normal, Test::subnormal>(
        {"finite", "infinite", "number", "notanumber", "normal", "subnormal"});
});

RegisterForm odd_ones[] = {
    {"neg.ftz.f32", unary<f32, f32, FlushedNegate>},
    {"abs.ftz.f32", unary<f32, f32, FlushedAbsolute>},
    {"rcp.approx.f64", unary<f64, f64, HighWord<Reciprocal>>},
    {"rsqrt.approx.f64", unary<f64, f64, HighWord<ReciprocalRoot>>},
};

}  // namespace
}  // namespace simulate
