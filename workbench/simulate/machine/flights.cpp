// Asynchronous copies that land: a warp's bytes move together.

#include "machine.h"

namespace simulate {

namespace {

/// Lanes in their order, the last one's bytes stay where two lanes write one place. A compiler is not told (as by
/// each_lane) that they do not.
template <class F>
void one_by_one(u32 lanes, F &&f) {
    for (; lanes != 0; lanes &= lanes - 1) f(std::countr_zero(lanes));
}

/// Bytes per lane that the compiler knows: a move without a call.
template <u32 BYTES>
void move_whole(u8 *shared, const Flight &flight, u32 lanes) {
    one_by_one(lanes, [&](int lane) { std::memcpy(shared + flight.to[lane], flight.host[lane], BYTES); });
}

void move(u8 *shared, const Flight &flight, u32 lanes) {
    if (flight.whole && flight.bytes == 16) return move_whole<16>(shared, flight, lanes);
    if (flight.whole && flight.bytes == 4) return move_whole<4>(shared, flight, lanes);
    one_by_one(lanes, [&](int lane) {
        u8 *to = shared + flight.to[lane];
        const u32 filled = flight.filled[lane];
        if (filled > 0) std::memcpy(to, flight.host[lane], filled);
        std::memset(to + filled, 0, flight.bytes - filled);
    });
}

}  // namespace

void mark_in_flight(Block &block, const Flight &flight, u32 lanes, int by) {
    u8 *words = block.in_flight.data();
    if (flight.bytes == 16) {  // four counters at once: what one carries into the next it takes back
        one_by_one(lanes, [&](int lane) {
            u32 four;
            std::memcpy(&four, words + flight.to[lane] / 4, 4);
            four += static_cast<u32>(by) * 0x01010101u;
            std::memcpy(words + flight.to[lane] / 4, &four, 4);
        });
    } else {
        one_by_one(lanes, [&](int lane) {
            for (u32 k = 0; k < flight.bytes; k += 4) {
                u8 &word = words[(flight.to[lane] + k) / 4];
                word = static_cast<u8>(word + by);
            }
        });
    }
    block.flights += static_cast<u64>(static_cast<i64>(by) * std::popcount(lanes));
}

void land_lanes(Warp &w, Flight &flight, u32 lanes) {
    flight.mask &= ~lanes;
    if (flight.bytes == 0) return arrive_at(w, flight, lanes);
    move(w.block->shared.data(), flight, lanes);
    mark_in_flight(*w.block, flight, lanes, -1);
    for (Observer *o : w.machine().observers) o->flight_lands(w, flight, lanes);
}

}  // namespace simulate
