// SASS: convergence barriers, values between lanes and the uniform datapath, constant memory, and what has no result.

#include "sass.h"

namespace simulate {
namespace {

/// B = the lanes that run, as each of them sees it: they meet again at the BSYNC of the same barrier.
void begin_convergence(Warp &w, const Instruction &i, u32 mask) {
    write_row(w.row(i.o[0]), mask, [=](int) { return mask; });
}

/// These lanes leave barrier B: nobody waits for them there any longer.
void leave_convergence(Warp &w, const Instruction &i, u32 mask) {
    const u32 leaving = mask & predicate_source(w, i, 1);
    if (leaving == 0) return;
    u32 *row = w.row(i.o[0]);
    const u32 company = row[std::countr_zero(leaving)];
    each_lane(company, [&](int lane) { row[lane] &= ~leaving; });
    for (Split &split : w.splits) {
        const Instruction &waits_at = w.machine().program.code[split.pc];
        if (split.state == Split::at_converge && waits_at.o[0] == i.o[0] && (split.mask & company)) split.need &= ~leaving;
    }
}

/// p, UR = lanes whose value is another than the first lane's, and that lane's value.
void to_uniform(Warp &w, const Instruction &i, u32 mask) {
    const u32 *from = w.row(i.o[2]);
    const u32 value = from[std::countr_zero(mask)];
    const u32 others = lanes_where([=](int lane) { return from[lane] != value; });
    write_row(w.row(i.o[1]), FULL, [=](int) { return value; });
    predicate_result(w, i, 0, mask, others);
}

enum class Vote { any, all, equal };

/// d (every lane of it, so that a uniform register is whole) = the lanes for which the predicate holds; p = the vote.
template <Vote MODE, bool UNIFORM>
void vote(Warp &w, const Instruction &i, u32 mask) {
    const u32 for_it = predicate_source(w, i, 2) & mask;
    const bool holds = MODE == Vote::any ? for_it != 0 : MODE == Vote::all ? for_it == mask : for_it == mask || for_it == 0;
    const u32 written = UNIFORM ? FULL : mask;
    write_row(w.row(i.o[0]), written, [=](int) { return for_it; });
    predicate_result(w, i, 1, written, holds ? FULL : 0);
}

/// A reduction of the warp (warp.cpp) into a uniform register: every lane of the row has it.
template <int NUMBER>
void reduce_uniform(Warp &w, const Instruction &i, u32 mask) {
    static constexpr const char *names[] = {"redux.add.u32", "redux.min.u32", "redux.min.s32", "redux.max.u32",
                                            "redux.max.s32", "redux.and.b32", "redux.or.b32", "redux.xor.b32"};
    static const Form reduce = form_of(names[NUMBER]);
    reduce(w, i, mask);
    u32 *row = w.row(i.o[0]);
    const u32 made = row[std::countr_zero(mask)];
    write_row(row, FULL, [=](int) { return made; });
}

/// d = constant memory at the bank's place (`immediate`) plus row o[1]: one row, or as many as `bytes` fill.
void load_constant(Warp &w, const Instruction &i, u32 mask) {
    const std::vector<u8> &bank = w.machine().program.constant_bank;
    const u32 *offset = w.row(i.o[1]);
    const u32 bytes = i.bytes;
    u32 *to = w.row(i.o[0]);
    each_lane(mask, [&](int lane) {
        const u32 within = offset[lane];
        const u64 at = static_cast<u64>(i.immediate) + within;
        if (within & (bytes - 1) || at + bytes > bank.size()) {
            w.machine().fault(w, i, "stray_read", "a load outside of constant memory", lane, within);
        }
        if (bytes < 4) {
            u32 value = 0;
            std::memcpy(&value, bank.data() + at, bytes);
            const u32 shift = 32 - 8 * bytes;
            to[lane] = i.sign_extend ? static_cast<u32>(static_cast<i32>(value << shift) >> shift) : value;
            return;
        }
        u32 words[4];  // read before anything is written: the offset may lie in one of the rows
        std::memcpy(words, bank.data() + at, bytes);
        for (u32 k = 0; k < bytes / 4; ++k) to[k * LANES + lane] = words[k];
    });
}

/// Two rows from two rows that need not be neighbours.
void move_two(Warp &w, const Instruction &i, u32 mask) {
    const u32 *low = w.row(i.o[1]), *high = w.row(i.o[2]);
    u32 *to = w.row(i.o[0]);
    write_row(to, mask, [=](int lane) { return low[lane]; });
    write_row(to + LANES, mask, [=](int lane) { return high[lane]; });
}

/// d (a pair with `variant`) = instructions executed so far, for want of a clock.
void clock(Warp &w, const Instruction &i, u32 mask) {
    const u64 now = w.machine().executed;
    write_row(w.row(i.o[0]), mask, [=](int) { return static_cast<u32>(now); });
    if (i.variant) write_row(w.row(i.o[0]) + LANES, mask, [=](int) { return static_cast<u32>(now >> 32); });
}

/// d = what the last barrier that reduced predicates found; p = whether it is not 0.
void barrier_result(Warp &w, const Instruction &i, u32 mask) {
    const u32 outcome = w.block->outcome;
    write_row(w.row(i.o[0]), mask, [=](int) { return outcome; });
    predicate_result(w, i, 1, mask, outcome != 0 ? FULL : 0);
}

void trap(Warp &w, const Instruction &i, u32 mask) {
    w.machine().fault(w, i, "trap", "the kernel stops itself here", std::countr_zero(mask));
}

RegisterForm control_forms[] = {
    {"sass.bssy", begin_convergence},
    {"sass.break", leave_convergence},
    {"sass.r2ur", to_uniform},
    {"sass.vote.any", vote<Vote::any, false>},
    {"sass.vote.all", vote<Vote::all, false>},
    {"sass.vote.eq", vote<Vote::equal, false>},
    {"sass.voteu.any", vote<Vote::any, true>},
    {"sass.voteu.all", vote<Vote::all, true>},
    {"sass.voteu.eq", vote<Vote::equal, true>},
    {"sass.redux.add.u32", reduce_uniform<0>},
    {"sass.redux.min.u32", reduce_uniform<1>},
    {"sass.redux.min.s32", reduce_uniform<2>},
    {"sass.redux.max.u32", reduce_uniform<3>},
    {"sass.redux.max.s32", reduce_uniform<4>},
    {"sass.redux.and.b32", reduce_uniform<5>},
    {"sass.redux.or.b32", reduce_uniform<6>},
    {"sass.redux.xor.b32", reduce_uniform<7>},
    {"sass.ldc", load_constant},
    {"sass.mov.two", move_two},
    {"sass.clock", clock},
    {"sass.b2r", barrier_result},
    {"sass.trap", trap},
};

}  // namespace
}  // namespace simulate
