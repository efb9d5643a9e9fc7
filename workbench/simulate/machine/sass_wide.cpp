// SASS: integers of 64 bits in pairs of registers, as from sm_120 on.

#include <functional>

#include "sass.h"

namespace simulate {
namespace {

/// The pair d = a + b.
template <bool PLAIN>
void add(Warp &w, const Instruction &i, u32 mask) {
    const WideSource<PLAIN> a(w, i, 1, 0), b(w, i, 2, 1);
    write_pair(w.row(i.o[0]), mask, [=](int lane) { return a(lane) + b(lane); });
}

/// The pair d = a + b + c.
template <bool PLAIN>
void add3(Warp &w, const Instruction &i, u32 mask) {
    const WideSource<PLAIN> a(w, i, 1, 0), b(w, i, 2, 1), c(w, i, 3, 2);
    write_pair(w.row(i.o[0]), mask, [=](int lane) { return a(lane) + b(lane) + c(lane); });
}

/// The pair d = a + b + a carry; p where one was carried out. A negated source's one is added in full, as of 32 bits.
void add_carry(Warp &w, const Instruction &i, u32 mask) {
    const WideSource<false> a(w, i, 2, 0), b(w, i, 3, 1);
    const u32 carry_in = predicate_source(w, i, 4);
    alignas(64) u64 made[LANES];
    alignas(64) u32 carry[LANES];
    for (int lane = 0; lane < LANES; ++lane) {
        const u64 x = a(lane) - a.plus, sum = x + (b(lane) - b.plus);
        made[lane] = sum + (a.plus + b.plus + (carry_in >> lane & 1));
        carry[lane] = static_cast<u32>(sum < x) | static_cast<u32>(made[lane] < sum);
    }
    write_pair(w.row(i.o[0]), mask, [&](int lane) { return made[lane]; });
    predicate_result(w, i, 1, mask, lanes_where([&](int lane) { return carry[lane] != 0; }));
}

template <bool PLAIN>
void select(Warp &w, const Instruction &i, u32 mask) {
    const WideSource<PLAIN> a(w, i, 1, 0), b(w, i, 2, 1);
    const u32 first = predicate_source(w, i, 3);
    write_pair(w.row(i.o[0]), mask, [=](int lane) { return first >> lane & 1 ? a(lane) : b(lane); });
}

/// The pair d = least or most of a and b.
template <class T>
void least_or_most(Warp &w, const Instruction &i, u32 mask) {
    const WideSource<false> a(w, i, 1, 0), b(w, i, 2, 1);
    const u32 least = predicate_source(w, i, 3);
    write_pair(w.row(i.o[0]), mask, [=](int lane) {
        const u64 x = a(lane), y = b(lane);
        return (static_cast<T>(x) < static_cast<T>(y)) == ((least >> lane & 1) != 0) ? x : y;
    });
}

/// p, q = a ? b, joined with a predicate.
template <class T, class Comparison>
void compare(Warp &w, const Instruction &i, u32 mask) {
    const WideSource<false> a(w, i, 2, 0), b(w, i, 3, 1);
    const u32 made = lanes_where([=](int lane) { return Comparison{}(static_cast<T>(a(lane)), static_cast<T>(b(lane))); });
    write_comparison(w, i, mask, made, predicate_source(w, i, 4));
}

/// Four rows from four rows that need not be neighbours.
void move_four(Warp &w, const Instruction &i, u32 mask) {
    for (int k = 0; k < 4; ++k) {
        const u32 *from = w.row(i.o[1 + k]);
        write_row(w.row(i.o[0]) + k * LANES, mask, [=](int lane) { return from[lane]; });
    }
}

SASS_FORM(form_add, "sass.iadd.64", add)
RegisterForm form_add_carry("sass.iadd.carry.64", add_carry);
SASS_FORM(form_add3, "sass.iadd3.64", add3)
SASS_FORM(form_select, "sass.sel.64", select)
RegisterForm form_mnmx_s("sass.imnmx.s64", least_or_most<i64>), form_mnmx_u("sass.imnmx.u64", least_or_most<u64>);
RegisterForm form_move_four("sass.mov.four", move_four);

#define COMPARE(word, comparison)                                                                        \
    RegisterForm form_##comparison##_s("sass.isetp." word ".s64", compare<i64, std::comparison<i64>>); \
    RegisterForm form_##comparison##_u("sass.isetp." word ".u64", compare<u64, std::comparison<u64>>);
COMPARE("lt", less) COMPARE("le", less_equal) COMPARE("gt", greater) COMPARE("ge", greater_equal)
COMPARE("eq", equal_to) COMPARE("ne", not_equal_to)
#undef COMPARE

}  // namespace
}  // namespace simulate
