// The machine as the host's Python sees it: plain functions over plain structures.

#include <sstream>

#include "cache.h"
#include "machine.h"
#include "initcheck.h"
#include "racecheck.h"
#include "synccheck.h"

using namespace simulate;

namespace {

/// An instruction as Python lays it out; `form` indexes the names that come with the program, -1: none.
struct Encoded {
    i64 immediate;
    i32 form, guard, target, line;
    i32 o[OPERANDS];
    u32 keep[4], flip[4];
    u32 address;
    u8 flow, guard_negated, leader, uniform;
    u8 space, order, bytes, elements;
    u8 address_rows, sign_extend, variant, scale;
    u8 scope;
    i32 base;
    u32 reads, writes, wide;
};

struct EncodedLaunch {
    u32 grid[3], block[3];
    u32 shared_bytes, resident;
    i64 quantum;
    u64 seed, first_block, block_count, block_stride, instruction_limit;
    u32 multiprocessors, copies_at_once;
    u64 first_cache_bytes, second_cache_bytes;  ///< 0: no model of caches
    u32 second_cache_partitions;
    u32 checks;        ///< bits: 1 races, 2 what has no value, 4 barriers and masks
    u32 delays;
    u64 idle_limit;
};

struct Session {
    Machine machine;
    std::unique_ptr<Caches> caches;
    Findings found;
    Racecheck racecheck{found};
    Initcheck initcheck{found};
    Synccheck synccheck{found};
    std::vector<Finding> findings;
    std::string message;
    Fault fault;
};

/// How values follow, by the form's name.
Values values_of(const std::string &form) {
    const auto begins = [&](const char *with) { return form.rfind(with, 0) == 0; };
    if (form == "load") return Values::load;
    if (form == "store") return Values::store;
    if (begins("atomic.")) return Values::atomic;
    if (begins("selp.")) return Values::select;
    if (begins("shfl.")) return Values::shuffle;
    if (begins("vote.") || begins("match.") || begins("redux.")) return Values::collective;
    if (begins("mma.") || begins("ldmatrix") || begins("stmatrix") || begins("mbarrier.") || begins("cp.async") ||
        begins("bar.red")) {
        return Values::always;
    }
    return Values::plain;
}

}  // namespace

