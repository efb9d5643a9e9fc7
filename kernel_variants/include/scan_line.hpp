// One step of one line of channels: a, b and the state → h and the new state.
#pragma once

#include "simd.hpp"

INLINE Line step(const float *a, const float *b, float *state) {
    Line line;
    for (int i = 0; i < VECTORS; ++i) {
        line.v[i] = load(a + i * LANES) * load(state + i * LANES) + load(b + i * LANES);
        store(state + i * LANES, line.v[i]);
    }
    return line;
}

// The same arithmetic on fewer channels than a line has, so that no result depends on how memory is aligned.
inline void step_part(const float *a, const float *b, float *state, io_t *h, index_t count) {
    float part_a[LINE] = {}, part_b[LINE] = {}, part_state[LINE] = {};
    io_t part_h[LINE];
    std::memcpy(part_a, a, count * sizeof(float));
    std::memcpy(part_b, b, count * sizeof(float));
    std::memcpy(part_state, state, count * sizeof(float));
    store_line(part_h, step(part_a, part_b, part_state));
    std::memcpy(state, part_state, count * sizeof(float));
    std::memcpy(h, part_h, count * sizeof(io_t));
}
