// What one warp did, for a person to read.

#include "machine.h"

namespace simulate {

void Trace::begin(u64 of_block, u32 of_warp, u64 most) {
    *this = {};
    block = of_block, warp = of_warp, limit = most;
}

void Trace::step(const Warp &w, u32 pc, u32 on) {
    close(w);
    if (kept_ == limit) return;
    ++kept_;
    words.insert(words.end(), {pc, on, 0});
    open_ = words.size() - 1;
    before_.assign(w.file, w.file + w.machine().program.file_words);
}

void Trace::close(const Warp &w) {
    if (open_ == 0) return;
    for (u32 at = 0; at < before_.size(); ++at) {
        if (w.file[at] == before_[at]) continue;
        words.insert(words.end(), {at, w.file[at]});
        ++words[open_];
    }
    open_ = 0;
}

}  // namespace simulate
