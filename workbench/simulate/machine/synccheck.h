// Finds barriers that threads of a block reach at different places, lanes outside of the mask that they name, and
// asynchronous copies that nobody waits for.
#pragma once

#include <unordered_map>

#include "findings.h"

namespace simulate {

class Synccheck : public Observer {
  public:
    explicit Synccheck(Findings &findings) : findings_(findings) {}

    void start(Machine &machine) override {
        machine_ = &machine;
        places_.clear();
    }
    void block_ends(Block &block) override { places_.erase(block.index); }

    /// A barrier for all threads of the block is one line of the source, whatever the compiler made of it.
    void barrier_arrives(Warp &w, const Instruction &i, u32 mask, int barrier) override {
        if (i.o[1] >= 0) return;
        Arrival &first = places_[w.block->index].first[barrier];
        const u64 thread = thread_of(w, std::countr_zero(mask));
        if (first.instruction < 0) {
            first = {i.index, thread};
        } else if (!same_place(machine_->program.code[static_cast<u32>(first.instruction)], i)) {
            findings_.add({"divergent_barrier", first.instruction, i.index, Space::shared, 0, first.thread, thread, 0});
        }
    }
    void barrier_opens(Block &block, int barrier) override { places_[block.index].first[barrier] = {}; }

    void outside_of_mask(Warp &w, const Instruction &i, u32 lanes) override {
        const u64 thread = thread_of(w, std::countr_zero(lanes));
        findings_.add({"outside_of_mask", -1, i.index, Space::shared, 0, thread, thread, 0});
    }

    void lanes_exit(Warp &w, u32 mask) override {
        w.flights.each([&](const Flight &flight) {
            if (flight.bytes == 0) return;
            each_lane(mask & flight.mask, [&](int lane) {
                if (flight.filled[lane] == 0) return;
                const u64 thread = thread_of(w, lane);
                findings_.add({"copy_never_waited", -1, flight.instruction, Space::shared, flight.to[lane], thread, thread, 0});
            });
        });
    }

  private:
    struct Arrival {
        int instruction = -1;
        u64 thread = 0;
    };
    struct Arrivals {
        Arrival first[BARRIERS];
    };

    static bool same_place(const Instruction &a, const Instruction &b) {
        return a.index == b.index || (a.line != 0 && a.line == b.line) || a.line == 0 || b.line == 0;
    }

    Findings &findings_;
    Machine *machine_ = nullptr;
    std::unordered_map<u64, Arrivals> places_;
};

}  // namespace simulate
