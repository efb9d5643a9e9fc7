// What is remembered of four words at once, as long as all of them have been through the same.
//
// Each step here does to all words of an access what racecheck_words.cpp would do to each of them, or nothing: where the
// words part, or something is to be said, they are taken apart and treated one by one.

#include <algorithm>
#include <bit>
#include <utility>

#include "racecheck.h"

namespace simulate {

namespace {

u32 lane_of(u32 lanes, u32 word) { return (lanes & 31) + (word >> (lanes >> 8)); }

}  // namespace

/// One word of a quad, which is kept word by word from now on.
Racecheck::Word &Racecheck::word_of(Quad &quad, u32 word) {
    if (quad.apart == 0) {
        if (free_words_.empty()) {
            free_words_.push_back(static_cast<u32>(words_.size()));
            words_.emplace_back();
        }
        quad.apart = free_words_.back();
        free_words_.pop_back();
        ++quad.partings;
        std::array<Word, 4> &words = words_[quad.apart] = {};
        const auto each_word = [&](const Stamp &stamp, auto &&f) {
            for (u32 k = 0; k < 4; ++k) {
                if (!(stamp.bytes() >> k & 1)) continue;
                Stamp of_one = stamp.of(0xf);
                of_one.lanes = 1u << lane_of(stamp.lanes, k);
                f(words[k], of_one);
            }
        };
        const auto read = [&](Word &of, const Stamp &stamp) {
            const bool first = of.reads[0].empty();
            if (first || of.reads[1].empty()) of.reads[first ? 0 : 1] = stamp; else more_of(of.more).push_back(stamp);
        };
        for (const Stamp &stamp : quad.writes) each_word(stamp, [](Word &of, const Stamp &s) { of.writes[0] = s; });
        each_word(quad.read, read);
        for (std::size_t k = 0; quad.more != 0 && k < more_reads_[quad.more].size(); ++k) {
            each_word(Stamp(more_reads_[quad.more][k]), read);  // a copy: the list of lists grows
        }
        forget(quad.more);
        quad.writes[0] = quad.writes[1] = quad.read = {};
    }
    return words_[quad.apart][word];
}

/// Whether the accesses of a stamp to the words of `mine` happened before, where that is told at a glance: they are of
/// the same lanes, or all that the other warp (or its lane, if it was one) did is known to all lanes of this one.
[[gnu::always_inline]] inline bool Racecheck::surely_ordered(const Stamp &s, const Access &a, const Stamp &mine) {
    if ((s.bytes() & mine.bytes()) == 0 || (s.warp == mine.warp && s.lanes == mine.lanes)) return true;
    if (!a.lanes.clocks.together()) return false;
    const Known *known = a.lanes.clocks.of(0)->of(s.warp);
    if (known == nullptr) return false;
    const bool of_one_lane = s.lanes >> 8 == 2;
    return known->all >= s.count || (of_one_lane && known->of_lane(s.lanes & 31) >= s.count);
}

/// Whether they did, lane by lane.
Racecheck::Ordered Racecheck::ordered_all(const Stamp &s, const Access &a, const Stamp &mine) {
    if (surely_ordered(s, a, mine)) return Ordered::all;
    const u32 words = s.bytes() & mine.bytes();
    const bool together = a.lanes.clocks.together();  // one clock answers for all of them
    const Known *known = together ? a.lanes.clocks.of(0)->of(s.warp) : nullptr;
    u32 before = 0;
    if (together && s.warp != mine.warp) {
        if (known == nullptr || !known->lanes) return Ordered::none;
        const u32 *counts = known->lanes->of, first = s.lanes & 31, shift = s.lanes >> 8;
        for (u32 k = 0; k < 4; ++k) before |= static_cast<u32>(counts[(first + (k >> shift)) % LANES] >= s.count) << k;
        before &= words;
        return before == words ? Ordered::all : before == 0 ? Ordered::none : Ordered::some;
    }
    for (u32 k = 0; k < 4; ++k) {
        if (!(words >> k & 1)) continue;
        const u32 lane = lane_of(mine.lanes, k), other = lane_of(s.lanes, k);
        if (!together) known = a.lanes.clocks.of(static_cast<int>(lane))->of(s.warp);
        const bool own = s.warp == mine.warp && lane == other;
        before |= static_cast<u32>(own || (known != nullptr && known->of_lane(other) >= s.count)) << k;
    }
    return before == words ? Ordered::all : before == 0 ? Ordered::none : Ordered::some;
}

/// Behind the reads that each of the words has, in place of the first two of them that came before.
[[gnu::always_inline]] inline bool Racecheck::read_together(const Access &a, Quad &quad, const Stamp &mine) {
    const u32 words = mine.bytes();
    u32 passed = 0;
    // 0: the next one; 1: done; 2: the words part.
    const auto meet = [&](Stamp &s) {
        if ((s.bytes() & words) == 0) return 0;
        if ((s.bytes() & words) != words) return 2;
        if (s.warp == mine.warp && s.count == mine.count) return s.lanes == mine.lanes ? 1 : 2;
        if (passed++ >= 2) return 0;
        const Ordered order = ordered_all(s, a, mine);
        if (order == Ordered::none) return 0;
        if (order == Ordered::some || s.bytes() != words) return 2;
        s = mine;
        return 1;
    };
    if (quad.read.empty() && quad.more == 0) {
        quad.read = mine;
        return true;
    }
    if (const int met = meet(quad.read); met != 0) return met == 1;
    if (quad.more != 0) {
        for (Stamp &s : more_reads_[quad.more]) {
            if (const int met = meet(s); met != 0) return met == 1;
        }
    }
    more_of(quad.more).push_back(mine);
    return true;
}

/// In place of what was read and written there.
[[gnu::always_inline]] inline bool Racecheck::store_together(const Access &a, Quad &quad, const Stamp &mine) {
    if (!surely_ordered(quad.read, a, mine) && ordered_all(quad.read, a, mine) != Ordered::all) return false;
    if (quad.more != 0) {
        for (const Stamp &s : more_reads_[quad.more]) {
            if (!surely_ordered(s, a, mine) && ordered_all(s, a, mine) != Ordered::all) return false;
        }
    }
    const u32 others = ~mine.bytes() & 0xf;
    const auto left = [&](const Stamp &s) { return s.bytes() & others; };
    Stamp &first = quad.writes[0], &second = quad.writes[1];
    if (left(first) == 0) {
        first = mine, second = second.of(left(second));
    } else if (left(second) == 0) {
        first = first.of(left(first)), second = mine;
    } else {
        return false;
    }
    quad.read = quad.read.of(left(quad.read));
    if (quad.more == 0) return true;
    std::vector<Stamp> &more = more_reads_[quad.more];
    for (Stamp &s : more) s = s.of(left(s));
    std::erase_if(more, [](const Stamp &s) { return s.empty(); });
    if (more.empty()) forget(quad.more);
    return true;
}

/// False: nothing has happened.
[[gnu::always_inline]] inline bool Racecheck::touch_together(const Access &a, Quad &quad, const Stamp &mine) {
    for (const Stamp &s : quad.writes) {
        if (!surely_ordered(s, a, mine) && ordered_all(s, a, mine) != Ordered::all) return false;
    }
    if (a.store) return store_together(a, quad, mine);
    const u32 written = (quad.writes[0].bytes() | quad.writes[1].bytes()) & mine.bytes();
    if (written != 0 && a.i.variant == 1 && a.i.run == simulate::load) return false;
    return read_together(a, quad, mine);
}

/// A weak access to these words of a quad that begins at `start`, by as many lanes as it takes, from a.lane on.
void Racecheck::touch_quad(const Access &a, Quad &quad, u64 start, u32 words, u32 shift) {
    const Stamp mine = a.stamp(static_cast<u32>(a.lane) | shift << 8, words);
    if (quad.apart == 0 && touch_together(a, quad, mine)) return;
    Access of_lane = a;
    for (u32 rest = words; rest != 0; rest &= rest - 1) {
        const u32 k = static_cast<u32>(std::countr_zero(rest));
        of_lane.lane = static_cast<int>(lane_of(mine.lanes, k));
        touch_one(of_lane, quad, k, 0xf, start + 4 * k);
    }
    // A store to all four leaves nothing else behind.
    if (a.store && words == 0xf && quad.partings < Quad::MOST_PARTINGS) {
        free_words_.push_back(std::exchange(quad.apart, 0));
        quad.writes[0] = mine;
    }
}

/// touch_quad where nothing unusual is remembered: one write at most, one read at most. False: nothing has happened.
[[gnu::always_inline]] inline bool Racecheck::touch_quickly(const Access &a, Quad &quad, const Stamp &mine) {
    if ((quad.apart | quad.more) != 0 || !quad.writes[1].empty() || !surely_ordered(quad.writes[0], a, mine)) return false;
    Stamp &read = quad.read;
    if (a.store) {
        if (!surely_ordered(read, a, mine)) return false;
        quad.writes[0] = mine, read = {};
        return true;
    }
    if (a.i.variant == 1 && !quad.writes[0].empty()) return false;
    if (!read.empty() && (read.bytes() != 0xf || !surely_ordered(read, a, mine))) return false;
    if (!read.empty() && read.warp == mine.warp && read.count == mine.count) return read.lanes == mine.lanes;
    read = mine;
    return true;
}

/// Four neighbouring words.
void Racecheck::touch_in_line(const Access &a, u64 address, u32 words_per_lane) {
    const u32 shift = static_cast<u32>(std::countr_zero(words_per_lane));
    u32 word = 0;
    Quad *quad = quad_at(a, address, word);
    if (quad == nullptr) return;
    if (word == 0) {
        const Stamp mine = a.stamp(static_cast<u32>(a.lane) | shift << 8, 0xf);
        if (!touch_quickly(a, *quad, mine)) touch_quad(a, *quad, address, 0xf, shift);
        return;
    }
    Access of_lane = a;
    for (u32 k = 0; k < 4; ++k) {
        of_lane.lane = a.lane + static_cast<int>(k >> shift);
        Quad *its = quad_at(a, address + 4 * k, word);
        if (its != nullptr) touch_one(of_lane, *its, word, 0xf, address + 4 * k);
    }
}

/// A word by a.lane and, eight bytes on, one by the lane behind it.
void Racecheck::touch_pair(const Access &a, u64 address) {
    u32 word = 0;
    Quad *quad = quad_at(a, address, word);
    if (quad != nullptr && word < 2) return touch_quad(a, *quad, address - 4 * word, 5u << word, 1);
    Access behind = a;
    ++behind.lane;
    touch(a, address, 4);
    touch(behind, address + 8, 4);
}

/// 16 bytes of shared memory by each of the lanes.
void Racecheck::store_quads(Access &a, u32 lanes, const u32 *addresses) {
    Quad *quads = a.block.shared.data();
    each_lane(lanes, [&](int lane) { __builtin_prefetch(quads + addresses[lane] / 16, 1); });
    Stamp mine = a.stamp(0, 0xf);
    for (u32 rest = lanes; rest != 0; rest &= rest - 1) {
        a.lane = std::countr_zero(rest);
        mine.lanes = static_cast<u32>(a.lane) | 2 << 8;
        const u32 address = addresses[a.lane];
        if (address % 16 != 0 || !touch_quickly(a, quads[address / 16], mine)) touch_in_line(a, address, 4);
    }
}

/// A full warp, one lane behind the other or (4 bytes each) 8 bytes apart: quad by quad. False: nothing has happened.
bool Racecheck::touch_all_lanes(Access &a, const u64 *addresses, u32 bytes) {
    const u64 address = addresses[0], step = addresses[1] - address;
    if (step != bytes && step != 8) return false;
    u64 off_line = 0;
    for (u64 lane = 0; lane < LANES; ++lane) off_line |= addresses[lane] ^ (address + lane * step);
    u32 word = 0;
    Quad *quad = off_line == 0 ? quad_at(a, address, word) : nullptr;
    if (quad == nullptr || word >= (step == bytes ? 1 : 2) || address % 4 != 0) return false;
    if (a.space == Space::global && addresses[LANES - 1] + bytes > region_at(address)->end) return false;
    const u32 count = static_cast<u32>(LANES * step / 16), words = step == bytes ? 0xf : 5u << word;
    const u32 lanes_each = static_cast<u32>(16 / step), shift = step == 8 ? 1 : 0;
    for (u32 k = 0; k < count; ++k) __builtin_prefetch(quad + k, 1);
    Stamp mine = a.stamp(0, words);
    for (u32 k = 0; k < count; ++k) {
        a.lane = static_cast<int>(k * lanes_each);
        mine.lanes = (k * lanes_each) | shift << 8;
        if (words == 0xf && touch_quickly(a, quad[k], mine)) continue;
        touch_quad(a, quad[k], address - 4 * word + 16 * k, words, shift);
    }
    return true;
}

/// A weak access of 4 or 8 bytes: as many lanes at once as lie in a quad side by side, or two with a word between them.
void Racecheck::weak_access(Access &a, u32 mask, const u64 *addresses, u32 bytes) {
    if (mask == FULL && touch_all_lanes(a, addresses, bytes)) return;
    const u32 together = 16 / bytes;
    for (u32 first = 0; first < LANES; first += together) {
        const u32 group = ((1u << together) - 1) << first;
        if ((mask & group) == 0) continue;
        bool in_line = (mask & group) == group && addresses[first] % 4 == 0;
        for (u32 k = 1; k < together; ++k) in_line &= addresses[first + k] == addresses[first] + k * bytes;
        a.lane = static_cast<int>(first);
        if (in_line) {
            touch_in_line(a, addresses[first], bytes / 4);
            continue;
        }
        for (u32 rest = mask & group; rest != 0; rest &= rest - 1) {
            const int lane = a.lane = std::countr_zero(rest);
            if (bytes == 4 && lane % 2 == 0 && (rest >> lane & 3) == 3 && addresses[lane + 1] == addresses[lane] + 8) {
                touch_pair(a, addresses[lane]);
                rest &= rest - 1;
            } else {
                touch(a, addresses[lane], bytes);
            }
        }
    }
}

}  // namespace simulate
