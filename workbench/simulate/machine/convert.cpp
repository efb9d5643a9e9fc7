// Conversions between every two numeric types, in every rounding.
//
// A destination narrower than its register is extended to it: with zeros, or with its sign.

#include <algorithm>
#include <cmath>
#include <limits>

#include "forms.h"
#include "numbers.h"
#include "rounding.h"

namespace simulate {
namespace {

struct F16 { u16 bits; };
struct Bf16 { u16 bits; };

template <class T>
const char *name_of() {
    if constexpr (std::is_same_v<T, F16>) return "f16";
    else if constexpr (std::is_same_v<T, Bf16>) return "bf16";
    else return type_name<T>();
}

/// A value as its register holds it.
template <class T>
T read(const u32 *row, int lane) {
    if constexpr (std::is_same_v<T, F16> || std::is_same_v<T, Bf16>) return T{static_cast<u16>(row[lane])};
    else return get<T>(row, lane);
}

/// Writes value(lane), extended where T is narrow.
template <class T, class F>
void write(u32 *row, u32 mask, F &&value) {
    if constexpr (sizeof(T) == 8) {
        write_pair(row, mask, [&](int lane) { return std::bit_cast<u64>(value(lane)); });
    } else if constexpr (std::is_same_v<T, F16> || std::is_same_v<T, Bf16>) {
        write_row(row, mask, [&](int lane) { return static_cast<u32>(value(lane).bits); });
    } else if constexpr (sizeof(T) == 4) {
        write_row(row, mask, [&](int lane) { return std::bit_cast<u32>(value(lane)); });
    } else {
        using Extended = std::conditional_t<std::is_signed_v<T>, i32, u32>;
        write_row(row, mask, [&](int lane) { return static_cast<u32>(static_cast<Extended>(value(lane))); });
    }
}

template <class D, class S, class F>
void convert(Warp &w, const Instruction &i, u32 mask, F &&f) {
    const u32 *a = w.row(i.o[1]);
    write<D>(w.row(i.o[0]), mask, [&](int lane) -> D { return f(read<S>(a, lane)); });
}

// ---- integers to integers

template <class D, class S>
void resize(Warp &w, const Instruction &i, u32 mask) {
    convert<D, S>(w, i, mask, [](S value) { return static_cast<D>(value); });
}

// What is seldom done goes through a type that holds all: one loop for each source and one for each destination, where
// a loop for every two of them would be most of what the host's compiler has to do.

template <class S>
[[gnu::noinline]] void read_wide(const u32 *row, __int128 *values) {
    for (int lane = 0; lane < LANES; ++lane) values[lane] = read<S>(row, lane);
}

template <class D>
[[gnu::noinline]] void write_clamped(u32 *row, u32 mask, const __int128 *values) {
    write<D>(row, mask, [=](int lane) -> D {
        const __int128 low = std::numeric_limits<D>::min(), high = std::numeric_limits<D>::max();
        return static_cast<D>(std::clamp(values[lane], low, high));
    });
}

template <class D, class S>
void resize_saturated(Warp &w, const Instruction &i, u32 mask) {
    __int128 values[LANES];
    read_wide<S>(w.row(i.o[1]), values);
    write_clamped<D>(w.row(i.o[0]), mask, values);
}

// ---- integers to floating point

template <class D, class S>
void to_float(Warp &w, const Instruction &i, u32 mask) {
    convert<D, S>(w, i, mask, [](S value) { return static_cast<D>(value); });
}

template <class H>
H narrowed(f64 value, Round round) {
    if constexpr (std::is_same_v<H, F16>) return {to_f16(value, round)};
    else return {to_bf16(value, round)};
}

/// An integer as f64, the last bit set where it is not exact: rounding again is then right.
template <class S>
f64 as_odd(S value) {
    const bool negative = value < 0;
    u64 size = negative ? 0 - static_cast<u64>(value) : static_cast<u64>(value);
    if (size >> 53) size = (size >> 11 | ((size & 0x7ff) != 0)) << 11;
    return negative ? -static_cast<f64>(size) : static_cast<f64>(size);
}

inline f64 widened(F16 value) { return from_f16(value.bits); }
inline f64 widened(Bf16 value) { return from_bf16(value.bits); }
inline f64 widened(f32 value) { return value; }
inline f64 widened(f64 value) { return value; }

template <class S>
[[gnu::noinline]] void read_doubles(const u32 *row, f64 *values) {
    for (int lane = 0; lane < LANES; ++lane) {
        if constexpr (std::is_integral_v<S>) values[lane] = as_odd(read<S>(row, lane));
        else values[lane] = widened(read<S>(row, lane));
    }
}

template <class H>
[[gnu::noinline]] void write_narrowed(u32 *row, u32 mask, const f64 *values, Round round) {
    write<H>(row, mask, [=](int lane) { return narrowed<H>(values[lane], round); });
}

template <class H, class S, Round ROUND>
void to_half(Warp &w, const Instruction &i, u32 mask) {
    f64 values[LANES];
    read_doubles<S>(w.row(i.o[1]), values);
    write_narrowed<H>(w.row(i.o[0]), mask, values, ROUND);
}

template <class H>
void to_nearest_half(Warp &w, const Instruction &i, u32 mask) {
    convert<H, f32>(w, i, mask, [](f32 value) {
        if constexpr (std::is_same_v<H, F16>) return F16{to_f16(value)};
        else return Bf16{to_bf16(value)};
    });
}

// ---- floating point to integers, and to integral values

/// A rounding to an integer, as `variant` gives it.
inline f64 to_integral(f64 value, u8 round) {
    switch (static_cast<Round>(round)) {
        case Round::nearest: return std::nearbyint(value);
        case Round::zero: return std::trunc(value);
        case Round::down: return std::floor(value);
        default: return std::ceil(value);
    }
}

inline f32 flush(f32 x) { return std::fabs(x) < 0x1p-126f ? std::copysign(0.0f, x) : x; }

template <class D, bool WIDE>
[[gnu::noinline]] void write_integers(u32 *row, u32 mask, const f64 *values, u8 round) {
    write<D>(row, mask, [=](int lane) -> D {
        const f64 value = to_integral(values[lane], round);
        // NaN: 0, but the highest bit alone where either side has 64 bits.
        constexpr D nan = WIDE ? static_cast<D>(u64{1} << (8 * sizeof(D) - 1)) : D{0};
        constexpr f64 low = static_cast<f64>(std::numeric_limits<D>::min());
        constexpr f64 high = static_cast<f64>(std::numeric_limits<D>::max());  // 64 bits: rounded up to 2^63 or 2^64
        if (value != value) return nan;
        if (value <= low) return std::numeric_limits<D>::min();
        if (value >= high) return std::numeric_limits<D>::max();
        return static_cast<D>(value);
    });
}

template <class D, class S, bool FLUSH>
void to_integer(Warp &w, const Instruction &i, u32 mask) {
    f64 values[LANES];
    read_doubles<S>(w.row(i.o[1]), values);
    if constexpr (FLUSH) std::transform(values, values + LANES, values, [](f64 value) { return flush(static_cast<f32>(value)); });
    write_integers<D, sizeof(D) == 8 || sizeof(S) == 8>(w.row(i.o[0]), mask, values, i.variant);
}

/// The hottest of them, in vectors: f32 to s32 towards zero.
void truncate(Warp &w, const Instruction &i, u32 mask) {
    convert<i32, f32>(w, i, mask, [](f32 value) {
        const i32 made = static_cast<i32>(value);  // the host gives the least integer for what does not fit
        return value != value ? 0 : value >= 0x1p31f ? INT32_MAX : made;
    });
}

template <class T, bool FLUSH, bool SATURATE>
void integral(Warp &w, const Instruction &i, u32 mask) {
    const u8 round = i.variant;
    convert<T, T>(w, i, mask, [=](T value) -> T {
        if constexpr (FLUSH) value = flush(value);
        const f64 made = to_integral(widened(value), round);
        const f64 kept = !SATURATE ? made : made > 0 ? std::min(made, 1.0) : 0.0;
        if constexpr (std::is_same_v<T, F16> || std::is_same_v<T, Bf16>) return narrowed<T>(kept, Round::nearest);
        else if constexpr (std::is_same_v<T, f32>) return made == made || SATURATE ? static_cast<f32>(kept) : as_float(0x7fffffff);
        else return kept;
    });
}

// ---- floating point to floating point

template <class D, class S, bool FLUSH, bool SATURATE>
void resize_float(Warp &w, const Instruction &i, u32 mask) {
    convert<D, S>(w, i, mask, [](S source) -> D {
        if constexpr (FLUSH && std::is_same_v<S, f32>) source = flush(source);
        D made;
        if constexpr (std::is_same_v<S, f32> || std::is_same_v<S, f64>) made = static_cast<D>(source);
        else made = static_cast<D>(widened(source));
        if constexpr (SATURATE) made = made > 0 ? std::min(made, D{1}) : D{0};
        if constexpr (FLUSH && std::is_same_v<D, f32>) made = flush(made);
        if constexpr (std::is_same_v<D, f32>) return made == made ? made : as_float(0x7fffffff);
        return made;
    });
}

enum After { nothing = 0, relu = 1, finite = 2 };  // bits of `variant`

template <class H>
u16 finished(f64 value, Round round, u8 after) {
    if ((after & relu) && !(value > 0) && value == value) value = 0;
    u16 bits = narrowed<H>(value, round).bits;
    constexpr u16 infinity = std::is_same_v<H, F16> ? 0x7c00 : 0x7f80;
    if ((after & finite) && (bits & 0x7fff) == infinity) --bits;
    return bits;
}

/// Two f32 into one register: o[1] goes to the high half, o[2] to the low one. Variant: bits of After.
template <class H, Round ROUND>
void to_halves(Warp &w, const Instruction &i, u32 mask) {
    const u32 *a = w.row(i.o[1]), *b = w.row(i.o[2]);
    const u8 after = i.variant;
    write_row(w.row(i.o[0]), mask, [=](int lane) {
        const u16 high = finished<H>(as_float(a[lane]), ROUND, after), low = finished<H>(as_float(b[lane]), ROUND, after);
        return low | static_cast<u32>(high) << 16;
    });
}

/// One f32 with .relu or .satfinite; variant: bits of After.
template <class H, Round ROUND>
void to_half_after(Warp &w, const Instruction &i, u32 mask) {
    const u8 after = i.variant;
    convert<H, f32>(w, i, mask, [=](f32 value) { return H{finished<H>(value, ROUND, after)}; });
}

/// tf32: ten bits of fraction in an f32.
template <Round ROUND>
void to_tf32(Warp &w, const Instruction &i, u32 mask) {
    convert<u32, f32>(w, i, mask, [](f32 value) {
        const u32 bits = as_bits(value);
        if (value != value) return 0x7fffffffu;
        if ((bits & 0x7f800000) == 0x7f800000) return bits;
        const u32 half = ROUND == Round::away ? 0x1000 : ROUND == Round::nearest ? 0xfff + (bits >> 13 & 1) : 0;
        return (bits + half) & ~0x1fffu;
    });
}

template <class T>
void register_integral() {
    const Name types = Name(".") + name_of<T>() + "." + name_of<T>();
    RegisterForm("cvt.integral" + types, integral<T, false, false>);
    RegisterForm("cvt.integral.sat" + types, integral<T, false, true>);
    if constexpr (std::is_same_v<T, f32>) {
        RegisterForm("cvt.integral.ftz" + types, integral<T, true, false>);
        RegisterForm("cvt.integral.ftz.sat" + types, integral<T, true, true>);
    }
}

template <class H, Round ROUND>
void register_to_half(const char *name) {
    const Name cvt = Name("cvt.") + name, half = Name(".") + name_of<H>();
    for_types<u8, i8, u16, i16, u32, i32, u64, i64, f64>(
        [&]<class S>() { RegisterForm(cvt + half + "." + name_of<S>(), to_half<H, S, ROUND>); });
    RegisterForm(cvt + half + ".f32", ROUND == Round::nearest ? to_nearest_half<H> : to_half<H, f32, ROUND>);
    RegisterForm(cvt + ".after" + half + ".f32", to_half_after<H, ROUND>);
    RegisterForm(cvt + half + "x2.f32", to_halves<H, ROUND>);
}

template <class D, class S>
void register_resized(const Name &name) {
    const Name types = Name(".") + name_of<D>() + "." + name_of<S>();
    register_roundings<resize_float<D, S, false, false>>(name, types);
    register_roundings<resize_float<D, S, true, false>>(name, ".ftz" + types);
    register_roundings<resize_float<D, S, false, true>>(name, ".sat" + types);
    register_roundings<resize_float<D, S, true, true>>(name, ".ftz.sat" + types);
}

const bool registered = [] {
    for_types<u8, i8, u16, i16, u32, i32, u64, i64>([]<class D>() {
        for_types<u8, i8, u16, i16, u32, i32, u64, i64>([]<class S>() {
            RegisterForm(Name("cvt.") + name_of<D>() + "." + name_of<S>(), resize<D, S>);
            RegisterForm(Name("cvt.sat.") + name_of<D>() + "." + name_of<S>(), resize_saturated<D, S>);
        });
        for_types<f32, f64, F16, Bf16>([]<class S>() {
            RegisterForm(Name("cvt.integer.") + name_of<D>() + "." + name_of<S>(), to_integer<D, S, false>);
            if constexpr (std::is_same_v<S, f32>) {
                RegisterForm(Name("cvt.integer.ftz.") + name_of<D>() + "." + name_of<S>(), to_integer<D, S, true>);
            }
        });
        register_roundings<to_float<f32, D>>("cvt", Name(".f32.") + name_of<D>());
        register_roundings<to_float<f64, D>>("cvt", Name(".f64.") + name_of<D>());
    });
    RegisterForm("cvt.rzi.s32.f32", truncate);
    for_types<f32, f64, F16, Bf16>([]<class T>() { register_integral<T>(); });
    for_types<F16, Bf16>([]<class H>() {
        register_to_half<H, Round::nearest>("rn");
        register_to_half<H, Round::zero>("rz");
        register_to_half<H, Round::down>("rm");
        register_to_half<H, Round::up>("rp");
        RegisterForm(Name("cvt.f32.") + name_of<H>(), resize_float<f32, H, false, false>);
        RegisterForm(Name("cvt.f64.") + name_of<H>(), resize_float<f64, H, false, false>);
        RegisterForm(Name("cvt.sat.f32.") + name_of<H>(), resize_float<f32, H, false, true>);
    });
    register_resized<f32, f64>("cvt");
    register_resized<f64, f32>("cvt");
    register_resized<f32, f32>("cvt");
    register_resized<f64, f64>("cvt");
    RegisterForm("cvt.rna.tf32.f32", to_tf32<Round::away>);
    RegisterForm("cvt.rn.tf32.f32", to_tf32<Round::nearest>);
    RegisterForm("cvt.rz.tf32.f32", to_tf32<Round::zero>);
    return true;
}();

}  // namespace
}  // namespace simulate
