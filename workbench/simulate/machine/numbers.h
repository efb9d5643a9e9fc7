// Floating point of sixteen and eight bits on a host that has none: conversions to and from f32 and f64.
#pragma once

#include <algorithm>
#include <cmath>

#include "lanes.h"

namespace simulate {

/// Roundings: to nearest even, towards zero, down, up, to nearest with ties away from zero.
enum class Round : u8 { nearest, zero, down, up, away };

constexpr u16 HALF_NAN = 0x7fff;  ///< what the hardware gives for a NaN result, bf16 likewise

inline f32 from_bf16(u16 bits) { return as_float(static_cast<u32>(bits) << 16); }

inline f32 from_f16(u16 bits) {
    const u32 sign = static_cast<u32>(bits & 0x8000) << 16;
    // Taken as an f32 the number is 2^112 too small, denormals too; infinities and NaN only need their exponent.
    const u32 scaled = as_bits(as_float(static_cast<u32>(bits & 0x7fff) << 13) * 0x1p112f);
    return as_float(sign | scaled | ((bits & 0x7c00) == 0x7c00 ? 0x7f800000u : 0u));
}

inline u16 to_bf16(f32 value) {
    const u32 bits = as_bits(value);
    const u32 rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    return static_cast<u16>((bits & 0x7fffffff) > 0x7f800000 ? HALF_NAN : rounded);
}

/// An f64 in a format of `exponent` and `fraction` bits, IEEE-like (infinities, NaN, denormals), in any rounding.
[[gnu::noinline]] inline u16 narrow(f64 value, int exponent, int fraction, Round round) {
    if (std::isnan(value)) return HALF_NAN;
    const u16 sign = static_cast<u16>(std::signbit(value) ? 0x8000 : 0);
    const f64 size = std::fabs(value);
    const int bias = (1 << (exponent - 1)) - 1;
    const u16 infinity = static_cast<u16>(((1 << exponent) - 1) << fraction);
    if (std::isinf(value)) return sign | infinity;
    if (size == 0) return sign;
    int power;
    std::frexp(size, &power);  // size in [2^(power-1), 2^power)
    // The spacing of the format at this size: that of its denormals below its least normal number.
    const int step = std::max(power - 1, 1 - bias) - fraction;
    const f64 units = std::ldexp(size, -step), below = std::floor(units), rest = units - below;
    bool up = false;
    switch (round) {
        case Round::nearest: up = rest > 0.5 || (rest == 0.5 && std::fmod(below, 2) != 0); break;
        case Round::away: up = rest >= 0.5; break;
        case Round::zero: break;
        case Round::down: up = rest > 0 && sign; break;
        case Round::up: up = rest > 0 && !sign; break;
    }
    const u64 count = static_cast<u64>(below) + (up ? 1 : 0);
    // Units of the least spacing at this exponent: a carry out of the fraction moves into the exponent by itself.
    const u64 place = static_cast<u64>(step + fraction + bias - 1) << fraction;
    const u64 bits = place + count;
    if (bits < infinity) return sign | static_cast<u16>(bits);
    const bool stays = round == Round::zero || (round == Round::down && !sign) || (round == Round::up && sign);
    return sign | static_cast<u16>(stays ? infinity - 1 : infinity);
}

inline u16 to_f16(f32 value) {
    const u32 sign = as_bits(value) & 0x80000000, bits = as_bits(value) ^ sign;
    u32 made;
    if (bits >= 0x47800000) {  // 2^16 and more
        made = bits > 0x7f800000 ? HALF_NAN : 0x7c00;
        if (bits > 0x7f800000) return HALF_NAN;
    } else if (bits < 0x38800000) {  // denormal in f16: the adder rounds
        made = as_bits(as_float(bits) + 0.5f) - 0x3f000000;
    } else {
        made = (bits - 0x38000000 + 0xfff + (bits >> 13 & 1)) >> 13;
    }
    return static_cast<u16>(sign >> 16 | made);
}

/// The nearest f32 with the last bit set where that is not the value: rounding it once more to fewer bits is then right.
inline f32 to_odd(f64 value) {
    const f32 near = static_cast<f32>(value);
    const f64 back = near;
    if (back == value || value != value) return near;
    u32 bits = as_bits(near);
    if (std::fabs(back) > std::fabs(value)) --bits;
    return as_float(bits | 1);
}

/// a + b, with the last bit set where the sum is not exact.
inline f64 sum_to_odd(f64 a, f64 b) {
    const f64 sum = a + b, part = sum - a, lost = (a - (sum - part)) + (b - part);
    if (lost == 0 || lost != lost) return sum;
    u64 bits = as_bits(sum);
    if ((lost > 0) != (sum > 0)) --bits;
    return as_double(bits | 1);
}

/// Floats of eight bits (OCP 8-bit Floating Point Specification). e4m3 has no infinity; e5m2 is the upper half of an f16.
struct E4m3 { static constexpr int exponent = 4, fraction = 3; static constexpr u8 largest = 0x7e; };
struct E5m2 { static constexpr int exponent = 5, fraction = 2; static constexpr u8 largest = 0x7b; };
constexpr u8 EIGHT_NAN = 0x7f;

template <class F>
inline u16 f16_of(u8 bits) {
    if constexpr (F::exponent == 5) {
        const u16 wide = static_cast<u16>(bits << 8);
        return (wide & 0x7fff) > 0x7c00 ? HALF_NAN : wide;
    }
    const u16 size = bits & 0x7f;
    if (size == 0x7f) return HALF_NAN;
    // Taken as an f16 the number is 2^8 too small, denormals too.
    const f32 value = from_f16(static_cast<u16>(size << 7)) * 256;
    return static_cast<u16>(to_f16(value) | (bits & 0x80) << 8);
}

/// To nearest, ties to even; what is too large becomes the largest.
template <class F>
inline u8 to_eight(f64 value) {
    if (value != value) return EIGHT_NAN;
    const u8 sign = std::signbit(value) ? 0x80 : 0;
    const f64 size = std::fabs(value);
    if (size == 0) return sign;
    if (std::isinf(size)) return sign | F::largest;
    int power;
    std::frexp(size, &power);
    constexpr int bias = (1 << (F::exponent - 1)) - 1;
    const int step = std::max(power - 1, 1 - bias) - F::fraction;
    const f64 units = std::nearbyint(std::ldexp(size, -step));
    const i64 place = static_cast<i64>(step + F::fraction + bias - 1) << F::fraction;
    return sign | static_cast<u8>(std::min<f64>(units + static_cast<f64>(place), F::largest));
}

inline u16 to_f16(f64 value, Round round) { return narrow(value, 5, 10, round); }
inline u16 to_bf16(f64 value, Round round) { return narrow(value, 8, 7, round); }

}  // namespace simulate
