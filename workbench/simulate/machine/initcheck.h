// Follows what has no value: bytes that nobody wrote, registers without a definition, lanes that a shuffle cannot read.
//
// Reading it is allowed: compilers and kernels do. It is found where it decides something: where it is stored to global
// memory, is part of an address, or guards an instruction. Registers are followed by lane, memory by byte; arithmetic
// makes a result undefined where any source is, except selections, which take the chosen source's part. Front ends that
// do not name their registers (Instruction::reads) are not followed.
#pragma once

#include <unordered_map>
#include <vector>

#include "findings.h"

namespace simulate {

class Initcheck : public Observer {
  public:
    explicit Initcheck(Findings &findings) : findings_(findings) {}

    void start(Machine &) override;
    void block_starts(Block &) override;
    void block_ends(Block &) override;
    void values(Warp &, const Instruction &, u32 on, u32 split) override;
    void shuffled(Warp &, const Instruction &, u32 mask, const u32 *from) override;
    void access(Warp &, const Instruction &, u32, const u64 *, u32, Space, bool) override;
    void atomic(Warp &, const Instruction &, u32, const u64 *, u32, Space) override;
    void flight_lands(Warp &, const Flight &, u32) override;
    void divided_by_zero(Warp &, const Instruction &, u32 lanes) override;

  private:
    struct WarpState {
        std::vector<u32> undefined;  ///< lanes, by offset of a row or a predicate
        std::vector<i32> origin;     ///< instruction that brought it, where undefined is not 0
        std::vector<u8> local;       ///< by lane and byte: 1 where nobody wrote
    };
    struct BlockState {
        std::vector<WarpState> warps;
        std::vector<u8> shared;
    };

    /// Which words of Warp::undefined an instruction asks for, its guard's too, and behind them those that it changes.
    struct alignas(64) Touched {
        static constexpr u32 MOST = 14;
        i32 at[MOST];
        u32 reads = 0, all = 0;  ///< more than there is room for: none is here
    };

    Findings &findings_;
    Machine *machine_ = nullptr;
    std::vector<u32> at_start_;
    std::vector<Touched> touched_;  ///< by instruction
    std::unordered_map<u64, BlockState> blocks_;
    std::vector<std::vector<WarpState>> free_;
    u64 last_block_ = ~0ull;
    BlockState *last_state_ = nullptr;

    BlockState &state_of(const Block &block) {
        if (block.index != last_block_) {
            last_block_ = block.index;
            last_state_ = &blocks_[block.index];
        }
        return *last_state_;
    }
    WarpState &state_of(Warp &w) { return state_of(*w.block).warps[w.index]; }
    u8 *bytes_at(Warp &, Space, int lane, u64 address);
    /// What is known of addresses [low, end) of global or shared memory; false where not all of them are of one buffer.
    /// `bytes` is nullptr where nobody watches it.
    bool bytes_of(Warp &, Space, u64 low, u64 end, u8 *&bytes);
    bool access_plainly(Warp &, u32 mask, const u64 *addresses, u32 bytes, Space, bool store);
    static Touched touched_by(const Instruction &);
    void follow(Warp &, const Instruction &, u32 on, u32 split);
    u32 undefined_in(const Warp &, const Instruction &, u32 operands) const;
    void set(Warp &, const Instruction &, u32 mask, u32 undefined, i32 origin);
    i32 origin_of(Warp &, const Instruction &, u32 operands, u32 lanes);
    void report(Warp &, const Instruction &, const char *kind, u32 operands, u32 lanes, Space, u64 address);
};

}  // namespace simulate
