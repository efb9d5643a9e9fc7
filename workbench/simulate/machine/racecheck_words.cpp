// What is remembered of each word of memory, and what an access to it is compared with.

#include <algorithm>
#include <bit>
#include <utility>

#include "racecheck.h"

namespace simulate {

Racecheck::Region *Racecheck::region_at(u64 address) {
    if (recent_ >= regions_.size() || address < regions_[recent_].first || address >= regions_[recent_].end) {
        const auto after = std::upper_bound(regions_.begin(), regions_.end(), address,
                                            [](u64 value, const Region &r) { return value < r.first; });
        if (after == regions_.begin()) return nullptr;
        recent_ = static_cast<std::size_t>(after - regions_.begin() - 1);
    }
    Region &region = regions_[recent_];
    return address >= region.end ? nullptr : &region;
}

/// Whether all of the lanes' bytes lie where nobody may write.
bool Racecheck::unwatched(u32 mask, const u64 *addresses, u32 bytes) {
    const auto [low, high] = span_of(mask, addresses);
    const Region *region = region_at(low);
    return region != nullptr && !region->watched && high + bytes <= region->end;
}

Racecheck::Quad *Racecheck::quad_at(const Access &a, u64 address, u32 &word) {
    if (a.space == Space::shared) {
        word = static_cast<u32>(address / 4 % 4);
        return &a.block.shared[address / 16];
    }
    Region *region = region_at(address);
    if (region == nullptr || !region->watched) return nullptr;
    const u64 place = address - region->first;
    word = static_cast<u32>(place / 4 % 4);
    return region->quads.quads + place / 16;
}

/// Whether the access happened before this one.
[[gnu::always_inline]] inline bool Racecheck::ordered(const Stamp &s, const Access &a) {
    u32 rest = s.lanes & ~(s.warp == a.warp() ? 1u << a.lane : 0);
    if (rest == 0) return true;
    const Known *known = a.lanes.clocks.of(a.lane)->of(s.warp);
    if (known == nullptr) return false;
    if (known->all >= s.count) return true;
    if (!known->lanes) return false;
    for (; rest != 0; rest &= rest - 1) {
        if (known->lanes->of[std::countr_zero(rest)] < s.count) return false;
    }
    return true;
}

/// Two strong operations do not race where each is in the other's scope.
[[gnu::noinline]] bool Racecheck::both_strong(const Stamp &s, const Access &a) {
    const u32 warps = static_cast<u32>(a.w.block->warps.size());
    return (s.reach() == 2 && a.reach == 2) || s.warp / warps == a.warp() / warps;
}

/// Whether an access to these bytes and the other are no race: they share no byte, or something orders them.
[[gnu::always_inline]] inline bool Racecheck::may_meet(const Stamp &s, const Access &a, u32 bytes) {
    if ((s.bytes() & bytes) == 0) return true;
    if (s.reach() != 0 && a.reach != 0 && both_strong(s, a)) return true;
    return ordered(s, a);
}

/// Whether the value that this lane stores is what is there already, or what the other lane of the instruction stores.
bool Racecheck::same_value(const Access &a, const Stamp &other, u64 address) const {
    const Instruction &i = a.i;
    const u32 bytes = static_cast<u32>(i.bytes) * i.elements;
    if (static_cast<int>(other.instruction()) == i.index && other.warp == static_cast<u32>(a.w.global_index)) {
        const int other_lane = std::countr_zero(other.lanes);
        for (int e = 0; e < i.elements; ++e) {
            const u32 *row = a.w.row(i.o[1 + e]);
            if (row[a.lane] != row[other_lane] || (i.bytes == 8 && row[LANES + a.lane] != row[LANES + other_lane])) {
                return false;
            }
        }
        return true;
    }
    const u8 *there = host_address(a.w, a.space, address & ~static_cast<u64>(bytes - 1), bytes, true);
    for (int e = 0; e < i.elements; ++e, there += i.bytes) {
        const u64 mine = i.bytes == 8 ? pair_of(a.w.row(i.o[1 + e]), a.lane) : a.w.row(i.o[1 + e])[a.lane];
        if (std::memcmp(&mine, there, i.bytes) != 0) return false;
    }
    return true;
}

/// In the word itself: beside its like, or in place of one that came before. False: there is no room.
[[gnu::always_inline]] inline bool Racecheck::remember_read(const Access &a, Word &word, const Stamp &mine) {
    for (Stamp &s : word.reads) {
        if (s.empty()) {
            s = mine;
            return true;
        }
        if (!s.alike(mine)) continue;
        if (s.warp == mine.warp && s.count == mine.count) {
            s.lanes |= mine.lanes;
            return true;
        }
        if (ordered(s, a)) {
            s = mine;
            return true;
        }
    }
    return false;
}

/// Whether all lanes' accesses that a stamp names happened before, for whichever lane of a warp that has one clock asks.
bool Racecheck::all_before(const Stamp &s, const Access &a) {
    const Known *known = a.lanes.clocks.of(0)->of(s.warp);
    if (known == nullptr) return false;
    if (known->all >= s.count) return true;
    if (!known->lanes) return false;
    u32 before = 0;
    for (u32 lane = 0; lane < LANES; ++lane) before |= static_cast<u32>(known->lanes->of[lane] >= s.count) << lane;
    return (s.lanes & ~before) == 0;
}

/// Where remember_read puts the stamp of lanes that have one clock, whichever of them comes first; nullptr: nowhere.
/// `told` becomes false where it depends on the lane.
Racecheck::Stamp *Racecheck::place_of_read(const Access &a, Word &word, const Stamp &mine, bool &told) {
    for (Stamp &s : word.reads) {
        if (s.empty()) return &s;
        if (!s.alike(mine)) continue;
        if ((s.warp == mine.warp && s.count == mine.count) || all_before(s, a)) return &s;
        told &= s.warp != mine.warp;  // a lane's own access came before, of its warp's others nothing is known
    }
    return nullptr;
}

/// Two words that lanes of a warp read by strong operations, as an mbarrier that they have looked at: what touch does
/// for each of them. False: nothing has happened.
bool Racecheck::read_object(const Access &a, u32 lanes, u64 address) {
    u32 first = 0;
    const Quad *quad = quad_at(a, address, first);
    if (quad == nullptr || quad->apart == 0 || first > 2 || !a.lanes.clocks.together()) return false;
    Word *words = words_[quad->apart].data() + first;
    const Stamp mine = a.stamp(lanes, 0xf);
    Stamp *places[2];
    bool told = true;
    for (u32 k = 0; k < 2; ++k) {
        for (const Stamp &s : words[k].writes) {
            told &= s.empty() || (s.reach() != 0 && both_strong(s, a)) || all_before(s, a);
        }
        places[k] = place_of_read(a, words[k], mine, told);
    }
    if (!told) return false;
    for (u32 k = 0; k < 2; ++k) {
        if (places[k] == nullptr) {
            remember_one_more(words[k], mine);
        } else {
            Stamp &s = *places[k];
            const bool beside = !s.empty() && s.warp == mine.warp && s.count == mine.count;
            if (beside) s.lanes |= lanes; else s = mine;
        }
    }
    return true;
}

/// What touch_word does where nothing is to be said, as nearly always. False: nothing has happened.
[[gnu::always_inline]] inline bool Racecheck::touch_plainly(const Access &a, Word &word, const Stamp &mine) {
    if (!word.writes[1].empty() || !may_meet(word.writes[0], a, mine.bytes())) return false;
    if (a.store) {
        if (word.more != 0 || mine.bytes() != 0xf) return false;
        if (!may_meet(word.reads[0], a, 0xf) || !may_meet(word.reads[1], a, 0xf)) return false;
        word.writes[0] = mine;
        word.reads[0] = word.reads[1] = {};
        return true;
    }
    if (a.i.variant == 1 && a.i.run == simulate::load && !word.writes[0].empty()) return false;
    return remember_read(a, word, mine);
}

/// By one lane. It is told apart from the usual case, which is a few comparisons.
inline void Racecheck::touch_word(const Access &a, Word &word, u32 bytes, u64 address) {
    if (!touch_plainly(a, word, a.stamp(1u << a.lane, bytes))) touch_fully(a, word, bytes, address);
}

[[gnu::noinline]] void Racecheck::touch_fully(const Access &a, Word &word, u32 bytes, u64 address) {
    const Stamp mine = a.stamp(1u << a.lane, bytes);
    for (const Stamp &s : word.writes) {
        if (may_meet(s, a, bytes)) continue;
        const bool harmless = a.store && a.i.run == simulate::store && same_value(a, s, address);
        report(harmless ? "same_value_race" : "race", s, a, address);
    }
    if (!a.store) {
        // Variant 1 of a load: through the cache of what no kernel writes while it runs.
        if (a.i.run == simulate::load && a.i.variant == 1) {
            for (const Stamp &s : word.writes) {
                if ((s.bytes() & bytes) != 0) report("stale_read", s, a, address);
            }
        }
        if (!remember_read(a, word, mine)) remember_one_more(word, mine);
        return;
    }
    for (Stamp &s : word.reads) {
        if (!may_meet(s, a, bytes)) report("race", s, a, address);
        // Readers before a write are settled with it; other bytes keep theirs.
        s = (s.bytes() & ~bytes) == 0 ? Stamp{} : s.of(s.bytes() & ~bytes);
    }
    if (word.more != 0) {
        for (const Stamp &s : more_reads_[word.more]) {
            if (!may_meet(s, a, bytes)) report("race", s, a, address);
        }
        forget(word.more);
    }
    Stamp &slot = (word.writes[0].bytes() & bytes) != 0 || word.writes[0].empty() ? word.writes[0] : word.writes[1];
    slot = mine;
    Stamp &other = &slot == word.writes ? word.writes[1] : word.writes[0];
    if ((other.bytes() & ~bytes) == 0) other = {};
}

/// The list of that number, a new one where it is 0.
std::vector<Racecheck::Stamp> &Racecheck::more_of(u32 &more) {
    if (more == 0) {
        if (free_reads_.empty()) {
            free_reads_.push_back(static_cast<u32>(more_reads_.size()));
            more_reads_.emplace_back();
        }
        more = free_reads_.back();
        free_reads_.pop_back();
    }
    return more_reads_[more];
}

void Racecheck::forget(u32 &more) {
    if (more == 0) return;
    more_reads_[more].clear();
    free_reads_.push_back(std::exchange(more, 0));
}

void Racecheck::remember_one_more(Word &word, const Stamp &mine) {
    // The latest first: what stands before an earlier step of the same warp is earlier still.
    std::vector<Stamp> &more = more_of(word.more);
    for (auto s = more.rbegin(); s != more.rend(); ++s) {
        if (s->warp != mine.warp) continue;
        if (s->count != mine.count) break;
        if (!s->alike(mine)) continue;
        s->lanes |= mine.lanes;
        return;
    }
    more.push_back(mine);
}

/// As touch_word, of one of a quad.
void Racecheck::touch_one(const Access &a, Quad &quad, u32 word, u32 bytes, u64 address) {
    touch_word(a, quad.apart != 0 ? words_[quad.apart][word] : word_of(quad, word), bytes, address);
}

void Racecheck::touch(const Access &a, u64 address, u32 bytes) {
    if (bytes == 16 && a.reach == 0 && address % 4 == 0) return touch_in_line(a, address, 4);
    for (u64 at = address; at < address + bytes; at = (at | 3) + 1) {
        u32 word = 0;
        Quad *quad = quad_at(a, at, word);
        if (quad == nullptr) return;
        const u32 count = static_cast<u32>(std::min<u64>(4 - at % 4, address + bytes - at));
        touch_one(a, *quad, word, ((1u << count) - 1) << at % 4, at);
    }
}

}  // namespace simulate
