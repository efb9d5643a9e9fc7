// One pass over time split into tiles: every tile looks back at those before it.
//
// Idea: three phases read their inputs twice because a chunk must know the state that enters it. Here a tile of
// WARPS * STEPS steps x 32 VECTOR channels stays in registers while it finds out: it publishes its summary at once,
// composes the summaries of the tiles before it, and replays. What it publishes carries its own flag, a word for each
// channel (flagged.cuh): one trip to L2 tells all. Whom it asks stands in look_back_order.cuh.
//
// Free order takes whatever the tiles before it have published and never waits for a slow chain; but which summaries it
// composes, and so how it rounds, depends on timing. FIXED_ORDER always composes the same ones in the same order: bit
// for bit the same in every run, for a chain of T / (GROUP * tile) steps of which each waits for the one before.
//
// Traffic: inputs once in, h once out, and 24 bytes per channel of a tile between tiles, which are cleared, written and
// read, in one launch and a clearing.
// Improves (look_back_free): time, against look_back_plain: a window of tiles is asked at once, one by each warp, and
// each answer takes one trip, not two and a fence.
// Improves (look_back_fixed): reproducibility, to the bit; what it costs in time is the price of that.
#include "look_back_order.cuh"

#ifndef WARPS
#define WARPS 16
#endif
#ifndef STEPS
#define STEPS 16
#endif
#ifndef VECTOR
#define VECTOR 1
#endif
#ifndef GROUP
#define GROUP 32 // tiles
#endif

constexpr int TILE_STEPS = WARPS * STEPS, TILE_CHANNELS = LANES * VECTOR;
#define BLOCKS (WARPS <= 8 && WARPS * STEPS * VECTOR <= 128 ? 3 : 2) // an SM: while one looks back, another reads

#if defined(FIXED_ORDER)
typedef FixedOrder<WARPS, VECTOR, GROUP, WholeBlock> Order;
#else
typedef FreeOrder<WARPS, VECTOR, WholeBlock> Order;
#endif

// Streams of the cell; h0 (B, H) float32 or null; h_last (B, H) float32.
// tile_summaries (B, tiles, H) maps, tile_states (B, tiles, H) words (flagged.cuh), tickets (1): all zero.
// grid (B * strips * tiles), where a strip is 32 VECTOR channels; block 32 WARPS.
extern "C" __global__ void __launch_bounds__(LANES * WARPS, BLOCKS)
    scan_look_back(INPUTS, const float *__restrict__ h0, OUTPUTS, float *__restrict__ h_last,
                   FlaggedMap *tile_summaries, word_t *tile_states, unsigned *tickets, index_t T, index_t H, int B) {
    __shared__ Affine segment_summaries[WARPS * TILE_CHANNELS];
    __shared__ Affine window[Order::WINDOW * TILE_CHANNELS];
    __shared__ bool knows[WARPS];
    __shared__ unsigned ticket;

    if (threadIdx.x == 0) ticket = draw_ticket(tickets);
    __syncthreads();

    const Tiling<TILE_STEPS, TILE_CHANNELS> tiling(T, H, B);
    const int lane = threadIdx.x % LANES, warp = threadIdx.x / LANES;
    const int tile = (int)tiling.tile(ticket);
    const unsigned sequence = tiling.sequence(ticket);
    const index_t channel = tiling.first_channel(ticket) + lane * VECTOR;
    const index_t first_step = tiling.first_step(ticket) + warp * STEPS;
    const int rows = steps_there(first_step, STEPS, T), channels = channels_there(channel, VECTOR, H);
    const Inputs in = inputs(GIVEN_INPUTS, H);
    const Outputs out = outputs(GIVEN_OUTPUTS, H);
    const bool packs = in.packs_fit<VECTOR>(H) && out.packs_fit<VECTOR>(H);

    Segment<STEPS, VECTOR> segment;
    segment.read(in.at(sequence, first_step, channel, T, H), rows, channels, packs);

    const Summaries<VECTOR> summaries = {segment_summaries};
    Affine summary[VECTOR];
    segment.summarise(summary);
    summaries.write(warp, lane, summary);
    __syncthreads();

    const Published<VECTOR> published = {
        Board{tile_summaries, tile_states}, (index_t)sequence * tiling.tiles * H + channel, H, channels};
    float state[VECTOR], own_state[VECTOR];
#pragma unroll
    for (int v = 0; v < VECTOR; ++v) state[v] = h0 && v < channels ? h0[sequence * H + channel + v] : 0.0f;
    resolve_tile<WARPS, Order>(published, summaries, window, knows, tile, warp, lane, state, own_state);
    if (warp == 0 && tile == (int)tiling.tiles - 1) {
#pragma unroll
        for (int v = 0; v < VECTOR; ++v)
            if (v < channels) h_last[sequence * H + channel + v] = state[v];
    }
    segment.replay<true>(own_state, out.at(sequence, first_step, channel, T, H), rows, channels, packs);
}
