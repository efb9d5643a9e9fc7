// Who runs when: blocks become resident, warps take turns, the splits of a warp go apart and meet again.

#include <algorithm>
#include <numeric>
#include <unordered_map>

#include "machine.h"

namespace simulate {

namespace {

std::unordered_map<std::string, Form> &forms() {
    static std::unordered_map<std::string, Form> all;
    return all;
}

u32 special_value(const Launch &launch, const Block &block, const Warp &warp, int lane, Special what, u64 clock) {
    const u32 thread = warp.index * LANES + static_cast<u32>(lane);
    const u32 *b = launch.block;
    const u32 bit = 1u << lane;
    switch (what) {
        case Special::thread_x: return thread % b[0];
        case Special::thread_y: return thread / b[0] % b[1];
        case Special::thread_z: return thread / b[0] / b[1];
        case Special::threads_x: return b[0];
        case Special::threads_y: return b[1];
        case Special::threads_z: return b[2];
        case Special::block_x: return block.at[0];
        case Special::block_y: return block.at[1];
        case Special::block_z: return block.at[2];
        case Special::blocks_x: return launch.grid[0];
        case Special::blocks_y: return launch.grid[1];
        case Special::blocks_z: return launch.grid[2];
        case Special::lane: return static_cast<u32>(lane);
        case Special::warp: return warp.index;
        case Special::warps: return static_cast<u32>(block.warps.size());
        case Special::clock: return static_cast<u32>(clock);
        case Special::lanes_below: return bit - 1;
        case Special::lanes_up_to: return bit | (bit - 1);
        case Special::lanes_above: return ~(bit | (bit - 1));
        case Special::lanes_from: return ~(bit - 1);
        case Special::lane_bit: return bit;
        case Special::multiprocessor: return block.multiprocessor;
        case Special::shared_bytes: return launch.shared_bytes;
        case Special::grid_id: return 0;
    }
    return 0;
}

/// Memory of a warp's file, kept from block to block: constants are written into it once.
struct File {
    u32 *words;
    explicit File(const Program &program) {
        const auto bytes = (static_cast<std::size_t>(program.file_words) * 4 + 127) / 128 * 128;
        words = static_cast<u32 *>(std::aligned_alloc(128, bytes));
        std::memset(words, 0, bytes);
        for (const Constant &c : program.constants) {
            if (c.predicate) {
                words[c.offset] = c.value;
            } else {
                std::fill_n(words + c.offset, LANES, c.value);
            }
        }
    }
    File(const File &) = delete;
    ~File() { std::free(words); }
};

/// How often the lanes of a warp pause (YIELD, NANOSLEEP) before those go on that wait for them to converge.
constexpr u32 PATIENCE = 64;

class Runner {
  public:
    explicit Runner(Machine &machine) : m_(machine) {}
    void run();

  private:
    Machine &m_;
    std::vector<std::unique_ptr<Block>> resident_;
    std::vector<std::unique_ptr<File>> files_;
    std::vector<u32 *> free_files_;
    std::unordered_map<u32, u32> index_of_address_;
    std::vector<u64> waiting_;  ///< blocks that have not begun, the next one last
    u64 begun_ = 0;