extern "C" {

/// Whether the machine has a form of this name.
u32 simulate_has_form(const char *name) { return form_of(name) != nullptr; }

void *simulate_new() { return new Session; }
void simulate_free(void *session) { delete static_cast<Session *>(session); }

/// Loads a program. Returns nullptr, or what is wrong with it.
const char *simulate_program(void *handle, const Encoded *code, u64 count, const char *const *names, u64 names_count,
                             const Constant *constants, u64 constants_count, const SpecialRow *specials,
                             u64 specials_count, i32 file_words, u32 local_bytes, u32 reserved_shared, u32 merge_at_equal_pc,
                             u32 lowest_pc_first, const u8 *bank, u64 bank_bytes) {
    Session &s = *static_cast<Session *>(handle);
    Program &p = s.machine.program;
    p = {};
    std::vector<Form> forms;
    for (u64 k = 0; k < names_count; ++k) {
        forms.push_back(form_of(names[k]));
        if (forms.back() == nullptr) {
            s.message = std::string("no form ") + names[k];
            return s.message.c_str();
        }
    }
    p.code.resize(count);
    for (u64 k = 0; k < count; ++k) {
        const Encoded &e = code[k];
        Instruction &i = p.code[k];
        i.run = e.form < 0 ? nullptr : forms.at(static_cast<u64>(e.form));
        std::memcpy(i.o, e.o, sizeof i.o);
        std::memcpy(i.keep, e.keep, sizeof i.keep);
        std::memcpy(i.flip, e.flip, sizeof i.flip);
        i.immediate = e.immediate;
        i.guard = e.guard;
        i.target = e.target;
        i.flow = static_cast<Flow>(e.flow);
        i.guard_negated = e.guard_negated != 0;
        i.leader = e.leader != 0;
        i.uniform = e.uniform != 0;
        i.space = static_cast<Space>(e.space);
        i.order = static_cast<Order>(e.order);
        i.scope = static_cast<Scope>(e.scope);
        i.bytes = e.bytes;
        i.elements = e.elements;
        i.address_rows = e.address_rows;
        i.sign_extend = e.sign_extend != 0;
        i.variant = e.variant;
        i.scale = e.scale;
        i.base = e.base;
        i.reads = e.reads;
        i.writes = e.writes;
        i.wide = e.wide;
        if (e.form >= 0) i.values = values_of(names[e.form]);
        i.index = static_cast<i32>(k);
        i.line = e.line;
        i.address = e.address;
    }
    p.constants.assign(constants, constants + constants_count);
    p.specials.assign(specials, specials + specials_count);
    p.file_words = file_words;
    p.local_bytes = local_bytes;
    p.reserved_shared = reserved_shared;
    p.merge_at_equal_pc = merge_at_equal_pc != 0;
    p.lowest_pc_first = lowest_pc_first != 0;
    p.constant_bank.assign(bank, bank + bank_bytes);
    return nullptr;
}

void simulate_forget_memory(void *handle) { static_cast<Session *>(handle)->machine.allocations.clear(); }

/// Allocations come in the order of their addresses.
void simulate_allocate(void *handle, u64 address, u64 bytes, void *host, const char *name, u32 writable,
                       u8 *undefined) {
    static_cast<Session *>(handle)->machine.allocations.push_back(
        {address, address + bytes, static_cast<u8 *>(host), name, writable != 0, undefined});
}

/// Runs; nullptr, or the fault as `kind\ttext`, whose place is in simulate_fault.
const char *simulate_run(void *handle, const EncodedLaunch *e) {
    Session &s = *static_cast<Session *>(handle);
    Launch &l = s.machine.launch;
    l = {};
    std::memcpy(l.grid, e->grid, sizeof l.grid);
    std::memcpy(l.block, e->block, sizeof l.block);
    l.shared_bytes = e->shared_bytes;
    l.resident = e->resident;
    l.quantum = e->quantum;
    l.seed = e->seed;
    l.first_block = e->first_block;
    l.block_count = e->block_count;
    l.block_stride = e->block_stride;
    l.instruction_limit = e->instruction_limit;
    l.multiprocessors = e->multiprocessors;
    l.copies_at_once = e->copies_at_once != 0;
    l.delays = e->delays != 0;
    l.idle_limit = e->idle_limit;
    s.caches.reset();
    if (e->first_cache_bytes != 0) {
        s.caches = std::make_unique<Caches>(
            l.multiprocessors, e->first_cache_bytes, e->second_cache_bytes, e->second_cache_partitions
        );
    }
    s.machine.caches = s.caches.get();
    s.machine.observers.clear();
    s.findings.clear();
    s.found.clear();
    s.machine.values = e->checks & 2 ? &s.initcheck : nullptr;
    if (e->checks & 1) s.machine.observers.push_back(&s.racecheck);
    if (e->checks & 2) s.machine.observers.push_back(&s.initcheck);
    if (e->checks & 4) s.machine.observers.push_back(&s.synccheck);
    try {
        s.machine.run();
    } catch (const Fault &fault) {
        s.fault = fault;
        s.findings = s.found.all();
        s.message = fault.kind + "\t" + fault.text;
        return s.message.c_str();
    } catch (const std::exception &error) {
        s.fault = {};
        s.message = std::string("machine\t") + error.what();
        return s.message.c_str();
    }
    s.findings = s.found.all();
    return nullptr;
}

/// What the last run's checkers found: how many, then one by one.
u64 simulate_finding_count(void *handle) { return static_cast<Session *>(handle)->findings.size(); }

/// The kind; into `out`: first and second instruction, space, address, first and second thread, times.
const char *simulate_finding(void *handle, u64 number, i64 *out) {
    const Finding &f = static_cast<Session *>(handle)->findings.at(number);
    const i64 values[] = {f.first, f.second, static_cast<i64>(f.space), static_cast<i64>(f.address),
                          static_cast<i64>(f.first_thread), static_cast<i64>(f.second_thread),
                          static_cast<i64>(f.times)};
    std::memcpy(out, values, sizeof values);
    return f.kind;
}

/// instruction, lane, warp, block x y z, address.
void simulate_fault(void *handle, i64 *out) {
    const Fault &f = static_cast<Session *>(handle)->fault;
    const i64 values[] = {f.instruction, f.lane, f.warp, f.block[0], f.block[1], f.block[2], static_cast<i64>(f.address)};
    std::memcpy(out, values, sizeof values);
}

constexpr u64 COUNTERS = 15;

/// A row of COUNTERS numbers per instruction, in the order of Count, `off` already taken from `threads`' lanes.
void simulate_counts(void *handle, u64 *out) {
    std::vector<Count> all;
    totals(static_cast<Session *>(handle)->machine.counts, all);
    for (u64 k = 0; k + 1 < all.size(); ++k) {
        const Count &c = all[k];
        const u64 values[COUNTERS] = {
            static_cast<u64>(c.executed), static_cast<u64>(c.threads), static_cast<u64>(c.threads) - c.off, c.requests,
            c.sectors, c.sectors_ideal, c.tags, c.wavefronts, c.wavefronts_ideal, c.divergent, c.same_address, c.bytes,
            c.l1_hits, c.l2_hits, 0,
        };
        std::memcpy(out + k * COUNTERS, values, sizeof values);
    }
}

/// L2 reads and hits, sectors read from memory and written to it: all 0 without a model of caches.
void simulate_cache_totals(void *handle, u64 *out) {
    const Session &s = *static_cast<Session *>(handle);
    for (int k = 0; k < 5; ++k) out[k] = 0;
    if (s.caches == nullptr) return;
    out[0] = s.caches->second_reads, out[1] = s.caches->second_hits;
    out[2] = s.caches->memory_reads, out[3] = s.caches->memory_writes(), out[4] = s.caches->dirty();
}

/// Which blocks the runs to come run.
void simulate_choose(void *handle, const u64 *blocks, u64 count) {
    static_cast<Session *>(handle)->machine.chosen.assign(blocks, blocks + count);
}

/// Keeps what one warp of one block does in the runs to come, at most so many instructions of it.
void simulate_trace(void *handle, u64 block, u32 warp, u64 limit) {
    static_cast<Session *>(handle)->machine.trace.begin(block, warp, limit);
}

/// What was kept (see Trace), so many words.
const u32 *simulate_trace_words(void *handle, u64 *count) {
    const Trace &trace = static_cast<Session *>(handle)->machine.trace;
    *count = trace.words.size();
    return trace.words.data();
}

u64 simulate_executed(void *handle) { return static_cast<Session *>(handle)->machine.executed; }

}  // extern "C"
