// Fields, permutations and counts of bits.

#include <algorithm>
#include <cstdlib>

#include "forms.h"

namespace simulate {
namespace {

template <class T>
constexpr u32 WIDTH = 8 * sizeof(T);

template <class T>
T low_bits(u32 count) { return count >= WIDTH<T> ? static_cast<T>(~T{0}) : static_cast<T>((T{1} << count) - 1); }

template <class T> struct Population { static u32 of(T a) { return static_cast<u32>(std::popcount(a)); } };
template <class T> struct LeadingZeros { static u32 of(T a) { return static_cast<u32>(std::countl_zero(a)); } };
template <class T> struct Reverse {
    static T of(T a) {
        T made = 0;
        for (u32 k = 0; k < WIDTH<T>; ++k) made |= static_cast<T>(a >> k & 1) << (WIDTH<T> - 1 - k);
        return made;
    }
};
/// The highest bit that differs from the sign; SHIFT: how far to shift it to the top. All ones where there is none.
template <class T, bool SHIFT> struct HighestBit {
    static u32 of(T a) {
        const auto value = static_cast<std::make_unsigned_t<T>>(a < 0 ? ~a : a);
        if (value == 0) return FULL;
        const u32 zeros = static_cast<u32>(std::countl_zero(value));
        return SHIFT ? zeros : WIDTH<T> - 1 - zeros;
    }
};

/// bfe: `length` bits of a from bit `start` on; signed ones extend the field's highest bit (a's where it lies beyond).
template <class T> struct Extract {
    static T of(T a, u32 from, u32 length) {
        using U = std::make_unsigned_t<T>;
        const u32 start = from & 0xff, count = length & 0xff;
        const U bits = start >= WIDTH<T> ? 0 : static_cast<U>(a) >> start;
        const U field = bits & low_bits<U>(count);
        if constexpr (std::is_signed_v<T>) {
            const bool sign = count != 0 && (static_cast<U>(a) >> std::min(start + count - 1, WIDTH<T> - 1) & 1);
            const u32 kept = start >= WIDTH<T> ? 0 : std::min(count, WIDTH<T> - start);
            return static_cast<T>(sign ? field | ~low_bits<U>(kept) : field);
        }
        return static_cast<T>(field);
    }
};

template <class T>
void extract(Warp &w, const Instruction &i, u32 mask) {
    const u32 *a = w.row(i.o[1]), *start = w.row(i.o[2]), *length = w.row(i.o[3]);
    put<T>(w.row(i.o[0]), mask, [=](int lane) { return Extract<T>::of(get<T>(a, lane), start[lane], length[lane]); });
}

/// bfi. o: destination, field, what it goes into, start, length.
template <class T>
void insert(Warp &w, const Instruction &i, u32 mask) {
    const u32 *a = w.row(i.o[1]), *b = w.row(i.o[2]), *start = w.row(i.o[3]), *length = w.row(i.o[4]);
    put<T>(w.row(i.o[0]), mask, [=](int lane) -> T {
        const u32 from = start[lane] & 0xff, count = length[lane] & 0xff;
        const T place = from >= WIDTH<T> ? 0 : low_bits<T>(count) << (from & (WIDTH<T> - 1));
        const T field = from >= WIDTH<T> ? 0 : get<T>(a, lane) << (from & (WIDTH<T> - 1));
        return (get<T>(b, lane) & ~place) | (field & place);
    });
}

enum class Permute { any, forward4, backward4, replicate8, edge_left, edge_right, replicate16 };

u32 selector(Permute mode, u32 c) {
    const u32 k = c & 3;
    switch (mode) {
        case Permute::any: return c;
        case Permute::forward4: return k | (k + 1) << 4 | (k + 2) << 8 | (k + 3) << 12;
        case Permute::backward4: return k | ((k + 7) & 7) << 4 | ((k + 6) & 7) << 8 | ((k + 5) & 7) << 12;
        case Permute::replicate8: return k * 0x1111;
        case Permute::edge_left: return k | std::max(k, 1u) << 4 | std::max(k, 2u) << 8 | 3 << 12;
        case Permute::edge_right: return 0 | std::min(k, 1u) << 4 | std::min(k, 2u) << 8 | k << 12;
        case Permute::replicate16: return (k & 1) ? 0x3232 : 0x1010;
    }
    return 0;
}

/// prmt: four bytes out of the eight of b:a; a selector's highest bit replicates the byte's sign.
template <Permute MODE>
void permute(Warp &w, const Instruction &i, u32 mask) {
    const u32 *a = w.row(i.o[1]), *b = w.row(i.o[2]), *c = w.row(i.o[3]);
    write_row(w.row(i.o[0]), mask, [=](int lane) {
        const u64 bytes = a[lane] | static_cast<u64>(b[lane]) << 32;
        const u32 select = selector(MODE, c[lane]);
        u32 made = 0;
        for (int k = 0; k < 4; ++k) {
            const u32 nibble = select >> 4 * k & 15;
            u32 byte = static_cast<u32>(bytes >> 8 * (nibble & 7)) & 0xff;
            if (nibble & 8) byte = byte & 0x80 ? 0xff : 0;
            made |= byte << 8 * k;
        }
        return made;
    });
}

/// lop3: bit by bit, the table in `variant` at index 4 a + 2 b + c.
void lookup(Warp &w, const Instruction &i, u32 mask) {
    const u32 *a = w.row(i.o[1]), *b = w.row(i.o[2]), *c = w.row(i.o[3]);
    const u32 table = i.variant;
    u32 minterms[8];
    for (int k = 0; k < 8; ++k) minterms[k] = table >> k & 1 ? FULL : 0;
    write_row(w.row(i.o[0]), mask, [&](int lane) {
        const u32 x = a[lane], y = b[lane], z = c[lane];
        return (minterms[0] & ~x & ~y & ~z) | (minterms[1] & ~x & ~y & z) | (minterms[2] & ~x & y & ~z) |
               (minterms[3] & ~x & y & z) | (minterms[4] & x & ~y & ~z) | (minterms[5] & x & ~y & z) |
               (minterms[6] & x & y & ~z) | (minterms[7] & x & y & z);
    });
}

/// shf: the high (left) or low (right) word of b:a shifted by c, which wraps at 32 or stays at it.
template <bool LEFT, bool WRAP>
void funnel(Warp &w, const Instruction &i, u32 mask) {
    const u32 *a = w.row(i.o[1]), *b = w.row(i.o[2]), *c = w.row(i.o[3]);
    write_row(w.row(i.o[0]), mask, [=](int lane) {
        const u64 both = a[lane] | static_cast<u64>(b[lane]) << 32;
        const u32 by = WRAP ? c[lane] & 31 : std::min(c[lane], 32u);
        return static_cast<u32>(LEFT ? both << by >> 32 : both >> by);
    });
}

/// How far the bytes of a lie from those of b: four bytes, or (vabsdiff4.add) their sum added to c.
template <class Byte, bool ADD>
struct DistanceOfBytes {
    static u32 of(u32 a, u32 b, u32 c) {
        u32 made = ADD ? c : 0;
        for (int at = 0; at < 32; at += 8) {
            const int far = std::abs(static_cast<Byte>(a >> at) - static_cast<Byte>(b >> at));
            made += static_cast<u32>(far) << (ADD ? 0 : at);
        }
        return made;
    }
};

/// dp4a and dp2a: products of bytes (of a's halves by two of b's bytes), added to c.
template <class A, class B>
void dot4(Warp &w, const Instruction &i, u32 mask) {
    const u32 *a = w.row(i.o[1]), *b = w.row(i.o[2]), *c = w.row(i.o[3]);
    write_row(w.row(i.o[0]), mask, [=](int lane) {
        u32 sum = c[lane];
        for (int k = 0; k < 4; ++k) {
            sum += static_cast<u32>(static_cast<i32>(static_cast<A>(a[lane] >> 8 * k)) *
                                    static_cast<i32>(static_cast<B>(b[lane] >> 8 * k)));
        }
        return sum;
    });
}

template <class A, class B, bool HIGH>
void dot2(Warp &w, const Instruction &i, u32 mask) {
    const u32 *a = w.row(i.o[1]), *b = w.row(i.o[2]), *c = w.row(i.o[3]);
    write_row(w.row(i.o[0]), mask, [=](int lane) {
        u32 sum = c[lane];
        for (int k = 0; k < 2; ++k) {
            sum += static_cast<u32>(static_cast<i32>(static_cast<A>(a[lane] >> 16 * k)) *
                                    static_cast<i32>(static_cast<B>(b[lane] >> 8 * (k + (HIGH ? 2 : 0)))));
        }
        return sum;
    });
}

/// bmsk: `length` ones from bit `start` on; clamped or modulo 32.
template <bool WRAP>
void bit_mask(Warp &w, const Instruction &i, u32 mask) {
    const u32 *a = w.row(i.o[1]), *b = w.row(i.o[2]);
    write_row(w.row(i.o[0]), mask, [=](int lane) {
        const u32 start = WRAP ? a[lane] & 31 : a[lane], count = WRAP ? b[lane] & 31 : b[lane];
        return start >= 32 ? 0 : low_bits<u32>(count) << start;
    });
}

/// pack and unpack: a word out of two halves, or two halves (-1: not wanted) out of a word.
void pack_halves(Warp &w, const Instruction &i, u32 mask) {
    const u32 *a = w.row(i.o[1]), *b = w.row(i.o[2]);
    write_row(w.row(i.o[0]), mask, [=](int lane) { return (a[lane] & 0xffff) | b[lane] << 16; });
}

void unpack_halves(Warp &w, const Instruction &i, u32 mask) {
    u32 word[LANES];
    std::memcpy(word, w.row(i.o[2]), sizeof word);
    if (i.o[0] >= 0) write_row(w.row(i.o[0]), mask, [&](int lane) { return word[lane] & 0xffff; });
    if (i.o[1] >= 0) write_row(w.row(i.o[1]), mask, [&](int lane) { return word[lane] >> 16; });
}

const bool counted = for_types<u32, u64>([]<class T>() {
    const Name type = sizeof(T) == 8 ? ".b64" : ".b32";
    RegisterForm("popc" + type, unary<u32, T, Population<T>>);
    RegisterForm("clz" + type, unary<u32, T, LeadingZeros<T>>);
    RegisterForm("brev" + type, unary<T, T, Reverse<T>>);
    RegisterForm("bfi" + type, insert<T>);
});

const bool fields = for_types<u32, i32, u64, i64>([]<class T>() {
    RegisterForm(Name("bfe.") + type_name<T>(), extract<T>);
    RegisterForm(Name("bfind.") + type_name<T>(), unary<u32, T, HighestBit<T, false>>);
    RegisterForm(Name("bfind.shiftamt.") + type_name<T>(), unary<u32, T, HighestBit<T, true>>);
});

RegisterForm bit_forms[] = {
    {"prmt.b32", permute<Permute::any>},
    {"prmt.b32.f4e", permute<Permute::forward4>},
    {"prmt.b32.b4e", permute<Permute::backward4>},
    {"prmt.b32.rc8", permute<Permute::replicate8>},
    {"prmt.b32.ecl", permute<Permute::edge_left>},
    {"prmt.b32.ecr", permute<Permute::edge_right>},
    {"prmt.b32.rc16", permute<Permute::replicate16>},
    {"lop3.b32", lookup},
    {"shf.l.clamp.b32", funnel<true, false>},
    {"shf.l.wrap.b32", funnel<true, true>},
    {"shf.r.clamp.b32", funnel<false, false>},
    {"shf.r.wrap.b32", funnel<false, true>},
    {"vabsdiff4.u32.u32.u32", ternary<u32, u32, DistanceOfBytes<u8, false>>},
    {"vabsdiff4.s32.s32.s32", ternary<u32, u32, DistanceOfBytes<i8, false>>},
    {"vabsdiff4.u32.u32.u32.add", ternary<u32, u32, DistanceOfBytes<u8, true>>},
    {"vabsdiff4.s32.s32.s32.add", ternary<u32, u32, DistanceOfBytes<i8, true>>},
    {"dp4a.s32.s32", dot4<i8, i8>},
    {"dp4a.s32.u32", dot4<i8, u8>},
    {"dp4a.u32.s32", dot4<u8, i8>},
    {"dp4a.u32.u32", dot4<u8, u8>},
    {"dp2a.lo.s32.s32", dot2<i16, i8, false>},
    {"dp2a.lo.s32.u32", dot2<i16, u8, false>},
    {"dp2a.lo.u32.s32", dot2<u16, i8, false>},
    {"dp2a.lo.u32.u32", dot2<u16, u8, false>},
    {"dp2a.hi.s32.s32", dot2<i16, i8, true>},
    {"dp2a.hi.s32.u32", dot2<i16, u8, true>},
    {"dp2a.hi.u32.s32", dot2<u16, i8, true>},
    {"dp2a.hi.u32.u32", dot2<u16, u8, true>},
    {"bmsk.clamp.b32", bit_mask<false>},
    {"bmsk.wrap.b32", bit_mask<true>},
    {"pack.b32", pack_halves},
    {"unpack.b32", unpack_halves},
};

}  // namespace
}  // namespace simulate
