// The gates from pre-activations that a library product has left in memory, on the CPU's vector units.
//
// Idea: one pass instead of ten. Everything between k, v and a, b happens in registers, over vectors of channels, rows
// dealt to the cores.
//
// Traffic: k and v in, a and b out, 16 bytes per element, and 8 more because an ordinary store reads the line that it
// overwrites.
// Improves: bytes: torch's own operations move 70 per element.
// What limits it: two exponentials and a division per element.
#include "exponential.hpp"

namespace {

constexpr int GROUP = 2;  // vectors at once: the chains of one vector's exponentials leave the units idle
constexpr int WIDTH = GROUP * LANES;

// With e = exp(-k) and w = exp(min(v, 0)), as mingru_step has it: a = e (1 + w) q and b = (w + 2 max(v, 0)) q, where
// q = 1 / ((1 + e)(1 + w)).
INLINE void gates(const float *k, const float *v, float *a, float *b) {
    constexpr float LIMIT = 60.0f;
    floats e[GROUP], w[GROUP], rectified[GROUP];
    for (int i = 0; i < GROUP; ++i) {
        const floats logit = load(k + i * LANES), input = load(v + i * LANES);
        e[i] = -at_most(at_least(logit, -LIMIT), LIMIT);
        w[i] = at_least(at_most(input, 0.0f), -LIMIT);
        rectified[i] = at_least(input, 0.0f);
    }
    exponential(e);
    exponential(w);
    for (int i = 0; i < GROUP; ++i) {
        const floats one_w = w[i] + 1.0f, quotient = splat(1.0f) / ((e[i] + 1.0f) * one_w);
        store(a + i * LANES, e[i] * one_w * quotient);
        store(b + i * LANES, (rectified[i] * 2.0f + w[i]) * quotient);
    }
}

// The same arithmetic on fewer channels than a group has.
void gates_part(const float *k, const float *v, float *a, float *b, index_t count) {
    float part_k[WIDTH] = {}, part_v[WIDTH] = {}, part_a[WIDTH], part_b[WIDTH];
    std::memcpy(part_k, k, count * sizeof(float));
    std::memcpy(part_v, v, count * sizeof(float));
    gates(part_k, part_v, part_a, part_b);
    std::memcpy(a, part_a, count * sizeof(float));
    std::memcpy(b, part_b, count * sizeof(float));
}

}  // namespace

// kv (rows, 2, H) float32 with its bias → a, b (rows, H) float32.
extern "C" void gate_elementwise(const float *kv, float *a, float *b, index_t rows, index_t H) {
#pragma omp parallel for schedule(static)
    for (index_t row = 0; row < rows; ++row) {
        const float *k = kv + row * 2 * H, *v = k + H;
        float *row_a = a + row * H, *row_b = b + row * H;
        index_t i = 0;
        for (; i + WIDTH <= H; i += WIDTH) gates(k + i, v + i, row_a + i, row_b + i);
        if (i < H) gates_part(k + i, v + i, row_a + i, row_b + i, H - i);
    }
}
