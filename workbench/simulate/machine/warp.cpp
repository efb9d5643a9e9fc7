// What the lanes of a warp do together: shuffles, votes, matches, reductions.
//
// Sources that are predicates are (word & keep[0]) ^ flip[0], so that a negated one needs no register.

#include <algorithm>

#include "forms.h"

namespace simulate {
namespace {

enum class Shuffle { up, down, butterfly, index };

/// o: destination, value, lane or distance (b), clamp and segment mask (c), member mask, predicate (-1: none).
/// The instruction set's own pseudo-code. A value of a lane that takes no part is undefined: all ones.
template <Shuffle MODE>
void shuffle(Warp &w, const Instruction &i, u32 mask) {
    const u32 *a = w.row(i.o[1]), *b = w.row(i.o[2]), *c = w.row(i.o[3]);
    alignas(64) u32 from[LANES], value[LANES], reaches[LANES];
    for (u32 lane = 0; lane < LANES; ++lane) {
        const u32 distance = b[lane] & 31, clamp = c[lane] & 31, segment = c[lane] >> 8 & 31;
        const u32 last = (lane & segment) | (clamp & ~segment), first = lane & segment;
        u32 source;
        if constexpr (MODE == Shuffle::up) {
            source = lane - distance;
            reaches[lane] = static_cast<i32>(source) >= static_cast<i32>(last) ? FULL : 0;
        } else {
            source = MODE == Shuffle::down        ? lane + distance
                     : MODE == Shuffle::butterfly ? lane ^ distance
                                                  : first | (distance & ~segment);
            reaches[lane] = source <= last ? FULL : 0;
        }
        from[lane] = ((source & 31) & reaches[lane]) | (lane & ~reaches[lane]);
    }
    const u32 in_range = lanes_where([&](int lane) { return reaches[lane] != 0; });
    u32 undefined = 0;
    permute_row(value, a, from);
    if (mask != FULL) {
        undefined = lanes_where([&](int lane) { return (mask >> from[lane] & 1) == 0; });
        for (int lane = 0; lane < LANES; ++lane) value[lane] = undefined >> lane & 1 ? FULL : value[lane];
    }
    if ((undefined & mask) != 0) {
        for (Observer *o : w.machine().observers) o->undefined_shuffle(w, i, undefined & mask);
    }
    if (w.machine().values != nullptr) w.machine().values->shuffled(w, i, mask, from);
    if (i.o[0] >= 0) write_row(w.row(i.o[0]), mask, [&](int lane) { return value[lane]; });
    if (i.o[5] >= 0) write_mask(w.predicate(i.o[5]), mask, in_range);
}

u32 predicate_source(Warp &w, const Instruction &i, int operand) {
    return (w.predicate(i.o[operand]) & i.keep[0]) ^ i.flip[0];
}

enum class Vote { any, all, uniform };

/// o: predicate (-1: none), source predicate, row for the ballot (-1: none), -, member mask.
template <Vote MODE>
void vote(Warp &w, const Instruction &i, u32 mask) {
    const u32 for_it = predicate_source(w, i, 1) & mask;
    const bool holds = MODE == Vote::any   ? for_it != 0
                       : MODE == Vote::all ? for_it == mask
                                           : for_it == mask || for_it == 0;
    if (i.o[0] >= 0) write_mask(w.predicate(i.o[0]), mask, holds ? FULL : 0);
    if (i.o[2] >= 0) write_row(w.row(i.o[2]), mask, [=](int) { return for_it; });
}

/// o: destination. The lanes that run now.
void active_mask(Warp &w, const Instruction &i, u32 mask) {
    write_row(w.row(i.o[0]), mask, [=](int) { return mask; });
}

/// o: destination, value, -, -, member mask. Lanes whose value is this lane's.
template <class T>
void match_any(Warp &w, const Instruction &i, u32 mask) {
    const u32 *a = w.row(i.o[1]);
    u32 made[LANES] = {};
    each_lane(mask, [&](int lane) {
        each_lane(mask, [&](int other) { made[lane] |= static_cast<u32>(get<T>(a, other) == get<T>(a, lane)) << other; });
    });
    write_row(w.row(i.o[0]), mask, [&](int lane) { return made[lane]; });
}

/// o: destination, value, -, -, member mask, predicate (-1: none). All members where all agree, else none.
template <class T>
void match_all(Warp &w, const Instruction &i, u32 mask) {
    const u32 *a = w.row(i.o[1]);
    const T first = get<T>(a, std::countr_zero(mask));
    bool agree = true;
    each_lane(mask, [&](int lane) { agree &= get<T>(a, lane) == first; });
    write_row(w.row(i.o[0]), mask, [=](int) { return agree ? mask : 0u; });
    if (i.o[5] >= 0) write_mask(w.predicate(i.o[5]), mask, agree ? FULL : 0);
}

struct Sum { template <class T> static T of(T a, T b) { return static_cast<T>(static_cast<u32>(a) + static_cast<u32>(b)); } };
struct Least { template <class T> static T of(T a, T b) { return std::min(a, b); } };
struct Most { template <class T> static T of(T a, T b) { return std::max(a, b); } };
struct And { template <class T> static T of(T a, T b) { return a & b; } };
struct Or { template <class T> static T of(T a, T b) { return a | b; } };
struct Xor { template <class T> static T of(T a, T b) { return a ^ b; } };

/// o: destination, value, -, -, member mask.
template <class T, class Operation>
void reduce(Warp &w, const Instruction &i, u32 mask) {
    const u32 *a = w.row(i.o[1]);
    T made = get<T>(a, std::countr_zero(mask));
    each_lane(mask & (mask - 1), [&](int lane) { made = Operation::of(made, get<T>(a, lane)); });
    write_row(w.row(i.o[0]), mask, [=](int) { return static_cast<u32>(made); });
}

/// o: row for the leader's number (-1: none), predicate that holds for the leader alone, -, -, member mask.
void elect(Warp &w, const Instruction &i, u32 mask) {
    const u32 leader = static_cast<u32>(std::countr_zero(mask));
    if (i.o[0] >= 0) write_row(w.row(i.o[0]), mask, [=](int) { return leader; });
    if (i.o[1] >= 0) write_mask(w.predicate(i.o[1]), mask, 1u << leader);
}

/// What a block's barrier made of its threads' predicates. o: barrier, threads, predicate, destination.
void outcome_in_row(Warp &w, const Instruction &i, u32 mask) {
    const u32 outcome = w.block->outcome;
    write_row(w.row(i.o[3]), mask, [=](int) { return outcome; });
}
void outcome_in_predicate(Warp &w, const Instruction &i, u32 mask) {
    write_mask(w.predicate(i.o[3]), mask, w.block->outcome != 0 ? FULL : 0);
}

/// Clocks count instructions: later is more, and no more is promised.
void clock(Warp &w, const Instruction &i, u32 mask) {
    const u64 now = w.machine().executed;
    write_row(w.row(i.o[0]), mask, [=](int) { return static_cast<u32>(now); });
}
void long_clock(Warp &w, const Instruction &i, u32 mask) {
    const u64 now = w.machine().executed;
    write_pair(w.row(i.o[0]), mask, [=](int) { return now; });
}

void trap(Warp &w, const Instruction &i, u32 mask) {
    w.machine().fault(w, i, "trap", "the kernel stops itself", std::countr_zero(mask));
}
void assertion(Warp &w, const Instruction &i, u32 mask) {
    w.machine().fault(w, i, "assertion", "an assertion of the kernel does not hold", std::countr_zero(mask));
}

RegisterForm warp_forms[] = {
    {"bar.red.row", outcome_in_row},
    {"bar.red.predicate", outcome_in_predicate},
    {"clock.b32", clock},
    {"clock.b64", long_clock},
    {"trap", trap},
    {"assert.fail", assertion},
    {"shfl.up", shuffle<Shuffle::up>},
    {"shfl.down", shuffle<Shuffle::down>},
    {"shfl.bfly", shuffle<Shuffle::butterfly>},
    {"shfl.idx", shuffle<Shuffle::index>},
    {"vote.any", vote<Vote::any>},
    {"vote.all", vote<Vote::all>},
    {"vote.uni", vote<Vote::uniform>},
    {"activemask", active_mask},
    {"match.any.b32", match_any<u32>},
    {"match.any.b64", match_any<u64>},
    {"match.all.b32", match_all<u32>},
    {"match.all.b64", match_all<u64>},
    {"redux.add.u32", reduce<u32, Sum>},
    {"redux.add.s32", reduce<i32, Sum>},
    {"redux.min.u32", reduce<u32, Least>},
    {"redux.min.s32", reduce<i32, Least>},
    {"redux.max.u32", reduce<u32, Most>},
    {"redux.max.s32", reduce<i32, Most>},
    {"redux.and.b32", reduce<u32, And>},
    {"redux.or.b32", reduce<u32, Or>},
    {"redux.xor.b32", reduce<u32, Xor>},
    {"elect", elect},
};

}  // namespace
}  // namespace simulate
