// SASS: conversions between integers, floats of every width, and floats rounded to integers.
//
// `variant`: bits 0 and 1 the rounding (nearest, down, up, to zero), bit 2 FTZ, bit 3 NTZ (what is no number becomes 0).

#include <cmath>
#include <limits>

#include "sass.h"

namespace simulate {
namespace {

struct Half {};
struct Brain {};

/// The float of a format at a row (two rows for a double), modifiers applied; bit 32 of `immediate`: its high half.
template <class Format>
struct Value {
    const u32 *row;
    u32 keep, flip;
    bool high;
    Value(Warp &w, const Instruction &i, int slot)
        : row(w.row(i.o[slot])), keep(i.keep[0]), flip(i.flip[0]), high(i.immediate >> 32 & 1) {}
    f64 operator()(int lane) const {
        if constexpr (std::is_same_v<Format, f64>) {
            return as_double(row[lane] | static_cast<u64>((row[LANES + lane] & keep) ^ flip) << 32);
        } else if constexpr (std::is_same_v<Format, f32>) {
            return static_cast<f64>(as_float((row[lane] & keep) ^ flip));
        } else {
            const u32 word = (row[lane] & keep) ^ flip;
            const u16 half = static_cast<u16>(high ? word >> 16 : word);
            if constexpr (std::is_same_v<Format, Brain>) return static_cast<f64>(as_float(static_cast<u32>(half) << 16));
            return static_cast<f64>(std::bit_cast<_Float16>(half));
        }
    }
};

f64 rounded(f64 value, u8 variant) {
    switch (variant & 3) {
        case 0: return std::nearbyint(value);
        case 1: return std::floor(value);
        case 2: return std::ceil(value);
        default: return std::trunc(value);
    }
}

/// A value of at most 64 bits rounded to a format, as bits. `exact` minus its double is told by `rest`: < 0, 0, > 0.
template <class Format>
u64 narrowed(f64 value, int rest, u8 variant) {
    // The neighbours in the format around the exact value decide; start from the nearest to the double.
    using Bits = std::conditional_t<std::is_same_v<Format, f64>, u64, std::conditional_t<std::is_same_v<Format, f32>, u32, u16>>;
    const auto widen = [](Bits bits) -> f64 {
        if constexpr (std::is_same_v<Format, f64> || std::is_same_v<Format, f32>) {
            return static_cast<f64>(std::bit_cast<Format>(bits));
        } else if constexpr (std::is_same_v<Format, Brain>) {
            return static_cast<f64>(as_float(static_cast<u32>(bits) << 16));
        } else {
            return static_cast<f64>(std::bit_cast<_Float16>(bits));
        }
    };
    constexpr Bits sign = static_cast<Bits>(Bits{1} << (sizeof(Bits) * 8 - 1));
    if (value != value) return static_cast<Bits>(~sign);
    Bits zero;  // rounded towards zero
    if constexpr (std::is_same_v<Format, f64>) {
        zero = as_bits(value);
    } else if constexpr (std::is_same_v<Format, f32>) {
        zero = as_bits(static_cast<f32>(value));
    } else if constexpr (std::is_same_v<Format, Brain>) {
        zero = static_cast<Bits>(as_bits(static_cast<f32>(value)) >> 16);
    } else {
        zero = std::bit_cast<u16>(static_cast<_Float16>(value));
    }
    const bool negative = (zero & sign) != 0;
    const auto beyond = [&](Bits bits) {  // whether `bits` lies further from zero than the exact value
        const f64 w = widen(bits);
        if (w != value) return std::fabs(w) > std::fabs(value);
        return negative ? rest > 0 : rest < 0;
    };
    const auto same = [&](Bits bits) { return widen(bits) == value && rest == 0; };
    if (beyond(zero)) --zero;
    if (same(zero)) return zero;
    const Bits away = static_cast<Bits>(zero + 1);
    switch (variant & 3) {
        case 1: return negative ? away : zero;
        case 2: return negative ? zero : away;
        case 3: return zero;
        default: break;
    }
    // The middle between two neighbours needs one bit more than either: a double holds it, but for doubles themselves.
    if constexpr (std::is_same_v<Format, f64>) return as_bits(value);
    const f64 low = widen(zero);
    f64 high = widen(away);
    if (std::isinf(high)) high = 2 * low - widen(static_cast<Bits>(zero - 1));
    const f64 middle = low + (high - low) / 2;
    if (value == middle && rest == 0) return zero & 1 ? away : zero;
    const bool over = value == middle ? (negative ? rest < 0 : rest > 0) : std::fabs(value) > std::fabs(middle);
    return over ? away : zero;
}

template <class Format>
void write_format(Warp &w, const Instruction &i, u32 mask, const u64 *made) {
    if constexpr (std::is_same_v<Format, f64>) {
        write_pair(w.row(i.o[0]), mask, [=](int lane) { return made[lane]; });
    } else {
        write_row(w.row(i.o[0]), mask, [=](int lane) { return static_cast<u32>(made[lane]); });
    }
}

/// From an integer; byte or half `variant >> 4` of the row where it is narrow.
template <class Format, class T>
void from_integer(Warp &w, const Instruction &i, u32 mask) {
    alignas(64) u64 made[LANES];
    const u32 *row = w.row(i.o[1]);
    const int shift = static_cast<int>(sizeof(T)) * 8 * (i.variant >> 4);
    const u32 flip = i.flip[0], plus = static_cast<u32>(i.immediate >> 1 & 1);
    if constexpr (std::is_same_v<Format, f32> && sizeof(T) == 4) {
        if ((i.variant & 3) == 0) {
            write_row(w.row(i.o[0]), mask,
                      [=](int lane) { return as_bits(static_cast<f32>(static_cast<T>((row[lane] ^ flip) + plus))); });
            return;
        }
    }
    for (int lane = 0; lane < LANES; ++lane) {
        T value;
        if constexpr (sizeof(T) == 8) {
            value = static_cast<T>(pair_of(row, lane));
        } else {
            value = static_cast<T>(((row[lane] ^ flip) + plus) >> shift);
        }
        const f64 near = static_cast<f64>(value);
        int rest = 0;
        if constexpr (sizeof(T) == 8) {
            using Wide = __int128;
            const Wide difference = static_cast<Wide>(value) - static_cast<Wide>(near);
            rest = difference < 0 ? -1 : difference > 0;
        }
        made[lane] = narrowed<Format>(near, rest, i.variant);
    }
    write_format<Format>(w, i, mask, made);
}

/// To an integer: held to its range.
template <class Format, class T>
void to_integer(Warp &w, const Instruction &i, u32 mask) {
    const Value<Format> a(w, i, 1);
    const u8 variant = i.variant;
    constexpr f64 top = sizeof(T) == 8 ? (std::is_signed_v<T> ? 0x1p63 : 0x1p64)
                                       : static_cast<f64>(std::numeric_limits<T>::max()) + 1.0;
    alignas(64) u64 made[LANES];
    for (int lane = 0; lane < LANES; ++lane) {
        f64 value = a(lane);
        if (variant & 4 && std::fabs(value) < 0x1p-126) value = 0;
        T whole;
        if (value != value) {
            whole = variant & 8 ? T{0} : static_cast<T>(std::make_unsigned_t<T>{1} << (sizeof(T) * 8 - 1));
        } else {
            value = rounded(value, variant);
            whole = value >= top ? std::numeric_limits<T>::max()
                    : value < static_cast<f64>(std::numeric_limits<T>::min()) ? std::numeric_limits<T>::min()
                                                                              : static_cast<T>(value);
        }
        made[lane] = static_cast<u64>(static_cast<i64>(whole));
    }
    if constexpr (sizeof(T) == 8) {
        write_pair(w.row(i.o[0]), mask, [&](int lane) { return made[lane]; });
    } else {
        write_row(w.row(i.o[0]), mask, [&](int lane) { return static_cast<u32>(made[lane]); });
    }
}

/// From one float format to another.
template <class To, class From>
void to_float(Warp &w, const Instruction &i, u32 mask) {
    const Value<From> a(w, i, 1);
    alignas(64) u64 made[LANES];
    for (int lane = 0; lane < LANES; ++lane) {
        f64 value = a(lane);
        if (i.variant & 4 && std::fabs(value) < 0x1p-126) value = std::copysign(0.0, value);
        made[lane] = narrowed<To>(value, 0, i.variant);
    }
    write_format<To>(w, i, mask, made);
}

/// Rounded to an integer, in its own format.
template <class Format>
void to_whole(Warp &w, const Instruction &i, u32 mask) {
    const Value<Format> a(w, i, 1);
    alignas(64) u64 made[LANES];
    for (int lane = 0; lane < LANES; ++lane) {
        f64 value = a(lane);
        if (i.variant & 4 && std::fabs(value) < 0x1p-126) value = std::copysign(0.0, value);
        made[lane] = narrowed<Format>(std::copysign(rounded(value, i.variant), value), 0, 0);
    }
    write_format<Format>(w, i, mask, made);
}

#define INTEGERS(X, F, f) X(F, f, i8, "s8") X(F, f, u8, "u8") X(F, f, i16, "s16") X(F, f, u16, "u16") \
    X(F, f, i32, "s32") X(F, f, u32, "u32") X(F, f, i64, "s64") X(F, f, u64, "u64")
#define FORMATS(X) X(f32, "f32") X(f64, "f64") X(Half, "f16") X(Brain, "bf16")
#define INTEGER(F, f, T, t)                                                      \
    RegisterForm form_i2f_##F##_##T("sass.i2f." f "." t, from_integer<F, T>);    \
    RegisterForm form_f2i_##F##_##T("sass.f2i." t "." f, to_integer<F, T>);
#define FORMAT(F, f)                                                             \
    INTEGERS(INTEGER, F, f)                                                      \
    RegisterForm form_frnd_##F("sass.frnd." f, to_whole<F>);                     \
    RegisterForm form_f2f_##F##_f32("sass.f2f." f ".f32", to_float<F, f32>);     \
    RegisterForm form_f2f_##F##_f64("sass.f2f." f ".f64", to_float<F, f64>);     \
    RegisterForm form_f2f_##F##_f16("sass.f2f." f ".f16", to_float<F, Half>);    \
    RegisterForm form_f2f_##F##_bf16("sass.f2f." f ".bf16", to_float<F, Brain>);
FORMATS(FORMAT)

}  // namespace
}  // namespace simulate
