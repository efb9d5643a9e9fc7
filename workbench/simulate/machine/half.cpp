// f16 and bf16, by themselves and two to a register. Sources are widened, results rounded once.

#include "forms.h"
#include "numbers.h"

namespace simulate {
namespace {

struct F16 {
    static constexpr const char *name = "f16";
    static constexpr u16 exponent = 0x7c00;
    static f32 wide(u16 bits) { return from_f16(bits); }
    static u16 narrowed(f64 value) { return to_f16(to_odd(value)); }
};
struct Bf16 {
    static constexpr const char *name = "bf16";
    static constexpr u16 exponent = 0x7f80;
    static f32 wide(u16 bits) { return from_bf16(bits); }
    static u16 narrowed(f64 value) { return to_bf16(to_odd(value)); }
};

struct Add { static f64 of(f64 a, f64 b) { return sum_to_odd(a, b); } };
struct Subtract { static f64 of(f64 a, f64 b) { return sum_to_odd(a, -b); } };
struct Multiply { static f64 of(f64 a, f64 b) { return a * b; } };
struct MultiplyAdd { static f64 of(f64 a, f64 b, f64 c) { return sum_to_odd(a * b, c); } };
struct Exponential { static f64 of(f64 a) { return std::exp2(a); } };
struct Tangent { static f64 of(f64 a) { return std::tanh(a); } };
struct Least {
    static f64 of(f64 a, f64 b) { return a == b ? (std::signbit(a) ? a : b) : std::fmin(a, b); }
};
struct Most {
    static f64 of(f64 a, f64 b) { return a == b ? (std::signbit(a) ? b : a) : std::fmax(a, b); }
};
struct LeastOrNan { static f64 of(f64 a, f64 b) { return a != a ? a : b != b ? b : Least::of(a, b); } };
struct MostOrNan { static f64 of(f64 a, f64 b) { return a != a ? a : b != b ? b : Most::of(a, b); } };

enum class After { nothing, saturate, relu };

/// An operation on sixteen bits: flushed sources and result, and what is done to the result.
template <class H, class Operation, bool FLUSH, After AFTER>
struct Half {
    static u16 flushed(u16 bits) { return FLUSH && (bits & H::exponent) == 0 ? bits & 0x8000 : bits; }
    template <class... Sources>
    static u16 of(Sources... sources) {
        f64 made = Operation::of(static_cast<f64>(H::wide(flushed(sources)))...);
        if constexpr (AFTER == After::saturate) made = made > 0 ? std::fmin(made, 1.0) : 0.0;
        if constexpr (AFTER == After::relu) made = made <= 0 ? 0.0 : made;  // -0 too
        return flushed(H::narrowed(made));
    }
};

/// The same on both halves of a register.
template <class Operation>
struct Halves {
    template <class... Sources>
    static u32 of(Sources... sources) {
        const u16 low = Operation::of(static_cast<u16>(sources)...);
        const u16 high = Operation::of(static_cast<u16>(sources >> 16)...);
        return low | static_cast<u32>(high) << 16;
    }
};

template <class T, class Operation, int SOURCES>
constexpr Form form() {
    if constexpr (SOURCES == 1) return unary<T, T, Operation>;
    else if constexpr (SOURCES == 2) return binary<T, T, Operation>;
    else return ternary<T, T, Operation>;
}

template <class H, class Operation, int SOURCES, bool FLUSH, After AFTER>
void register_one(const Name &name) {
    using One = Half<H, Operation, FLUSH, AFTER>;
    RegisterForm(name + "." + H::name, form<u16, One, SOURCES>());
    RegisterForm(name + "." + H::name + "x2", form<u32, Halves<One>, SOURCES>());
}

template <class H, class Operation, int SOURCES>
void register_flushing(const Name &name) {
    register_one<H, Operation, SOURCES, false, After::nothing>(name);
    register_one<H, Operation, SOURCES, true, After::nothing>(name + ".ftz");
}

template <class H, class Operation, int SOURCES>
void register_arithmetic(const Name &name) {
    register_flushing<H, Operation, SOURCES>(name);
    register_one<H, Operation, SOURCES, false, After::saturate>(name + ".sat");
    register_one<H, Operation, SOURCES, true, After::saturate>(name + ".ftz.sat");
}

struct Negate16 { static u16 of(u16 a) { return a ^ 0x8000; } };
struct Absolute16 { static u16 of(u16 a) { return a & 0x7fff; } };
struct Negate32 { static u32 of(u32 a) { return a ^ 0x80008000; } };
struct Absolute32 { static u32 of(u32 a) { return a & 0x7fff7fff; } };

const bool registered = for_types<F16, Bf16>([]<class H>() {
    register_arithmetic<H, Add, 2>("add");
    register_arithmetic<H, Subtract, 2>("sub");
    register_arithmetic<H, Multiply, 2>("mul");
    register_arithmetic<H, MultiplyAdd, 3>("fma");
    register_one<H, MultiplyAdd, 3, false, After::relu>("fma.relu");
    register_one<H, MultiplyAdd, 3, true, After::relu>("fma.ftz.relu");
    register_flushing<H, Least, 2>("min");
    register_flushing<H, Most, 2>("max");
    register_flushing<H, LeastOrNan, 2>("min.NaN");
    register_flushing<H, MostOrNan, 2>("max.NaN");
    register_flushing<H, Exponential, 1>("ex2");
    register_flushing<H, Tangent, 1>("tanh");
    const Name type = Name(".") + H::name;
    RegisterForm("neg" + type, unary<u16, u16, Negate16>);
    RegisterForm("abs" + type, unary<u16, u16, Absolute16>);
    RegisterForm("neg" + type + "x2", unary<u32, u32, Negate32>);
    RegisterForm("abs" + type + "x2", unary<u32, u32, Absolute32>);
});

}  // namespace
}  // namespace simulate
