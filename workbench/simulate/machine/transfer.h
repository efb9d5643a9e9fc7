// Elements between the rows of a warp and the host's memory: one lane's at a time.
#pragma once

#include "machine.h"

namespace simulate {

/// One element between a row and memory.
inline void load_element(u32 *row, int lane, const u8 *from, const Instruction &i) {
    switch (i.bytes) {
        case 1: row[lane] = i.sign_extend ? static_cast<u32>(static_cast<i32>(static_cast<i8>(*from))) : *from; break;
        case 2: {
            u16 half;
            std::memcpy(&half, from, 2);
            row[lane] = i.sign_extend ? static_cast<u32>(static_cast<i32>(static_cast<i16>(half))) : half;
            break;
        }
        case 4: std::memcpy(&row[lane], from, 4); break;
        default:
            std::memcpy(&row[lane], from, 4);
            std::memcpy(&row[LANES + lane], from + 4, 4);
    }
}

inline void store_element(const u32 *row, int lane, u8 *to, const Instruction &i) {
    if (i.bytes == 8) {
        std::memcpy(to, &row[lane], 4);
        std::memcpy(to + 4, &row[LANES + lane], 4);
    } else {
        std::memcpy(to, &row[lane], i.bytes);  // little-endian: the low bytes
    }
}

}  // namespace simulate
