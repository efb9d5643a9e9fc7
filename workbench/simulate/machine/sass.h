// How SASS's forms read their operands.
//
// Operand k of the machine's instruction is slot k of the form's signature (workbench/simulate/sass/forms.py): results
// first, then sources, always all of them. Source modifiers stand in keep and flip by the number of the source; bit k of
// `immediate` negates slot k: adds one to a complemented integer, inverts a predicate.
#pragma once

#include "forms.h"

namespace simulate {

/// A 32-bit source. PLAIN: it has no modifiers.
template <bool PLAIN>
struct Source {
    const u32 *row;
    u32 keep, flip, plus;
    Source(Warp &w, const Instruction &i, int slot, int number)
        : row(w.row(i.o[slot])), keep(i.keep[number]), flip(i.flip[number]),
          plus(static_cast<u32>(i.immediate >> slot & 1)) {}
    u32 operator()(int lane) const {
        if constexpr (PLAIN) return row[lane];
        return ((row[lane] & keep) ^ flip) + plus;
    }
};

/// A float: modifiers act on the sign alone.
template <bool PLAIN>
struct FloatSource {
    const u32 *row;
    u32 keep, flip;
    FloatSource(Warp &w, const Instruction &i, int slot, int number)
        : row(w.row(i.o[slot])), keep(i.keep[number]), flip(i.flip[number]) {}
    f32 operator()(int lane) const {
        if constexpr (PLAIN) return as_float(row[lane]);
        return as_float((row[lane] & keep) ^ flip);
    }
};

/// Two neighbouring rows as an integer of 64 bits.
template <bool PLAIN>
struct WideSource {
    const u32 *row;
    u32 flip;
    u64 plus;
    WideSource(Warp &w, const Instruction &i, int slot, int number)
        : row(w.row(i.o[slot])), flip(i.flip[number]), plus(static_cast<u64>(i.immediate >> slot & 1)) {}
    u64 operator()(int lane) const {
        if constexpr (PLAIN) return pair_of(row, lane);
        return ((row[lane] ^ flip) | static_cast<u64>(row[LANES + lane] ^ flip) << 32) + plus;
    }
};

/// Two neighbouring rows as a double: modifiers act on the high word.
struct DoubleSource {
    const u32 *row;
    u32 keep, flip;
    DoubleSource(Warp &w, const Instruction &i, int slot, int number)
        : row(w.row(i.o[slot])), keep(i.keep[number]), flip(i.flip[number]) {}
    f64 operator()(int lane) const {
        return as_double(row[lane] | static_cast<u64>((row[LANES + lane] & keep) ^ flip) << 32);
    }
};

/// A predicate source, inverted where it is written with `!`.
inline u32 predicate_source(Warp &w, const Instruction &i, int slot) {
    return w.file[i.o[slot]] ^ (i.immediate >> slot & 1 ? FULL : 0u);
}

/// A predicate result.
inline void predicate_result(Warp &w, const Instruction &i, int slot, u32 mask, u32 made) {
    write_mask(w.file[i.o[slot]], mask, made);
}

/// A comparison joined with another predicate: AND, OR, XOR by the low bits of `variant`.
inline u32 joined(u32 made, u32 other, u8 variant) {
    switch (variant & 3) {
        case 0: return made & other;
        case 1: return made | other;
        default: return made ^ other;
    }
}

/// Both results of a comparison: it, and its complement, each joined with the predicate.
inline void write_comparison(Warp &w, const Instruction &i, u32 mask, u32 made, u32 other) {
    predicate_result(w, i, 0, mask, joined(made, other, i.variant));
    predicate_result(w, i, 1, mask, joined(~made, other, i.variant));
}

/// Registers a form twice: NAME reads modifiers, NAME.plain has none.
#define SASS_FORM(identifier, name, function)                               \
    RegisterForm identifier##_modified(name, function<false>);              \
    RegisterForm identifier##_plain(name ".plain", function<true>);

}  // namespace simulate
