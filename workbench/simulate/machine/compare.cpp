// Comparisons into predicates and registers, choices by predicate, and predicates among themselves.

#include <cmath>

#include "forms.h"
#include "numbers.h"

namespace simulate {
namespace {

// Ordered comparisons are false where a NaN takes part, unordered ones (…U) true.
struct Equal { template <class T> static bool of(T a, T b) { return a == b; } };
struct NotEqual { template <class T> static bool of(T a, T b) { return a < b || a > b; } };
struct Less { template <class T> static bool of(T a, T b) { return a < b; } };
struct LessEqual { template <class T> static bool of(T a, T b) { return a <= b; } };
struct Greater { template <class T> static bool of(T a, T b) { return a > b; } };
struct GreaterEqual { template <class T> static bool of(T a, T b) { return a >= b; } };
struct EqualU { template <class T> static bool of(T a, T b) { return !(a < b || a > b); } };
struct NotEqualU { template <class T> static bool of(T a, T b) { return a != b; } };
struct LessU { template <class T> static bool of(T a, T b) { return !(a >= b); } };
struct LessEqualU { template <class T> static bool of(T a, T b) { return !(a > b); } };
struct GreaterU { template <class T> static bool of(T a, T b) { return !(a <= b); } };
struct GreaterEqualU { template <class T> static bool of(T a, T b) { return !(a < b); } };
struct Numbers { template <class T> static bool of(T a, T b) { return a == a && b == b; } };
struct SomeNan { template <class T> static bool of(T a, T b) { return a != a || b != b; } };

// What is compared, out of a register.
template <class T> struct Plain { static T of(const u32 *row, int lane) { return get<T>(row, lane); } };
struct Flushed {
    static f32 of(const u32 *row, int lane) { return as_float((row[lane] & 0x7f800000) == 0 ? row[lane] & 0x80000000 : row[lane]); }
};
struct F16 { static f32 of(const u32 *row, int lane) { return from_f16(static_cast<u16>(row[lane])); } };
struct Bf16 { static f32 of(const u32 *row, int lane) { return from_bf16(static_cast<u16>(row[lane])); } };
struct HighF16 { static f32 of(const u32 *row, int lane) { return from_f16(static_cast<u16>(row[lane] >> 16)); } };
struct HighBf16 { static f32 of(const u32 *row, int lane) { return from_bf16(static_cast<u16>(row[lane] >> 16)); } };

template <class Source, class Comparison>
[[gnu::noinline]] u32 compared(Warp &w, const Instruction &i, int first) {
    const u32 *a = w.row(i.o[first]), *b = w.row(i.o[first + 1]);
    return lanes_where([=](int lane) { return Comparison::of(Source::of(a, lane), Source::of(b, lane)); });
}

/// `variant`: how a third predicate takes part: 0 not at all, 1 and, 2 or, 3 exclusive or.
u32 combined(Warp &w, const Instruction &i, u32 found) {
    if (i.variant == 0) return found;
    const u32 c = (w.predicate(i.o[4]) & i.keep[0]) ^ i.flip[0];
    return i.variant == 1 ? found & c : i.variant == 2 ? found | c : found ^ c;
}

/// setp. o: predicate (-1: none), predicate of the opposite (-1: none), a, b, third predicate.
void set_both(Warp &w, const Instruction &i, u32 mask, u32 found) {
    const u32 yes = combined(w, i, found), no = combined(w, i, ~found);
    if (i.o[0] >= 0) write_mask(w.predicate(i.o[0]), mask, yes);
    if (i.o[1] >= 0) write_mask(w.predicate(i.o[1]), mask, no);
}
template <class Source, class Comparison>
void set_predicate(Warp &w, const Instruction &i, u32 mask) {
    set_both(w, i, mask, compared<Source, Comparison>(w, i, 2));
}

/// setp of two halves: the first predicate is the low half's, the second the high one's.
void set_each(Warp &w, const Instruction &i, u32 mask, u32 low, u32 high) {
    const u32 first = combined(w, i, low), second = combined(w, i, high);
    if (i.o[0] >= 0) write_mask(w.predicate(i.o[0]), mask, first);
    if (i.o[1] >= 0) write_mask(w.predicate(i.o[1]), mask, second);
}
template <class Low, class High, class Comparison>
void set_predicates(Warp &w, const Instruction &i, u32 mask) {
    set_each(w, i, mask, compared<Low, Comparison>(w, i, 2), compared<High, Comparison>(w, i, 2));
}

/// set. o: destination, -, a, b, third predicate. `immediate` is what stands for true.
void set_word(Warp &w, const Instruction &i, u32 mask, u32 found) {
    const u32 holds = combined(w, i, found), yes = static_cast<u32>(i.immediate);
    write_row(w.row(i.o[0]), mask, [=](int lane) { return holds >> lane & 1 ? yes : 0; });
}
template <class Source, class Comparison>
void set(Warp &w, const Instruction &i, u32 mask) {
    set_word(w, i, mask, compared<Source, Comparison>(w, i, 2));
}

/// set of two halves, each 0 or (immediate) what stands for true in sixteen bits.
void set_words(Warp &w, const Instruction &i, u32 mask, u32 found_low, u32 found_high) {
    const u32 low = combined(w, i, found_low), high = combined(w, i, found_high);
    const u32 yes = static_cast<u32>(i.immediate) & 0xffff;
    write_row(w.row(i.o[0]), mask, [=](int lane) { return (low >> lane & 1 ? yes : 0) | (high >> lane & 1 ? yes << 16 : 0); });
}
template <class Low, class High, class Comparison>
void set_halves(Warp &w, const Instruction &i, u32 mask) {
    set_words(w, i, mask, compared<Low, Comparison>(w, i, 2), compared<High, Comparison>(w, i, 2));
}

template <class Source, class Comparison>
void register_comparison(const Name &name, const Name &type) {
    RegisterForm("setp." + name + type, set_predicate<Source, Comparison>);
    RegisterForm("set." + name + type, set<Source, Comparison>);
}

template <class Source>
void register_equalities(const Name &type) {
    register_comparison<Source, Equal>("eq", type);
    register_comparison<Source, NotEqual>("ne", type);
}

template <class Source>
void register_orders(const Name &type) {
    register_equalities<Source>(type);
    register_comparison<Source, Less>("lt", type);
    register_comparison<Source, LessEqual>("le", type);
    register_comparison<Source, Greater>("gt", type);
    register_comparison<Source, GreaterEqual>("ge", type);
}

template <class Source>
void register_floats(const Name &type) {
    register_orders<Source>(type);
    register_comparison<Source, EqualU>("equ", type);
    register_comparison<Source, NotEqualU>("neu", type);
    register_comparison<Source, LessU>("ltu", type);
    register_comparison<Source, LessEqualU>("leu", type);
    register_comparison<Source, GreaterU>("gtu", type);
    register_comparison<Source, GreaterEqualU>("geu", type);
    register_comparison<Source, Numbers>("num", type);
    register_comparison<Source, SomeNan>("nan", type);
}

template <class Low, class High>
void register_pairs(const Name &type) {
    const auto one = [&]<class Comparison>(const Name &name, Comparison) {
        RegisterForm("setp." + name + type, set_predicates<Low, High, Comparison>);
        RegisterForm("set." + name + type, set_halves<Low, High, Comparison>);
    };
    one("eq", Equal{}), one("ne", NotEqual{}), one("lt", Less{}), one("le", LessEqual{}), one("gt", Greater{});
    one("ge", GreaterEqual{}), one("equ", EqualU{}), one("neu", NotEqualU{}), one("ltu", LessU{}), one("leu", LessEqualU{});
    one("gtu", GreaterU{}), one("geu", GreaterEqualU{}), one("num", Numbers{}), one("nan", SomeNan{});
}

const bool comparisons = [] {
    register_equalities<Plain<u16>>(".b16");
    register_equalities<Plain<u32>>(".b32");
    register_equalities<Plain<u64>>(".b64");
    for_types<u16, i16, u32, i32, u64, i64>([]<class T>() { register_orders<Plain<T>>(Name(".") + type_name<T>()); });
    register_floats<Plain<f32>>(".f32");
    register_floats<Plain<f64>>(".f64");
    register_floats<Flushed>(".ftz.f32");
    register_floats<F16>(".f16");
    register_floats<Bf16>(".bf16");
    register_pairs<F16, HighF16>(".f16x2");
    register_pairs<Bf16, HighBf16>(".bf16x2");
    return true;
}();

/// selp. o: destination, where the predicate holds, where not, predicate.
void select(Warp &w, const Instruction &i, u32 mask) {
    const u32 *a = w.row(i.o[1]), *b = w.row(i.o[2]);
    const u32 p = w.predicate(i.o[3]);
    write_row(w.row(i.o[0]), mask, [=](int lane) {
        const u32 x = a[lane], y = b[lane];
        return p >> lane & 1 ? x : y;
    });
}

void select_pair(Warp &w, const Instruction &i, u32 mask) {
    const u32 *a = w.row(i.o[1]), *b = w.row(i.o[2]);
    const u32 p = w.predicate(i.o[3]);
    write_pair(w.row(i.o[0]), mask, [=](int lane) {
        const u64 x = pair_of(a, lane), y = pair_of(b, lane);
        return p >> lane & 1 ? x : y;
    });
}

/// slct. o: destination, where c is not negative, where it is, c. A NaN counts as negative, -0 does not.
template <class T, class C>
struct ByDirection { static T of(T a, T b, C c) { return c >= 0 ? a : b; } };
struct ByFlushedDirection {
    template <class T> static T of(T a, T b, f32 c) { return c >= 0 || std::fabs(c) < 0x1p-126f ? a : b; }
};

template <class F>
void on_predicates(Warp &w, const Instruction &i, u32 mask, F &&f) {
    write_mask(w.predicate(i.o[0]), mask, f(w.predicate(i.o[1]), w.predicate(i.o[i.o[2] < 0 ? 1 : 2])));
}
void both(Warp &w, const Instruction &i, u32 mask) { on_predicates(w, i, mask, [](u32 a, u32 b) { return a & b; }); }
void either(Warp &w, const Instruction &i, u32 mask) { on_predicates(w, i, mask, [](u32 a, u32 b) { return a | b; }); }
void one_of(Warp &w, const Instruction &i, u32 mask) { on_predicates(w, i, mask, [](u32 a, u32 b) { return a ^ b; }); }
void none(Warp &w, const Instruction &i, u32 mask) { on_predicates(w, i, mask, [](u32 a, u32) { return ~a; }); }
void same(Warp &w, const Instruction &i, u32 mask) { on_predicates(w, i, mask, [](u32 a, u32) { return a; }); }

RegisterForm choices[] = {
    {"selp.b32", select},
    {"selp.b64", select_pair},
    {"slct.b32.s32", ternary<u32, u32, ByDirection<u32, i32>, i32>},
    {"slct.b64.s32", ternary<u64, u64, ByDirection<u64, i32>, i32>},
    {"slct.b32.f32", ternary<u32, u32, ByDirection<u32, f32>, f32>},
    {"slct.b64.f32", ternary<u64, u64, ByDirection<u64, f32>, f32>},
    {"slct.ftz.b32.f32", ternary<u32, u32, ByFlushedDirection, f32>},
    {"slct.ftz.b64.f32", ternary<u64, u64, ByFlushedDirection, f32>},
    {"and.pred", both},
    {"or.pred", either},
    {"xor.pred", one_of},
    {"not.pred", none},
    {"mov.pred", same},
};

}  // namespace
}  // namespace simulate
