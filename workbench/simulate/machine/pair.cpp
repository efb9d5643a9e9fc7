// The commonest 64-bit operations, row by row: addresses are made of them. Working on the low and the high words apart
// keeps the loops in vectors of 32-bit lanes.

#include "forms.h"

namespace simulate {
namespace {

/// Writes both rows from one lane function that gives (low, high).
template <class F>
inline void write_halves(u32 *row, u32 mask, F &&value) {
    if (mask == FULL) {
#pragma GCC ivdep
        for (int lane = 0; lane < LANES; ++lane) value(lane, row[lane], row[LANES + lane]);
    } else {
#pragma GCC ivdep
        for (int lane = 0; lane < LANES; ++lane) {
            u32 low, high;
            value(lane, low, high);
            const bool on = mask >> lane & 1;
            row[lane] = on ? low : row[lane];
            row[LANES + lane] = on ? high : row[LANES + lane];
        }
    }
}

void add(Warp &w, const Instruction &i, u32 mask) {
    const u32 *a = w.row(i.o[1]), *b = w.row(i.o[2]);
    write_halves(w.row(i.o[0]), mask, [=](int lane, u32 &low, u32 &high) {
        const u32 x = a[lane], sum = x + b[lane];
        const u32 top = a[LANES + lane] + b[LANES + lane] + (sum < x ? 1u : 0u);
        low = sum, high = top;
    });
}

void subtract(Warp &w, const Instruction &i, u32 mask) {
    const u32 *a = w.row(i.o[1]), *b = w.row(i.o[2]);
    write_halves(w.row(i.o[0]), mask, [=](int lane, u32 &low, u32 &high) {
        const u32 x = a[lane], y = b[lane];
        const u32 top = a[LANES + lane] - b[LANES + lane] - (x < y ? 1u : 0u);
        low = x - y, high = top;
    });
}

template <class F>
inline void bitwise(Warp &w, const Instruction &i, u32 mask, F &&f) {
    const u32 *a = w.row(i.o[1]), *b = w.row(i.o[2]);
    write_halves(w.row(i.o[0]), mask, [=](int lane, u32 &low, u32 &high) {
        const u32 top = f(a[LANES + lane], b[LANES + lane]);
        low = f(a[lane], b[lane]), high = top;
    });
}

void conjunction(Warp &w, const Instruction &i, u32 mask) { bitwise(w, i, mask, [](u32 x, u32 y) { return x & y; }); }
void disjunction(Warp &w, const Instruction &i, u32 mask) { bitwise(w, i, mask, [](u32 x, u32 y) { return x | y; }); }
void difference(Warp &w, const Instruction &i, u32 mask) { bitwise(w, i, mask, [](u32 x, u32 y) { return x ^ y; }); }

void complement(Warp &w, const Instruction &i, u32 mask) {
    const u32 *a = w.row(i.o[1]);
    write_halves(w.row(i.o[0]), mask, [=](int lane, u32 &low, u32 &high) {
        const u32 top = ~a[LANES + lane];
        low = ~a[lane], high = top;
    });
}

void move(Warp &w, const Instruction &i, u32 mask) {
    const u32 *a = w.row(i.o[1]);
    u32 *d = w.row(i.o[0]);
    if (mask == FULL) {
        std::memmove(d, a, 2 * LANES * sizeof(u32));
    } else {
        write_halves(d, mask, [=](int lane, u32 &low, u32 &high) { low = a[lane], high = a[LANES + lane]; });
    }
}

void shift_left(Warp &w, const Instruction &i, u32 mask) {
    const u32 *a = w.row(i.o[1]), *by = w.row(i.o[2]);
    u32 *d = w.row(i.o[0]);
    const u32 first = by[0];
    bool one = first < 32 && first > 0;
    for (int lane = 1; lane < LANES; ++lane) one &= by[lane] == first;
    if (one) {  // nearly always by a constant
        write_halves(d, mask, [=](int lane, u32 &low, u32 &high) {
            const u32 x = a[lane], top = a[LANES + lane] << first | x >> (32 - first);
            low = x << first, high = top;
        });
    } else {
        write_pair(d, mask, [=](int lane) { return by[lane] >= 64 ? 0 : pair_of(a, lane) << by[lane]; });
    }
}

/// o: destination, two 32-bit words, the low one first.
void join(Warp &w, const Instruction &i, u32 mask) {
    const u32 *a = w.row(i.o[1]), *b = w.row(i.o[2]);
    write_halves(w.row(i.o[0]), mask, [=](int lane, u32 &low, u32 &high) {
        const u32 top = b[lane];
        low = a[lane], high = top;
    });
}

/// o: two 32-bit words, source. The destinations may be parts of the source.
void split(Warp &w, const Instruction &i, u32 mask) {
    u32 both[2 * LANES];
    std::memcpy(both, w.row(i.o[2]), sizeof both);
    for (int k = 0; k < 2; ++k) {
        if (i.o[k] >= 0) write_row(w.row(i.o[k]), mask, [&](int lane) { return both[k * LANES + lane]; });
    }
}

template <bool SIGNED>
void widen(Warp &w, const Instruction &i, u32 mask) {
    const u32 *a = w.row(i.o[1]);
    write_halves(w.row(i.o[0]), mask, [=](int lane, u32 &low, u32 &high) {
        const u32 x = a[lane];
        low = x, high = SIGNED ? static_cast<u32>(static_cast<i32>(x) >> 31) : 0;
    });
}

RegisterForm pair_forms[] = {
    {"add.u64", add},
    {"add.s64", add},
    {"sub.u64", subtract},
    {"sub.s64", subtract},
    {"and.b64", conjunction},
    {"or.b64", disjunction},
    {"xor.b64", difference},
    {"not.b64", complement},
    {"mov.b64", move},
    {"shl.b64", shift_left},
    {"join.b64", join},
    {"split.b64", split},
    {"widen.u32", widen<false>},
    {"widen.s32", widen<true>},
};

}  // namespace
}  // namespace simulate
