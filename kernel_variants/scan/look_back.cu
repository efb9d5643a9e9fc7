// One pass over time split into tiles: every tile looks back at those before it.
//
// Idea: three phases read their inputs twice because a chunk must know the state that enters it. Here a tile of
// WARPS * STEPS steps x 32 VECTOR channels stays in registers while it finds out: it publishes its summary at once, composes
// the summaries of the tiles before it, and replays. All channels of a tile share one flag (look_back.cuh).
//
// Free order: a tile looks at the WARPS tiles before it, whatever they have published, and stops at the nearest that
// already knows the state that leaves it; else it looks further back. It never waits for a slow chain, but which
// summaries are composed, and so the rounding, depends on timing.
// FIXED_ORDER: tiles form groups of GROUP. A tile composes the state that leaves the previous group with the summaries
// of its own group before it, always those, in order of time: bit for bit the same in every run. The price is
// a chain of T / (GROUP * tile) dependent steps.
//
// Moves: inputs once in, h once out, and 24 bytes a channel of a tile between tiles: 5 values an element become 3.
#include "look_back.cuh"
#include "segment.cuh"

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

#define TILE_STEPS (WARPS * STEPS)
#define TILE_CHANNELS (LANES * VECTOR)
#define BLOCKS (WARPS <= 8 ? 3 : 2) // an SM: while one looks back, another reads

// What is published of one strip of channels (those of a block) of one sequence: by tile and channel.
struct Published {
    float *a, *b;    // summaries, (tiles, H)
    float *state;    // states that leave, (tiles, H)
    unsigned *flags; // (tiles)
    index_t H;
};

typedef Summaries<VECTOR> Window;

// By one warp: the summary of a tile or, where `progress` says so, the state that leaves it, which is the map that
// forgets what enters: a = 0.
__device__ __forceinline__ void fetch(const Published &published, index_t tile, unsigned progress, int channels,
                                      Affine (&map)[VECTOR]) {
#pragma unroll
    for (int v = 0; v < VECTOR; ++v) {
        map[v] = identity();
        if (v >= channels) continue;
        const index_t at = tile * published.H + v;
        map[v] = progress == STATE ? Affine{0.0f, __ldcg(published.state + at)}
                                   : Affine{__ldcg(published.a + at), __ldcg(published.b + at)};
    }
}

#if defined(FIXED_ORDER)
// By the whole block -> `state` that enters the tile. `entering` holds h0 on the way in.
__device__ __forceinline__ void look_back(const Published &published, const Window &window, index_t tile, int warp,
                                          int lane, int channels, float (&state)[VECTOR]) {
    const index_t group_start = tile / GROUP * GROUP;
    const int before = (int)(tile - group_start);
    for (int i = warp; i < before; i += WARPS) {
        Affine map[VECTOR];
        wait_for(published.flags + group_start + i, SUMMARY, lane);
        fetch(published, group_start + i, SUMMARY, channels, map);
        window.write(i, lane, map);
    }
    if (group_start > 0) {
        Affine map[VECTOR];
        wait_for(published.flags + group_start - 1, STATE, lane);
        fetch(published, group_start - 1, STATE, channels, map);
#pragma unroll
        for (int v = 0; v < VECTOR; ++v) state[v] = map[v].b;
    }
    __syncthreads();
    window.pass(state, before, lane);
}
#define WINDOW GROUP
#else
__device__ __forceinline__ void look_back(const Published &published, const Window &window, index_t tile, int warp,
                                          int lane, int channels, float (&state)[VECTOR]) {
    __shared__ bool knows[WARPS]; // by slot of the window; slot 0 is the earliest tile in it
    Affine since[VECTOR]; // what the tiles already looked at do
#pragma unroll
    for (int v = 0; v < VECTOR; ++v) since[v] = identity();

    for (index_t end = tile;; end -= WARPS) { // the window is tiles [end - WARPS, end)
        const index_t seen = end - WARPS + warp;
        Affine map[VECTOR];
        unsigned progress = STATE;
        if (seen >= 0) {
            progress = wait_for(published.flags + seen, SUMMARY, lane);
            fetch(published, seen, progress, channels, map);
        } else { // before the first tile the state is h0, which `state` holds
#pragma unroll
            for (int v = 0; v < VECTOR; ++v) map[v] = Affine{0.0f, state[v]};
        }
        window.write(warp, lane, map);
        if (lane == 0) knows[warp] = progress == STATE;
        __syncthreads();
        int nearest = WARPS - 1;
        while (nearest >= 0 && !knows[nearest]) --nearest;
        Affine whole[VECTOR];
#pragma unroll
        for (int v = 0; v < VECTOR; ++v) whole[v] = identity();
        window.compose_all(whole, nearest < 0 ? 0 : nearest, WARPS, lane);
#pragma unroll
        for (int v = 0; v < VECTOR; ++v) since[v] = compose(since[v], whole[v]);
        if (nearest >= 0) break; // since then begins with a state: its b is the state that enters
        __syncthreads();         // the window is written again
    }
#pragma unroll
    for (int v = 0; v < VECTOR; ++v) state[v] = since[v].b;
}
#define WINDOW WARPS
#endif

