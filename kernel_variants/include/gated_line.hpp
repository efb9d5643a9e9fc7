// One step of one line of channels with the gates computed inside: k, v and the state → h and the new state.
#pragma once

#include "exponential.hpp"

INLINE Line step(const io_t *k, const io_t *v, float *state) {
    constexpr int N = VECTORS < 2 ? 1 : 2;
    Line line;
    for (int first = 0; first < VECTORS; first += N) {
        floats group_k[N], group_v[N], h[N];
        for (int i = 0; i < N; ++i) {
            const int at = (first + i) * LANES;
            group_k[i] = load_io(k + at), group_v[i] = load_io(v + at), h[i] = load(state + at);
        }
        mingru_step(group_k, group_v, h);
        for (int i = 0; i < N; ++i) store(state + (first + i) * LANES, line.v[first + i] = h[i]);
    }
    return line;
}

// The same arithmetic on fewer channels than a line has, so that no result depends on how memory is aligned.
inline void step_part(const io_t *k, const io_t *v, float *state, io_t *h, index_t count) {
    io_t part_k[LINE] = {}, part_v[LINE] = {}, part_h[LINE];
    float part_state[LINE] = {};
    std::memcpy(part_k, k, count * sizeof(io_t));
    std::memcpy(part_v, v, count * sizeof(io_t));
    std::memcpy(part_state, state, count * sizeof(float));
    store_line(part_h, step(part_k, part_v, part_state));
    std::memcpy(state, part_state, count * sizeof(float));
    std::memcpy(h, part_h, count * sizeof(io_t));
}