    void begin_block();
    void end_block(std::size_t place);
    bool turn(Warp &w, i64 quantum);
    int choose(Warp &w);
    bool release_waiting(Warp &w);
    void merge(Warp &w);
    void sync_groups(Warp &w, const Instruction &i, u32 mask, u32 on);
    void part(Warp &w);
    static u32 asked(Warp &w, const Instruction &i, u32 mask);
    template <bool WATCHED>
    bool run_split(Warp &w, std::size_t place, i64 &quantum);
    bool watched(const Warp &w) const {
        return m_.values != nullptr || m_.launch.delays || (m_.trace.block == w.block->index && m_.trace.warp == w.index);
    }
    void open_barriers(Block &block);
    void open_if_complete(Block &block, int barrier);
    [[noreturn]] void stuck();
    [[noreturn]] void waits_forever();
    bool gather(Warp &w, std::size_t place, const Instruction &i, bool passes);
    bool random_order() const { return m_.launch.seed != 0; }
    u64 below(u64 bound) { return m_.random() % bound; }
};

void Runner::begin_block() {
    const Launch &l = m_.launch;
    auto block = std::make_unique<Block>();
    const u64 index = waiting_.back();
    waiting_.pop_back();
    block->machine = &m_;
    block->index = index;
    block->at[0] = static_cast<u32>(index % l.grid[0]);
    block->at[1] = static_cast<u32>(index / l.grid[0] % l.grid[1]);
    block->at[2] = static_cast<u32>(index / l.grid[0] / l.grid[1]);
    block->multiprocessor = static_cast<u32>(begun_++ % l.multiprocessors);
    block->shared.assign(l.shared_bytes, 0xff);
    block->in_flight.assign(l.shared_bytes / 4 + 1, 0);
    const u32 threads = l.block[0] * l.block[1] * l.block[2];
    block->alive = threads;
    block->warps.resize((threads + LANES - 1) / LANES);
    for (u32 k = 0; k < block->warps.size(); ++k) {
        Warp &w = block->warps[k];
        w.block = block.get();
        w.index = k;
        w.global_index = index * block->warps.size() + k;
        const u32 lanes = std::min<u32>(LANES, threads - k * LANES);
        w.alive = lanes == LANES ? FULL : (1u << lanes) - 1;
        w.splits.push_back({0, w.alive});
        w.local.assign(static_cast<std::size_t>(m_.program.local_bytes) * LANES, 0xff);
        if (free_files_.empty()) {
            files_.push_back(std::make_unique<File>(m_.program));
            free_files_.push_back(files_.back()->words);
        }
        w.file = free_files_.back();
        free_files_.pop_back();
        for (const SpecialRow &s : m_.program.specials) {
            for (int lane = 0; lane < LANES; ++lane) {
                w.file[s.offset + lane] = special_value(l, *block, w, lane, s.what, m_.executed);
            }
        }
    }
    for (Observer *o : m_.observers) o->block_starts(*block);
    resident_.push_back(std::move(block));
    m_.progress = m_.executed;
}

void Runner::end_block(std::size_t place) {
    Block &block = *resident_[place];
    for (Warp &w : block.warps) {
        if (m_.trace.block == block.index && m_.trace.warp == w.index) m_.trace.close(w);
        land(w, [](const Flight &) { return FULL; });
        settle(w, FULL, Scope::device);
        free_files_.push_back(w.file);
    }
    settle_block(block);
    m_.progress = m_.executed;
    for (Observer *o : m_.observers) o->block_ends(block);
    resident_.erase(resident_.begin() + static_cast<std::ptrdiff_t>(place));
}

void Runner::run() {
    const Launch &l = m_.launch;
    for (u32 k = 0; k < m_.program.code.size(); ++k) index_of_address_.emplace(m_.program.code[k].address, k);
    const u64 blocks = static_cast<u64>(l.grid[0]) * l.grid[1] * l.grid[2];
    waiting_ = m_.chosen;
    if (waiting_.empty()) {
        for (u64 k = 0, at = l.first_block; k < l.block_count && at < blocks; ++k, at += l.block_stride) {
            waiting_.push_back(at);
        }
    }
    std::reverse(waiting_.begin(), waiting_.end());
    if (random_order()) std::shuffle(waiting_.begin(), waiting_.end(), m_.random);
    for (Observer *o : m_.observers) o->start(m_);
    while (!waiting_.empty() || !resident_.empty()) {
        while (!waiting_.empty() && resident_.size() < l.resident) begin_block();
        bool moved = false;
        for (std::size_t place = 0; place < resident_.size(); ++place) {
            Block &block = *resident_[place];
            const std::size_t warps = block.warps.size();
            const std::size_t first = random_order() ? below(warps) : 0;
            for (std::size_t k = 0; k < warps; ++k) {
                Warp &w = block.warps[(first + k) % warps];
                if (m_.launch.delays) settle_by_chance(w, 4);
                if (w.alive == 0) continue;
                if (m_.launch.delays && below(4) != 0) {
                    moved = true;  // others do more than a little between two of its steps
                    continue;
                }
                const i64 quantum = random_order() ? 1 + static_cast<i64>(below(static_cast<u64>(l.quantum))) : l.quantum;
                moved |= turn(w, quantum);
            }
            if (block.done() && !block.pending.empty()) {
                moved = true;  // its stores may reach the others as late as any
            } else if (block.done()) {
                end_block(place--);
                moved = true;
            }
        }
        if (!moved) stuck();
        const bool left = !resident_.empty() || !waiting_.empty();
        if (left && (m_.executed > l.instruction_limit || m_.executed - m_.progress > l.idle_limit)) waits_forever();
    }
}

void Runner::waits_forever() {
    if (resident_.empty()) begin_block();  // all that had begun have just ended: the next one is named
    std::string text = std::to_string(m_.executed) + " instructions and no end: does a thread wait for what never comes?";
    if (!waiting_.empty()) {
        text += " " + std::to_string(waiting_.size()) + " blocks have not begun: nothing promises that they begin before " +
                "others end, or in which order";
    }
    // Whoever is not waiting for company is going round: the lowest place is likelier to be in the loop.
    const Warp *who = nullptr;
    u32 pc = 0;
    int lane = -1;
    for (const auto &block : resident_) {
        for (const Warp &w : block->warps) {
            for (const Split &s : w.splits) {
                if (s.state != Split::ready || (who != nullptr && s.pc >= pc)) continue;
                who = &w, pc = s.pc, lane = std::countr_zero(s.mask);
            }
        }
    }
    if (who == nullptr) stuck();
    m_.fault(*who, m_.program.code[pc], "waits_forever", text, lane);
}

void Runner::stuck() {
    for (const auto &block : resident_) {
        for (const Warp &w : block->warps) {
            for (const Split &s : w.splits) {
                if (s.state == Split::ready) continue;
                const Instruction &i = m_.program.code[s.pc];
                if (s.state == Split::at_barrier) {
                    m_.fault(w, i, "divergent_barrier",
                             "barrier " + std::to_string(s.barrier) + " waits for threads that never come: " +
                                 std::to_string(block->arrived[s.barrier]) + " of " +
                                 std::to_string(block->expected[s.barrier] ? block->expected[s.barrier] : block->alive) +
                                 " have arrived",
                             std::countr_zero(s.mask));
                }
                m_.fault(w, i, "divergent_warp", "lanes of the member mask never reach this instruction",
                         std::countr_zero(s.mask));
            }
        }
    }
    m_.fault(resident_.front()->warps.front(), m_.program.code.front(), "deadlock", "no warp can go on");
}

/// The lanes for which a branch's further condition holds.
u32 Runner::asked(Warp &w, const Instruction &i, u32 mask) {
    switch (static_cast<Only>(i.variant)) {
        case Only::where_set: return w.file[i.o[0]];
        case Only::where_unset: return ~w.file[i.o[0]];
        case Only::diverged:
        case Only::converged: {
            const u32 members = w.row(i.o[0])[std::countr_zero(mask)] & w.alive;
            const bool together = (members & ~mask) == 0;
            return together == (static_cast<Only>(i.variant) == Only::converged) ? FULL : 0;
        }
        default: return FULL;
    }
}

/// Splits that stand at one place, ready or waiting for the same, go on as one.
void Runner::merge(Warp &w) {
    for (std::size_t a = 0; a < w.splits.size(); ++a) {
        for (std::size_t b = w.splits.size() - 1; b > a; --b) {
            Split &one = w.splits[a], &other = w.splits[b];
            if (one.pc == other.pc && one.state == other.state && one.barrier == other.barrier &&
                one.passes == other.passes && one.need == other.need) {
                one.mask |= other.mask;
                w.splits.erase(w.splits.begin() + static_cast<std::ptrdiff_t>(b));
            }
        }
    }
}

/// The split that runs next, -1 where all wait.
int Runner::choose(Warp &w) {
    if (w.splits.size() == 1) return w.splits[0].state == Split::ready ? 0 : -1;
    for (std::size_t k = 0; k < w.splits.size(); ++k) {
        if (w.splits[k].goes_first) return static_cast<int>(k);
    }
    if (m_.program.merge_at_equal_pc) merge(w);
    // A company that is complete is as ready as any other split.
    while (release_waiting(w)) {
    }
    // Always the same one would starve whoever it waits for: now and then, and behind one that used its whole turn up
    // (does it spin?), each has its turn.
    const bool in_turn = (++w.choice & 15) == 0 || w.spun;
    if (in_turn && !random_order()) {
        w.spun = false;
        for (std::size_t k = 0; k < w.splits.size(); ++k) {
            w.next_in_turn = (w.next_in_turn + 1) % static_cast<u32>(w.splits.size());
            if (w.splits[w.next_in_turn].state == Split::ready) return static_cast<int>(w.next_in_turn);
        }
        return -1;
    }
    int chosen = -1;
    u32 ready = 0;
    for (std::size_t k = 0; k < w.splits.size(); ++k) {
        const Split &s = w.splits[k];
        if (s.state != Split::ready) continue;
        ++ready;
        if (random_order()) {
            if (below(ready) == 0) chosen = static_cast<int>(k);
        } else if (!m_.program.lowest_pc_first) {
            chosen = static_cast<int>(k);
        } else if (chosen < 0 || s.pc < w.splits[static_cast<u32>(chosen)].pc) {
            chosen = static_cast<int>(k);
        }
    }
    return chosen;
}

/// Splits whose company is complete become one, which is ready; false where none is.
bool Runner::release_waiting(Warp &w) {
    for (std::size_t k = 0; k < w.splits.size(); ++k) {
        const Split s = w.splits[k];
        if (s.state != Split::at_warp_sync && s.state != Split::at_converge) continue;
        u32 here = 0;
        for (const Split &other : w.splits) {
            if (other.state == s.state && other.pc == s.pc) here |= other.mask;
        }
        const u32 need = s.need & w.alive;
        if ((here & need) != need) continue;
        u32 together = 0;
        std::erase_if(w.splits, [&](const Split &other) {
            const bool joins = other.state == s.state && other.pc == s.pc && (other.mask & (need | s.mask)) != 0;
            if (joins) together |= other.mask;
            return joins;
        });
        Split released{s.pc, together};
        released.passes = true;
        w.splits.push_back(released);
        return true;
    }
    return false;
}

/// Lanes that wait at a convergence barrier go on without those that only pause: what these wait for may be theirs to do
/// (a lock taken by one lane of a warp). Threads progress independently of each other since sm_70.
void Runner::part(Warp &w) {
    for (Split &s : w.splits) {
        if (s.state != Split::at_converge) continue;
        u32 *members = w.row(m_.program.code[s.pc].o[0]);
        for (int lane = 0; lane < LANES; ++lane) {
            if (s.mask >> lane & 1) members[lane] = s.mask; else members[lane] &= ~s.mask;
        }
        s.state = Split::ready;
        s.passes = true;
    }
}

bool Runner::turn(Warp &w, i64 quantum) {
    bool moved = false;
    w.waits_for_others = false;
    while (quantum > 0 && w.alive != 0 && !w.waits_for_others) {
        int chosen = choose(w);
        if (chosen < 0) {
            if (!release_waiting(w)) return moved;
            chosen = static_cast<int>(w.splits.size()) - 1;
        }
        moved = true;
        const auto place = static_cast<std::size_t>(chosen);
        if (!(watched(w) ? run_split<true>(w, place, quantum) : run_split<false>(w, place, quantum))) break;
    }
    w.spun = quantum <= 0 && w.splits.size() > 1;
    return moved;
}

/// Runs one split until it branches apart, waits, ends, meets a place where others may join it, or the quantum is used
/// up. False where the whole warp should give way. WATCHED: somebody looks at each instruction, or accesses are delayed.
template <bool WATCHED>
bool Runner::run_split(Warp &w, std::size_t place, i64 &quantum) {
    const Instruction *code = m_.program.code.data();
    Count *counts = m_.counts.data();
    u32 pc = w.splits[place].pc;
    const u32 mask = w.splits[place].mask;
    const bool passes = w.splits[place].passes;
    Observer *const values = m_.values;
    const bool delays = WATCHED && m_.launch.delays;
    w.splits[place].passes = w.splits[place].goes_first = false;
    w.active = mask;
    const bool traced = WATCHED && m_.trace.block == w.block->index && m_.trace.warp == w.index;
    const bool alone = w.splits.size() == 1 || !m_.program.merge_at_equal_pc;
    const i64 lanes = std::popcount(mask);
    u32 begin = pc;
    // A straight run [begin, end) is counted once, where it ends.
    auto close = [&](u32 end) {
        counts[begin].executed += 1, counts[end].executed -= 1;
        counts[begin].threads += lanes, counts[end].threads -= lanes;
        m_.executed += end - begin;
        quantum -= static_cast<i64>(end - begin);
        begin = end;
    };
    auto leave = [&](u32 next) { w.splits[place].pc = next; };
    for (bool first = true;; first = false) {
        const Instruction &i = code[pc];
        if (!alone && i.leader && !first) {
            close(pc), leave(pc);
            return true;
        }
        u32 on = mask;
        if (i.guard >= 0) {
            const u32 p = w.file[i.guard];
            on &= i.guard_negated ? ~p : p;
            counts[pc].off += static_cast<u64>(lanes - std::popcount(on));
        }
        if constexpr (WATCHED) {
            if (traced) m_.trace.step(w, pc, on);
            if (!w.late.empty()) finish_late_for(w, i);
            if (values != nullptr) values->values(w, i, on, mask);
        }
        switch (i.flow) {
            case Flow::next:
                if (on != 0) i.run(w, i, i.uniform ? FULL : on);
                ++pc;
                // What is delayed is seen by others only if they have their turn between two accesses.
                if (delays && quantum <= static_cast<i64>(pc - begin)) {
                    close(pc), leave(pc);
                    // Other warps, that is: in machine code uniform registers hold what this path has put there.
                    w.splits[place].goes_first = !m_.program.merge_at_equal_pc;
                    return true;
                }
                break;
            case Flow::branch: {
                close(pc + 1);
                if (static_cast<Only>(i.variant) == Only::any) {
                    on = on != 0 ? mask : 0;
                } else if (i.variant != 0) {
                    on &= asked(w, i, mask);
                }
                if (on == mask) {
                    pc = begin = static_cast<u32>(i.target);
                } else if (on == 0) {
                    ++pc;
                } else {
                    ++counts[pc].divergent;
                    w.splits[place].mask = mask & ~on;
                    leave(pc + 1);
                    w.splits.push_back({static_cast<u32>(i.target), on});
                    return true;
                }
                if (quantum <= 0 || w.waits_for_others) {
                    leave(pc);
                    return true;
                }
                break;
            }
            case Flow::branch_to_row: {
                close(pc + 1);
                if (on == 0) {
                    ++pc;
                    break;
                }
                const u32 *row = w.row(i.o[0]);
                const u32 to = row[std::countr_zero(on)];
                u32 same = 0;
                each_lane(on, [&](int lane) { same |= static_cast<u32>(row[lane] == to) << lane; });
                const auto found = index_of_address_.find(to + static_cast<u32>(i.immediate));
                if (found == index_of_address_.end()) {
                    m_.fault(w, i, "stray_jump", "a jump to where no instruction is", std::countr_zero(on), to);
                }
                if (same == mask) {
                    pc = begin = found->second;
                    if (quantum <= 0) {
                        leave(pc);
                        return true;
                    }
                    break;
                }
                w.splits[place].mask = mask & ~same;
                leave(on == same ? pc + 1 : pc);
                w.splits.push_back({found->second, same});
                return true;
            }
            case Flow::exit: {
                close(pc + 1);
                if (on == 0) {
                    ++pc;
                    break;
                }
                settle(w, on, Scope::block);
                for (Observer *o : m_.observers) o->lanes_exit(w, on);
                m_.progress = m_.executed;
                w.alive &= ~on;
                w.block->alive -= static_cast<u32>(std::popcount(on));
                if (on == mask) {
                    w.splits.erase(w.splits.begin() + static_cast<std::ptrdiff_t>(place));
                } else {
                    w.splits[place].mask = mask & ~on;
                    leave(pc + 1);
                }
                open_barriers(*w.block);
                return true;
            }
            case Flow::warp_sync: {
                if (!gather(w, place, i, passes && first)) {
                    close(pc), leave(pc);
                    return true;
                }
                sync_groups(w, i, mask, on);
                ++pc;
                break;
            }
            case Flow::converge: {
                // Each split executes it where it arrives; those that waited go on without executing it again.
                if (passes && first) {
                    counts[pc].off -= static_cast<u64>(lanes - std::popcount(on));
                    begin = ++pc;
                    break;
                }
                if (!gather(w, place, i, false)) {
                    const i64 waiting = lanes - std::popcount(w.splits[place].state == Split::ready ? w.splits[place].mask : 0);
                    close(pc), leave(pc);
                    counts[pc].executed += 1, counts[pc + 1].executed -= 1;
                    counts[pc].threads += waiting, counts[pc + 1].threads -= waiting;
                    ++m_.executed, --quantum;
                    return true;
                }
                ++pc;
                break;
            }
            case Flow::block_barrier: {
                close(pc + 1);
                if (on == 0) {
                    ++pc;
                    break;
                }
                const int id = i.o[0] < 0 ? 0 : static_cast<int>(w.file[i.o[0] + std::countr_zero(on)]) & 15;
                Block &block = *w.block;
                block.expected[id] = i.o[1] < 0 ? 0 : w.file[i.o[1] + std::countr_zero(on)] >> i.scale;
                settle(w, on, Scope::block);
                for (Observer *o : m_.observers) o->barrier_arrives(w, i, on, id);
                block.arrived[id] += static_cast<u32>(std::popcount(on));
                if (i.variant != 0) {
                    const u32 votes = (w.file[i.o[2]] & i.keep[0]) ^ i.flip[0];
                    block.reduction[id] = static_cast<Reduction>(i.variant);
                    block.voted[id] += static_cast<u32>(std::popcount(on & votes));
                }
                const bool waits = i.immediate == 0;
                if (on != mask) {  // the others pass by
                    w.splits.push_back({pc + 1, mask & ~on});
                    w.splits[place].mask = on;
                }
                leave(waits ? pc : pc + 1);
                if (waits) {
                    w.splits[place].state = Split::at_barrier;
                    w.splits[place].barrier = id;
                }
                open_if_complete(block, id);
                return true;
            }
            case Flow::pause:
                if (i.run != nullptr && on != 0) i.run(w, i, on);
                close(pc + 1), leave(pc + 1);
                if (w.splits.size() > 1 && ++w.pauses % PATIENCE == 0) part(w);
                return false;
        }
    }
}

/// The lanes of a split that name the same members, one group after the other.
template <class F>
void each_group(const u32 *row, u32 mask, F &&f) {
    for (u32 rest = mask; rest != 0;) {
        const u32 members = row[std::countr_zero(rest)];
        if (all_hold(row, rest, members)) return f(rest, members);
        const u32 group = rest & lanes_where([=](int lane) { return row[lane] == members; });
        rest &= ~group;
        f(group, members);
    }
}

/// Whether all that the split's lanes wait for are here. Where not, those wait, and the others (if any) stand here alone.
bool Runner::gather(Warp &w, std::size_t place, const Instruction &i, bool passes) {
    if (passes) return true;
    const u32 mask = w.splits[place].mask;
    if ((w.alive & ~mask) == 0) return true;  // nobody is missing, whoever is named
    const auto state = i.flow == Flow::warp_sync ? Split::at_warp_sync : Split::at_converge;
    u32 missing = 0, need = 0;
    each_group(w.row(i.o[i.flow == Flow::warp_sync ? 4 : 0]), mask, [&](u32 group, u32 members) {
        if ((members & w.alive & ~mask) == 0 || missing != 0) return;
        missing = group, need = members & w.alive;
    });
    if (missing == 0) return true;
    if (missing != mask) {
        w.splits[place].mask = mask & ~missing;
        w.splits.push_back({w.splits[place].pc, missing});
        place = w.splits.size() - 1;
    }
    w.splits[place].pc = static_cast<u32>(i.index);
    w.splits[place].state = state;
    w.splits[place].need = need;
    return false;
}

void Runner::sync_groups(Warp &w, const Instruction &i, u32 mask, u32 on) {
    each_group(w.row(i.o[4]), mask, [&](u32 group, u32 members) {
        const u32 lanes = i.guard >= 0 ? group & on : group & members;
        if (i.run == nullptr) settle(w, lanes, Scope::block);
        for (Observer *o : m_.observers) {
            if (i.guard < 0 && (group & ~members) != 0) o->outside_of_mask(w, i, group & ~members);
            o->warp_synced(w, i, lanes);
        }
        if (i.run != nullptr && lanes != 0) i.run(w, i, lanes);
    });
}

void Runner::open_barriers(Block &block) {
    for (int id = 0; id < BARRIERS; ++id) {
        if (block.expected[id] == 0) open_if_complete(block, id);
    }
}

void Runner::open_if_complete(Block &block, int id) {
    const u32 needed = block.expected[id] != 0 ? block.expected[id] : block.alive;
    if (block.arrived[id] == 0 || block.arrived[id] < needed) return;
    if (const Reduction reduction = block.reduction[id]; reduction != Reduction::none) {
        const u32 voted = block.voted[id];
        block.outcome = reduction == Reduction::count ? voted
                        : reduction == Reduction::all ? voted == block.arrived[id]
                                                      : voted != 0;
        block.reduction[id] = Reduction::none;
    }
    block.arrived[id] = block.voted[id] = 0;
    m_.progress = m_.executed;
    for (Observer *o : m_.observers) o->barrier_opens(block, id);
    for (Warp &w : block.warps) {
        for (Split &s : w.splits) {
            if (s.state != Split::at_barrier || s.barrier != id) continue;
            const Instruction &i = m_.program.code[s.pc];
            if (i.run != nullptr) i.run(w, i, s.mask);  // what the barrier brought back to its threads
            s.state = Split::ready;
            s.barrier = 0;
            ++s.pc;
            for (Observer *o : m_.observers) o->barrier_leaves(w, s.mask, id);
        }
    }
}

}  // namespace

Form form_of(const std::string &name) {
    const auto found = forms().find(name);
    return found == forms().end() ? nullptr : found->second;
}

Name::Name(const char *of) {
    if (std::strlen(of) >= sizeof text) std::abort();
    std::strcpy(text, of);
}

Name operator+(const Name &front, const Name &back) {
    Name both = front;
    const std::size_t length = std::strlen(front.text);
    if (length + std::strlen(back.text) >= sizeof both.text) std::abort();
    std::strcpy(both.text + length, back.text);
    return both;
}

RegisterForm::RegisterForm(const Name &name, Form form) { forms()[name.text] = form; }

void Machine::run() {
    random.seed(launch.seed);
    counts.assign(program.code.size() + 1, {});
    for (auto *of : {&footprints, &targets}) {
        of->clear();
        of->resize(program.code.size());
    }
    executed = progress = 0;
    Runner(*this).run();
}

void Machine::fault(const Warp &warp, const Instruction &instruction, const char *kind, std::string text, int lane,
                    u64 address) const {
    Fault f;
    f.kind = kind;
    f.text = std::move(text);
    f.instruction = index_of(instruction);
    f.lane = lane;
    f.address = address;
    std::copy_n(warp.block->at, 3, f.block);
    f.warp = warp.index;
    throw f;
}

}  // namespace simulate
