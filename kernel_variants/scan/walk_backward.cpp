// Backwards through the scan: gradients of a, b and h0 from those of h and h_last.
//
// Idea: with m the gradient that reaches h_{t-1} through step t, db_t = gh_t + m_{t+1}, da_t = db_t h_{t-1} and
// m_t = a_t db_t: the forward scan over flipped time with the input a gh. Rows are taken from the last to the first, each
// from its first channel to its last, so that every row is still one linear stream.
//
// Traffic: a, h, gh once in, da, db once out: 5 values per element, the least there is; 7 with ordinary stores, which
// read what they overwrite.
// Improves (simd): time, against torch's two operations per step.
// Improves (streaming): time, by those 2 values of 7.
#include "time_walk.hpp"

namespace {

struct Gradients {
    Line a, b;
};

// Any of before, gh may be null: zeros.
INLINE Gradients step_back(const float *a, const io_t *before, const float *initial, const io_t *gh, float *carry) {
    Gradients out;
    for (int i = 0; i < VECTORS; ++i) {
        floats gradient = load(carry + i * LANES);
        if (gh) gradient = gradient + load_io(gh + i * LANES);
        const floats h = before ? load_io(before + i * LANES) : initial ? load(initial + i * LANES) : floats{};
        out.b.v[i] = gradient;
        out.a.v[i] = gradient * h;
        store(carry + i * LANES, gradient * load(a + i * LANES));
    }
    return out;
}

// Gradients of a and b are float32 whatever io_t is: only float32 lines have a store past the caches of their own.
template <bool PAST_CACHES>
INLINE void put_floats(float *p, const Line &line) {
#if !defined(IO_BFLOAT16)
    put_line<PAST_CACHES>(p, line);
#else
    for (int i = 0; i < VECTORS; ++i) store(p + i * LANES, line.v[i]);
#endif
}

template <bool PAST_CACHES>
void walk(const float *a, const io_t *h, const float *h0, const uint8_t *marks, const io_t *gh, const float *gh_last,
          float *da, float *db, float *dh0, index_t B, index_t T, index_t H, index_t reverse, index_t threads) {
    for_each_walk(B, T, H, threads, [=](index_t sequence, index_t first, index_t width) {
        alignas(LINE_BYTES) float carry[SLICE];
        if (width % LINE) std::memset(carry + width / LINE * LINE, 0, LINE * sizeof(float));
        load_state(carry, gh_last, sequence * H + first, width);
        const Steps steps = steps_of(marks, sequence, T, reverse);
        for (index_t step = T - 1; step >= 0; --step) {
            const index_t at = (sequence * T + steps.at(step)) * H + first;
            const uint8_t mark = steps.mark(step);
            if (mark == SKIPPED) {
                std::memset(da + at, 0, width * sizeof(float));
                std::memset(db + at, 0, width * sizeof(float));
                continue;
            }
            const index_t before = mark == START_ANEW ? -1 : steps.before(step);
            const io_t *h_before = before < 0 ? nullptr : h + (sequence * T + steps.at(before)) * H + first;
            const float *initial = before < 0 && mark != START_ANEW && h0 ? h0 + sequence * H + first : nullptr;
            const io_t *g = gh ? gh + at : nullptr;
            index_t i = 0;
            for (; i + LINE <= width; i += LINE) {
                const Gradients out = step_back(a + at + i, h_before ? h_before + i : nullptr,
                                                initial ? initial + i : nullptr, g ? g + i : nullptr, carry + i);
                put_floats<PAST_CACHES>(da + at + i, out.a);
                put_floats<PAST_CACHES>(db + at + i, out.b);
            }
            if (i < width) {
                const size_t count = width - i;
                float part_a[LINE] = {}, part_initial[LINE] = {}, part_da[LINE], part_db[LINE];
                io_t part_h[LINE] = {}, part_g[LINE] = {};
                std::memcpy(part_a, a + at + i, count * sizeof(float));
                if (h_before) std::memcpy(part_h, h_before + i, count * sizeof(io_t));
                if (initial) std::memcpy(part_initial, initial + i, count * sizeof(float));
                if (g) std::memcpy(part_g, g + i, count * sizeof(io_t));
                const Gradients out = step_back(part_a, h_before ? part_h : nullptr, part_initial, part_g, carry + i);
                put_floats<false>(part_da, out.a);
                put_floats<false>(part_db, out.b);
                std::memcpy(da + at + i, part_da, count * sizeof(float));
                std::memcpy(db + at + i, part_db, count * sizeof(float));
            }
            if (mark == START_ANEW) std::memset(carry, 0, width * sizeof(float));
        }
        std::memcpy(dh0 + sequence * H + first, carry, width * sizeof(float));
        if (PAST_CACHES) fence_streams();
    });
}

}  // namespace

// a (B, T, H) float32, h (B, T, H) io_t as forward had and made them; h0 (B, H) float32 or null; marks (B, T) bytes or
// null; gh (B, T, H) io_t or null; gh_last (B, H) float32 or null. Written: da, db (B, T, H), dh0 (B, H) float32.
extern "C" void scan_walk_backward(const float *a, const io_t *h, const float *h0, const uint8_t *marks, const io_t *gh,
                                   const float *gh_last, float *da, float *db, float *dh0, index_t B, index_t T,
                                   index_t H, index_t reverse, index_t past_caches, index_t threads) {
    const bool streams = past_caches && in_whole_lines((const io_t *)da, H) && in_whole_lines((const io_t *)db, H);
    (streams ? walk<true> : walk<false>)(a, h, h0, marks, gh, gh_last, da, db, dh0, B, T, H, reverse, threads);
}