// in_a, in_b: rows of H channels (steps.cuh); h0 (B, H) float32 or null; h (B, T, H) io_t; h_last (B, H) float32.
// tile_a, tile_b, tile_state (B, tiles, H) float32; flags: one ticket counter, then (B, strips, tiles), all zero.
// grid (B * strips * tiles), where a strip is 32 VECTOR channels; block 32 WARPS.
extern "C" __global__ void __launch_bounds__(LANES *WARPS, BLOCKS)
    scan_look_back(const in_t *__restrict__ in_a, const in_t *__restrict__ in_b, const float *__restrict__ h0,
                   io_t *__restrict__ h, float *__restrict__ h_last, float *tile_a, float *tile_b, float *tile_state,
                   unsigned *flags, index_t T, index_t H, int B) {
    __shared__ Affine segment_summaries[WARPS * TILE_CHANNELS];
    __shared__ Affine window_maps[WINDOW * TILE_CHANNELS];
    __shared__ unsigned ticket;

    if (threadIdx.x == 0) ticket = draw_ticket(flags);
    __syncthreads();

    // Tickets go through all strips of all sequences before they go on in time.
    const int lane = threadIdx.x % LANES, warp = threadIdx.x / LANES;
    const unsigned strips = (unsigned)((H + TILE_CHANNELS - 1) / TILE_CHANNELS), lines = strips * B;
    const unsigned tile = ticket / lines, line = ticket % lines;
    const unsigned tiles = gridDim.x / lines;
    const index_t sequence = line / strips, channel = (line % strips) * (index_t)TILE_CHANNELS + lane * VECTOR;
    const index_t first_step = tile * (index_t)TILE_STEPS + warp * STEPS, row = row_of(H);
    const int channels = channels_there(channel, VECTOR, H);
    const int rows = steps_there(first_step, STEPS, T);
    const bool packs = packs_fit<VECTOR>(in_a, H) && packs_fit<VECTOR>(in_b, H) && packs_fit<VECTOR>(h, H);

    const index_t start = (sequence * T + first_step) * row + channel;
    Segment<STEPS, VECTOR> segment;
    segment.read(in_a + start, in_b + start, row, rows, channels, packs);

    const Summaries<VECTOR> summaries = {segment_summaries};
    Affine summary[VECTOR];
    segment.summarise(summary);
    summaries.write(warp, lane, summary);
    __syncthreads();

    const index_t strip_start = sequence * tiles * H + channel;
    const Published published = {tile_a + strip_start, tile_b + strip_start, tile_state + strip_start,
                                 flags + 1 + (index_t)line * tiles, H};
    Affine whole[VECTOR];
    if (warp == 0) {
#pragma unroll
        for (int v = 0; v < VECTOR; ++v) whole[v] = identity();
        summaries.compose_all(whole, 0, WARPS, lane);
#pragma unroll
        for (int v = 0; v < VECTOR; ++v) {
            if (v >= channels) continue;
            published.a[tile * H + v] = whole[v].a;
            published.b[tile * H + v] = whole[v].b;
        }
        __syncwarp();
        if (lane == 0) release(published.flags + tile, SUMMARY);
    }

    float state[VECTOR];
#pragma unroll
    for (int v = 0; v < VECTOR; ++v) state[v] = h0 && v < channels ? h0[sequence * H + channel + v] : 0.0f;
    look_back(published, Window{window_maps}, tile, warp, lane, channels, state);

    if (warp == 0) {
#pragma unroll
        for (int v = 0; v < VECTOR; ++v) {
            if (v >= channels) continue;
            const float leaving = apply(whole[v], state[v]);
            published.state[tile * H + v] = leaving;
            if (tile == tiles - 1) h_last[sequence * H + channel + v] = leaving;
        }
        __syncwarp();
        if (lane == 0) release(published.flags + tile, STATE);
    }
    float own_state[VECTOR]; // enters this warp's segment
    summaries.pass<WARPS>(state, own_state, warp, lane);
    segment.replay(own_state, h + (sequence * T + first_step) * H + channel, H, rows, channels, packs);
}
