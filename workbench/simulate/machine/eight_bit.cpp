// Conversions of two values at a time to and from floats of eight bits: PTX's cvt and SASS's F2FP.

#include "numbers.h"
#include "sass.h"

namespace simulate {
namespace {

enum After { relu = 1, upper_half = 2 };  // bits of `variant`

/// The register whose low half becomes the result's high half: one of SASS's operands, zero from PTX.
struct Merged {
    const u32 *row;
    Merged(Warp &w, const Instruction &i, int slot) : row(i.o[slot] < 0 ? nullptr : w.row(i.o[slot])) {}
    u32 operator()(int lane) const { return row == nullptr ? 0 : row[lane] << 16; }
};

template <class F>
u32 packed(f64 high, f64 low, u8 after) {
    const auto one = [=](f64 value) -> u32 {
        if ((after & relu) && !(value > 0) && value == value) value = 0;
        return to_eight<F>(value);
    };
    return one(low) | one(high) << 8;
}

/// o: result, the upper value, the lower one, and what is merged.
template <class F>
void from_floats(Warp &w, const Instruction &i, u32 mask) {
    const FloatSource<false> high(w, i, 1, 0), low(w, i, 2, 1);
    const Merged merged(w, i, 3);
    const u8 after = i.variant;
    write_row(w.row(i.o[0]), mask,
              [=](int lane) { return packed<F>(high(lane), low(lane), after) | merged(lane); });
}

/// o: result, two halves, and what is merged.
template <class F>
void from_halves(Warp &w, const Instruction &i, u32 mask) {
    const u32 *halves = w.row(i.o[1]);
    const Merged merged(w, i, 2);
    const u8 after = i.variant;
    write_row(w.row(i.o[0]), mask, [=](int lane) {
        const f64 high = from_f16(static_cast<u16>(halves[lane] >> 16)), low = from_f16(static_cast<u16>(halves[lane]));
        return packed<F>(high, low, after) | merged(lane);
    });
}

/// o: two halves, and the register whose low or upper half they come from.
template <class F>
void to_halves(Warp &w, const Instruction &i, u32 mask) {
    const u32 *from = w.row(i.o[1]);
    const u8 after = i.variant;
    write_row(w.row(i.o[0]), mask, [=](int lane) {
        const u32 word = from[lane] >> (after & upper_half ? 16 : 0);
        const auto one = [=](u32 bits) -> u32 {
            const u16 made = f16_of<F>(static_cast<u8>(bits));
            return (after & relu) && made & 0x8000 ? 0 : made;
        };
        return one(word) | one(word >> 8) << 16;
    });
}

RegisterForm eight_bit_forms[] = {
    {"cvt.e4m3x2.f32", from_floats<E4m3>},   {"cvt.e5m2x2.f32", from_floats<E5m2>},
    {"cvt.e4m3x2.f16x2", from_halves<E4m3>}, {"cvt.e5m2x2.f16x2", from_halves<E5m2>},
    {"cvt.f16x2.e4m3x2", to_halves<E4m3>},   {"cvt.f16x2.e5m2x2", to_halves<E5m2>},
};

}  // namespace
}  // namespace simulate
