// A kernel as the machine runs it: decoded once by a front end, then only looked up.
//
// Every operand is a row of the warp's file, constants and special registers too: those rows are filled before the
// first instruction. So a function of a form reads rows and writes rows, and never asks where a value comes from.
#pragma once

#include <string>
#include <vector>

#include "lanes.h"

namespace simulate {

struct Warp;
struct Instruction;

/// What a form does for the lanes of the mask, which is never empty.
using Form = void (*)(Warp &, const Instruction &, u32 mask);

/// How an instruction moves the program counter.
enum class Flow : u8 {
    next,           ///< runs its form and goes on
    branch,         ///< to `target`, for the lanes whose guard holds, and what `variant` asks (see Only)
    branch_to_row,  ///< to the program counter in row o[0] of each lane, which must agree (RET, BRX)
    exit,           ///< ends lanes
    warp_sync,      ///< waits until every live lane of the member mask in row o[4] stands here, then runs its form
    converge,       ///< waits until every live lane of the convergence barrier in row o[0] stands here (BSYNC)
    block_barrier,  ///< barrier o[0] (-1: 0), for o[1] >> scale threads (-1: all); `immediate` 1: does not wait;
                    ///< its form, if any, runs for each thread when the barrier opens
    pause,          ///< gives the other warps a turn (nanosleep, yield)
};

/// What else a branch asks, where `variant` is not 0: of predicate or row o[0].
enum class Only : u8 {
    always,
    where_set,    ///< lanes whose predicate o[0] is set
    where_unset,  ///< lanes whose predicate o[0] is not set
    diverged,     ///< all lanes, where live ones of the mask in row o[0] are missing
    converged,    ///< all lanes, where none is missing
    any,          ///< all lanes, where the guard holds for one of them
};

/// What a block barrier makes of predicate o[2] of its threads, where `variant` is not 0.
enum class Reduction : u8 { none, count, all, any };

/// `constant`: an allocation read through the constant cache, so that no sectors are counted.
enum class Space : u8 { global, shared, local, generic, constant };

/// Ordering of a memory access, as in the PTX memory model.
enum class Order : u8 { weak, relaxed, acquire, release, acquire_release, is_volatile };

/// Who sees a memory access, an atomic operation or a fence in its order.
enum class Scope : u8 { thread, block, cluster, device, system };

constexpr int OPERANDS = 20;

/// How what an instruction writes follows from what it reads, for who asks whether it has a value at all.
enum class Values : u8 {
    plain,       ///< each lane's results from the lane's sources
    select,      ///< o[1] where predicate o[3] holds, else o[2]
    collective,  ///< from the sources of all lanes
    shuffle,     ///< from another lane: see Observer::shuffled
    load,        ///< from memory at o[0]
    store,       ///< nothing is written but memory at o[0]
    atomic,      ///< from memory at o[0], which is written too
    always,      ///< always a value
};

/// What is looked at first lies together: of most instructions one cache line is read.
struct alignas(64) Instruction {
    Form run = nullptr;
    i32 guard = -1;          ///< offset of the predicate, -1: always
    Flow flow = Flow::next;
    bool guard_negated = false;
    bool leader = false;     ///< a branch may arrive here
    bool uniform = false;    ///< acts for the whole warp wherever any lane of it arrives (SASS's uniform datapath)
    i64 immediate = 0;
    i32 target = -1;         ///< index of the instruction that a branch goes to
    // Memory.
    Space space = Space::global;
    Order order = Order::weak;
    Scope scope = Scope::thread;
    u8 bytes = 4;            ///< of one element: 1, 2, 4 or 8
    u8 elements = 1;
    u8 address_rows = 2;     ///< 2: 64-bit addresses, 1: 32-bit
    bool sign_extend = false;
    u8 variant = 0;          ///< whatever a form wants to know: a mode, a comparison, a lookup table
    i32 o[OPERANDS];         ///< offsets into the warp's file, in 32-bit words; -1 where absent
    u32 keep[4], flip[4];    ///< source modifiers: a source is (row & keep) ^ flip (absolute value, negation)
    u8 scale = 0;            ///< the address row is shifted left by so many bits
    Values values = Values::plain;
    u32 reads = 0, writes = 0;  ///< bits of the operands that are registers; 0 where the front end does not say
    u32 wide = 0;               ///< bits of those that take two rows
    i32 base = -1;           ///< a row that every lane adds to its address (two rows where addresses have 64 bits)
    i32 index = 0;           ///< within its program
    i32 line = 0;            ///< of the source, 0: unknown
    u32 address = 0;         ///< of the instruction, as the front end names it: byte offset (SASS), number (PTX)
};

/// A value that every lane holds from the start.
struct Constant {
    i32 offset;
    u32 value;
    bool predicate;  ///< one word of mask bits rather than a row
};

/// What a special register's row is filled with; the order is the front ends' too.
enum class Special : u32 {
    thread_x, thread_y, thread_z, threads_x, threads_y, threads_z, block_x, block_y, block_z, blocks_x, blocks_y,
    blocks_z, lane, warp, warps, clock, lanes_below, lanes_up_to, lanes_above, lanes_from, lane_bit, multiprocessor,
    shared_bytes, grid_id,
};

struct SpecialRow {
    i32 offset;
    Special what;
};

struct Program {
    std::vector<Instruction> code;
    std::vector<Constant> constants;
    std::vector<SpecialRow> specials;
    i32 file_words = 0;             ///< of one warp's file
    u32 local_bytes = 0;            ///< of one thread's local memory
    u32 reserved_shared = 0;        ///< bytes at the front of shared memory that belong to the system
    bool merge_at_equal_pc = false; ///< splits that meet go on together (PTX has no convergence barriers)
    bool lowest_pc_first = false;
    std::vector<u8> constant_bank;  ///< the bank that loads with a register address read (SASS)
};

/// The form of a name, or nullptr.
Form form_of(const std::string &name);

/// A form's name while it is put together. Names of a thousand forms are, each at one place of the code: a std::string
/// there takes the host's compiler longer than the form.
struct Name {
    char text[64] = {};

    [[gnu::cold]] Name(const char *text);
};
[[gnu::cold]] Name operator+(const Name &front, const Name &back);

/// Registers a form under its name, before main.
struct RegisterForm {
    [[gnu::cold]] RegisterForm(const Name &name, Form form);
};

}  // namespace simulate
