// SASS: pairs of halves and of bfloat16, and packing into them.
//
// A source's two halves are chosen by a selector in `immediate`, two bits per source from bit 32 on: 0 both as they lie, 1 the
// low one twice, 2 the high one twice, 3 the low one and the negated high one.

#include <cmath>

#include "numbers.h"
#include "sass.h"

namespace simulate {
namespace {

inline f32 from_half(u32 bits) {
    const u16 narrow = static_cast<u16>(bits);
    return static_cast<f32>(std::bit_cast<_Float16>(narrow));
}
inline u32 to_half(f64 value) { return std::bit_cast<u16>(static_cast<_Float16>(value)); }

inline f32 from_brain(u32 bits) { return as_float(bits << 16); }

/// To the nearest bfloat16, ties to even. A double's last bits decide no tie wrongly: it goes by way of a float rounded to odd.
inline u32 to_brain(f64 value) {
    f32 narrow = static_cast<f32>(value);
    if (value != value) return 0x7fff;
    if (static_cast<f64>(narrow) != value) {
        u32 bits = as_bits(narrow);
        const bool away = std::fabs(static_cast<f64>(narrow)) > std::fabs(value);
        if (away) --bits;
        narrow = as_float(bits | 1);
    }
    const u32 bits = as_bits(narrow);
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

template <bool BRAIN> f32 widen(u32 bits) { return BRAIN ? from_brain(bits) : from_half(bits & 0xffff); }
template <bool BRAIN> u32 narrow(f64 value) { return BRAIN ? to_brain(value) : to_half(value); }

/// One half of a source, its modifiers applied: keep and flip hold both halves' signs.
template <bool BRAIN>
struct HalfSource {
    const u32 *row;
    u32 keep, flip;
    u8 select;
    HalfSource(Warp &w, const Instruction &i, int slot, int number)
        : row(w.row(i.o[slot])), keep(i.keep[number]), flip(i.flip[number]),
          select(static_cast<u8>(i.immediate >> (32 + 2 * number) & 3)) {}
    f32 operator()(int lane, int half) const {
        const u32 word = (row[lane] & keep) ^ flip;
        const bool high = select == 2 || (select != 1 && half == 1);
        const f32 value = widen<BRAIN>(high ? word >> 16 : word & 0xffff);
        return select == 3 && half == 1 ? -value : value;
    }
};

inline f64 finished(f64 value, u8 variant) {
    if (variant & 4) return value >= 1 ? 1.0 : value > 0 ? value : 0.0;   // SAT
    if (variant & 8) return value != value || value > 0 ? value : 0.0;    // RELU
    return value;
}

struct Sum { static f64 of(f64 a, f64 b, f64) { return a + b; } };
struct Product { static f64 of(f64 a, f64 b, f64) { return a * b; } };
/// The product is exact; the sum is rounded to odd, so that rounding it again decides no tie wrongly.
struct Fused { static f64 of(f64 a, f64 b, f64 c) { return sum_to_odd(a * b, c); } };

/// Both halves of d = operation(a, b, c). Bit 1 of `variant` (F32): d is the low half as a float. Bits 2 and 3: SAT, RELU.
template <bool BRAIN, class Operation>
void arithmetic(Warp &w, const Instruction &i, u32 mask) {
    constexpr bool three = std::is_same_v<Operation, Fused>;
    const HalfSource<BRAIN> a(w, i, 1, 0), b(w, i, 2, 1), c(w, i, three ? 3 : 1, three ? 2 : 0);
    const u8 variant = i.variant;
    write_row(w.row(i.o[0]), mask, [=](int lane) -> u32 {
        const f64 low = finished(Operation::of(a(lane, 0), b(lane, 0), c(lane, 0)), variant);
        if (variant & 2) return as_bits(static_cast<f32>(low));
        const f64 high = finished(Operation::of(a(lane, 1), b(lane, 1), c(lane, 1)), variant);
        return narrow<BRAIN>(low) | narrow<BRAIN>(high) << 16;
    });
}

/// The least or most of each half, a number before a NaN; bit 2 of `variant` (NAN): a NaN before a number.
template <bool BRAIN>
void least_or_most(Warp &w, const Instruction &i, u32 mask) {
    const HalfSource<BRAIN> a(w, i, 1, 0), b(w, i, 2, 1);
    const u32 least = predicate_source(w, i, 3);
    const bool nan = i.variant & 4;
    write_row(w.row(i.o[0]), mask, [=](int lane) {
        u32 made = 0;
        for (int half = 0; half < 2; ++half) {
            const f32 x = a(lane, half), y = b(lane, half);
            const bool take_least = least >> lane & 1;
            f32 chosen;
            if (x != x || y != y) {
                chosen = nan || (x != x && y != y) ? NAN : x != x ? y : x;
            } else if (x == y) {
                chosen = std::signbit(x) == take_least ? x : y;
            } else {
                chosen = (x < y) == take_least ? x : y;
            }
            made |= (chosen != chosen ? 0x7fffu : narrow<BRAIN>(static_cast<f64>(chosen))) << 16 * half;
        }
        return made;
    });
}

/// Comparisons as IEEE has them: bit 0 less, bit 1 equal, bit 2 greater, bit 3 no number on a side.
inline bool holds(u32 relation, f32 a, f32 b) {
    return (relation & 1 && a < b) || (relation & 2 && a == b) || (relation & 4 && a > b) ||
           (relation & 8 && (a != a || b != b));
}

/// p, q = the comparison of the low halves, and of the high ones, each joined with a predicate. The relation stands in
/// bits 2 to 5 of `variant`; bit 48 of `immediate` (H_AND): p is both, q the complement of it.
template <bool BRAIN>
void compare(Warp &w, const Instruction &i, u32 mask) {
    const HalfSource<BRAIN> a(w, i, 2, 0), b(w, i, 3, 1);
    const u32 relation = i.variant >> 2 & 15, other = predicate_source(w, i, 4);
    const u32 low = lanes_where([=](int lane) { return holds(relation, a(lane, 0), b(lane, 0)); });
    const u32 high = lanes_where([=](int lane) { return holds(relation, a(lane, 1), b(lane, 1)); });
    if (i.immediate >> 48 & 1) {
        write_comparison(w, i, mask, low & high, other);
        return;
    }
    predicate_result(w, i, 0, mask, joined(low, other, i.variant));
    predicate_result(w, i, 1, mask, joined(high, other, i.variant));
}

/// d = 1.0 (bit 48 of `immediate`, BF) or all ones in each half where the comparison holds, joined with a predicate.
template <bool BRAIN>
void compare_to_row(Warp &w, const Instruction &i, u32 mask) {
    const HalfSource<BRAIN> a(w, i, 1, 0), b(w, i, 2, 1);
    const u32 relation = i.variant >> 2 & 15, other = predicate_source(w, i, 3);
    const u32 one = i.immediate >> 48 & 1 ? (BRAIN ? 0x3f80u : 0x3c00u) : 0xffffu;
    const u32 low = joined(lanes_where([=](int l) { return holds(relation, a(l, 0), b(l, 0)); }), other, i.variant);
    const u32 high = joined(lanes_where([=](int l) { return holds(relation, a(l, 1), b(l, 1)); }), other, i.variant);
    write_row(w.row(i.o[0]), mask,
              [=](int lane) { return (low >> lane & 1 ? one : 0) | (high >> lane & 1 ? one : 0) << 16; });
}

/// d = a as the high half, b as the low one; bit 0 of `variant`: towards zero, bit 1: RELU.
template <bool BRAIN>
void pack(Warp &w, const Instruction &i, u32 mask) {
    const FloatSource<false> a(w, i, 1, 0), b(w, i, 2, 1);
    const u8 variant = i.variant;
    const auto one = [=](f32 value) -> u32 {
        if (variant & 2 && !(value > 0) && value == value) value = 0;
        if (BRAIN && !(variant & 1)) {
            const u32 bits = as_bits(value);
            if (value != value) return 0x7fff;
            return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
        }
        if (BRAIN) return value != value ? 0x7fff : as_bits(value) >> 16;
        u32 made = value != value ? 0x7fff : to_half(static_cast<f64>(value));
        if (variant & 1 && value == value && std::fabs(from_half(made)) > std::fabs(value)) --made;
        return made;
    };
    write_row(w.row(i.o[0]), mask, [=](int lane) { return one(b(lane)) | one(a(lane)) << 16; });
}

#define BOTH(identifier, name, function, ...)                              \
    RegisterForm identifier##_f16(name ".f16", function<false __VA_ARGS__>); \
    RegisterForm identifier##_bf16(name ".bf16", function<true __VA_ARGS__>);
#define WITH ,
BOTH(form_hadd, "sass.hadd2", arithmetic, WITH Sum)
BOTH(form_hmul, "sass.hmul2", arithmetic, WITH Product)
BOTH(form_hfma, "sass.hfma2", arithmetic, WITH Fused)
BOTH(form_hmnmx, "sass.hmnmx2", least_or_most)
BOTH(form_hsetp, "sass.hsetp2", compare)
BOTH(form_hset, "sass.hset2", compare_to_row)
BOTH(form_pack, "sass.f2fp", pack)

}  // namespace
}  // namespace simulate
