// Decoupled look-back (Merrill and Garland 2016), whole, in one file: read it from top to bottom.
//
// Idea: three phases read their inputs twice because a chunk must know the state that enters it. Here a tile, 32
// channels x STEPS steps in the registers of one warp, stays there while it finds out:
//
//   1. it draws a ticket, so that tiles are numbered in the order in which they begin to run;
//   2. it reads its steps and composes them to one affine map, its summary;
//   3. it publishes the summary, and only then the flag that says so;
//   4. it walks back over the tiles before it, one by one: where only a summary is published it composes that too and
//      goes on, where the state that leaves is published it stops;
//   5. it applies what it has composed, publishes the state that leaves itself, and walks its steps again.
//
// No tile waits for ever: it waits only for tiles of lower tickets, whose warps are running or done.
//
// Traffic: each input once in, h once out, and 24 bytes per channel of a tile between tiles: 3 values per element where
// three phases move 5, in one launch and the clearing of the flags.
// Improves: bytes from DRAM, against three_phase. What limits it: a tile asks one tile at a time, each answer a trip to
// L2; the rung after this one asks as many as it has warps.
#include "cell.cuh"
#include "look_back.cuh"

#ifndef STEPS
#define STEPS 32
#endif

constexpr int LANES = 32;

// Streams of the cell; h0 (B, H) float32 or null; h_last (B, H) float32.
// tile_a, tile_b, tile_state (B, tiles, H) float32; flags: one ticket counter, then (B, strips, tiles), all zero.
// grid (B * strips * tiles), where a strip is 32 channels; block 32.
extern "C" __global__ void __launch_bounds__(LANES)
    scan_look_back_plain(INPUTS, const float *__restrict__ h0, OUTPUTS, float *__restrict__ h_last, float *tile_a,
                         float *tile_b, float *tile_state, unsigned *flags, index_t T, index_t H, int B) {
    // 1. Tickets go through all strips of all sequences before they go on in time.
    const int lane = threadIdx.x;
    unsigned ticket = lane == 0 ? draw_ticket(flags) : 0;
    ticket = __shfl_sync(0xffffffffu, ticket, 0);
    const unsigned strips = (unsigned)((H + LANES - 1) / LANES), lines = strips * B;
    const index_t tile = ticket / lines, line = ticket % lines, tiles = (T + STEPS - 1) / STEPS;
    const index_t sequence = line / strips, channel = line % strips * LANES + lane, first_step = tile * STEPS;
    const bool present = channel < H;
    const index_t published = sequence * tiles * H + channel; // of tile 0; that of tile n is n H further
    unsigned *flag = flags + 1 + line * tiles;                // of tile 0; that of tile n is n further

    // 2. The summary.
    const Inputs in = inputs(GIVEN_INPUTS, H).at(sequence, first_step, channel, T, H);
    Step step[STEPS];
    Affine summary = identity();
#pragma unroll
    for (int s = 0; s < STEPS; ++s) step[s] = present && first_step + s < T ? step_of(in.read(s)) : no_step();
#pragma unroll
    for (int s = 0; s < STEPS; ++s) summary = compose(step[s], summary);

    // 3. Values first, then the whole warp, then the flag.
    if (present) {
        tile_a[published + tile * H] = summary.a;
        tile_b[published + tile * H] = summary.b;
    }
    __syncwarp();
    if (lane == 0) release(flag + tile, SUMMARY);

    // 4. `since` is what the tiles already seen do, together.
    Affine since = identity();
    float entering = present && h0 ? h0[sequence * H + channel] : 0.0f;
    for (index_t seen = tile - 1; seen >= 0; --seen) {
        const unsigned progress = wait_for(flag + seen, SUMMARY, lane);
        const index_t at = published + seen * H;
        if (progress == STATE) {
            if (present) entering = __ldcg(tile_state + at);
            break;
        }
        if (present) since = compose(since, Affine{__ldcg(tile_a + at), __ldcg(tile_b + at)});
    }

    // 5. The state that enters, the one that leaves, and those between.
    float state = apply(since, entering);
    if (present) tile_state[published + tile * H] = apply(summary, state);
    __syncwarp();
    if (lane == 0) release(flag + tile, STATE);

    if (!present) return;
    const Outputs out = outputs(GIVEN_OUTPUTS, H).at(sequence, first_step, channel, T, H);
#pragma unroll
    for (int s = 0; s < STEPS; ++s) {
        if (first_step + s >= T) break;
        const float before = state;
        state = apply(step[s], before);
        out.store(Cell::emit(step[s], before, state), s);
    }
    if (tile == tiles - 1) h_last[sequence * H + channel] = state;
}
