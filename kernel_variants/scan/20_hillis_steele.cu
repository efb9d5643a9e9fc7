// Every step at once, a launch per level (Hillis and Steele 1986).
//
// Idea: after level l every step holds the composition of the 2^l steps that end with it; level l + 1 composes it with
// the one 2^l steps earlier. All T * H pairs work at every level, and log2 T levels are all the depth there is.
//
// Traffic: a level reads two pairs per element and writes one, 6 float32, and no level fits a cache at sizes that
// matter: 6 log2 T values per element where 3 would do, in log2 T launches. T log2 T compositions where T suffice.
// Improves: launches and time, against a torch operator per level. What it shows: O(log T) depth is not O(log T) time.
// A scan is bound by bytes, and this one moves the most of all.
#include "cell.cuh"

// What a thread computes: a step of a sequence, a channel. grid (ceil(T / blockDim.y), ceil(H / 32), B), block (32,
// rows).
struct Place {
    index_t sequence, step, channel;

    __device__ __forceinline__ Place()
        : sequence(blockIdx.z), step(blockIdx.x * (index_t)blockDim.y + threadIdx.y),
          channel(blockIdx.y * (index_t)blockDim.x + threadIdx.x) {}
    __device__ __forceinline__ bool present(index_t T, index_t H) const { return step < T && channel < H; }
    // In an array of maps, (B, T, H) in the order in which steps are walked.
    __device__ __forceinline__ index_t at(index_t T, index_t H) const { return (sequence * T + step) * H + channel; }
};

// The composition of what ends at `step` with what ends `distance` steps earlier, if there is such a step.
__device__ __forceinline__ Affine composed(const float *__restrict__ from_a, const float *__restrict__ from_b,
                                           index_t at, index_t step, index_t distance, index_t H) {
    const Affine here = {from_a[at], from_b[at]};
    if (step < distance) return here;
    const index_t before = at - distance * H;
    return compose(here, Affine{from_a[before], from_b[before]});
}

// The first level, from the streams of the cell: to_a, to_b (B, T, H) float32.
extern "C" __global__ void hillis_steele_first(INPUTS, float *__restrict__ to_a, float *__restrict__ to_b, index_t T,
                                               index_t H) {
    const Place place;
    if (!place.present(T, H)) return;
    const Inputs in = inputs(GIVEN_INPUTS, H).at(place.sequence, place.step, place.channel, T, H);
    Affine both = step_of(in.read());
    if (place.step > 0) both = compose(both, step_of(in.read(-1)));
    to_a[place.at(T, H)] = both.a;
    to_b[place.at(T, H)] = both.b;
}

// A level between: from_a, from_b -> to_a, to_b, which are other arrays: a level that overwrote its own input would
// compose with what another thread has already composed.
extern "C" __global__ void hillis_steele_level(const float *__restrict__ from_a, const float *__restrict__ from_b,
                                               float *__restrict__ to_a, float *__restrict__ to_b, index_t T, index_t H,
                                               index_t distance) {
    const Place place;
    if (!place.present(T, H)) return;
    const index_t at = place.at(T, H);
    const Affine both = composed(from_a, from_b, at, place.step, distance, H);
    to_a[at] = both.a;
    to_b[at] = both.b;
}

// The last level: what is composed now begins at step 0, so h0 can be put in. h0 (B, H) float32 or null; h_last (B, H)
// float32. A cell that emits more than the state reads its streams again, and composes the step before this one too.
extern "C" __global__ void hillis_steele_last(INPUTS, const float *__restrict__ h0, OUTPUTS, float *__restrict__ h_last,
                                              const float *__restrict__ from_a, const float *__restrict__ from_b,
                                              index_t T, index_t H, index_t distance) {
    const Place place;
    if (!place.present(T, H)) return;
    const index_t at = place.at(T, H), state_at = place.sequence * H + place.channel;
    const float start = h0 ? h0[state_at] : 0.0f;
    const float state = apply(composed(from_a, from_b, at, place.step, distance, H), start);
    Step step = no_step();
    float before = start;
    if constexpr (!Cell::EMITS_STATE) {
        step = step_of(inputs(GIVEN_INPUTS, H).at(place.sequence, place.step, place.channel, T, H).read());
        if (place.step > 0) before = apply(composed(from_a, from_b, at - H, place.step - 1, distance, H), start);
    }
    outputs(GIVEN_OUTPUTS, H)
        .at(place.sequence, place.step, place.channel, T, H)
        .store(Cell::emit(step, before, state));
    if (place.step == T - 1) h_last[state_at] = state;
}
