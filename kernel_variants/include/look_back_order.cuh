// Whom a tile of a single-pass scan asks, and in what order it composes what it is told: two ways to look back.
// Kernels whose tiles hold segments (segment.cuh), 32 WIDTH channels a tile.
#pragma once

#include "look_back.cuh"
#include "segment.cuh"

// The tiles of a scan: TIME steps x CHANNELS channels, one strip of channels beside the other. Tickets go through all
// strips of all sequences before they go on in time.
template <int TIME, int CHANNELS> struct Tiling {
    unsigned strips, lines, tiles; // of channels; strips of all sequences; of time

    __device__ __forceinline__ Tiling(index_t T, index_t H, int B)
        : strips((unsigned)((H + CHANNELS - 1) / CHANNELS)), lines(strips * B),
          tiles((unsigned)((T + TIME - 1) / TIME)) {}

    __device__ __forceinline__ bool has(unsigned ticket) const { return ticket < tiles * lines; }
    __device__ __forceinline__ unsigned tile(unsigned ticket) const { return ticket / lines; }
    __device__ __forceinline__ unsigned line(unsigned ticket) const { return ticket % lines; }
    __device__ __forceinline__ index_t sequence(unsigned ticket) const { return line(ticket) / strips; }
    __device__ __forceinline__ index_t first_step(unsigned ticket) const { return tile(ticket) * (index_t)TIME; }
    __device__ __forceinline__ index_t first_channel(unsigned ticket) const {
        return line(ticket) % strips * (index_t)CHANNELS;
    }
};

// Where tiles publish. tile_a, tile_b, tile_state (B, tiles, H) float32; flags: one ticket counter, then (lines,
// tiles).
struct Board {
    float *tile_a, *tile_b, *tile_state;
    unsigned *flags;
};

// How the threads that compute meet: all of a block, or those of its warps that do not copy.
struct WholeBlock {
    static __device__ __forceinline__ void meet() { __syncthreads(); }
};
template <int BARRIER, int THREADS> struct NamedBarrier {
    static __device__ __forceinline__ void meet() { __barrier_sync_count(BARRIER, THREADS); }
};

// What is published of one strip of 32 WIDTH channels of one sequence, from the address of this thread's first channel.
template <int WIDTH> struct Published {
    float *a, *b;    // summaries, (tiles, H)
    float *state;    // states that leave, (tiles, H)
    unsigned *flags; // (tiles)
    index_t H;
    int channels; // of the WIDTH, those that lie before H

    __device__ __forceinline__ Published(const Board &board, index_t sequence, unsigned line, unsigned tiles,
                                         index_t channel, index_t row, int there)
        : a(board.tile_a + sequence * tiles * row + channel), b(board.tile_b + sequence * tiles * row + channel),
          state(board.tile_state + sequence * tiles * row + channel), flags(board.flags + 1 + (index_t)line * tiles),
          H(row), channels(there) {}

    // By one warp.
    __device__ __forceinline__ void summary(index_t tile, const Affine (&whole)[WIDTH], int lane) const {
#pragma unroll
        for (int v = 0; v < WIDTH; ++v) {
            if (v >= channels) continue;
            a[tile * H + v] = whole[v].a;
            b[tile * H + v] = whole[v].b;
        }
        __syncwarp();
        if (lane == 0) release(flags + tile, SUMMARY);
    }

    // By one warp.
    __device__ __forceinline__ void leaving(index_t tile, const float (&states)[WIDTH], int lane) const {
#pragma unroll
        for (int v = 0; v < WIDTH; ++v)
            if (v < channels) state[tile * H + v] = states[v];
        __syncwarp();
        if (lane == 0) release(flags + tile, STATE);
    }

    // By one warp: the summary of a tile or, where `progress` says so, the state that leaves it, which is the map that
    // forgets what enters: a = 0.
    __device__ __forceinline__ void fetch(index_t tile, unsigned progress, Affine (&map)[WIDTH]) const {
#pragma unroll
        for (int v = 0; v < WIDTH; ++v) {
            map[v] = identity();
            if (v >= channels) continue;
            const index_t at = tile * H + v;
            map[v] = progress == STATE ? Affine{0.0f, __ldcg(state + at)} : Affine{__ldcg(a + at), __ldcg(b + at)};
        }
    }
};

// A tile looks at the SCOUTS tiles before it, one with each of its warps, whatever they have published, and stops at
// the nearest that knows the state that leaves it; else it looks further back. `before` is shared, WINDOW * 32 WIDTH
// maps, `knows` SCOUTS.
template <int SCOUTS, int WIDTH, class Threads> struct FreeOrder {
    static constexpr int WINDOW = SCOUTS;

    // By all computing threads; `state` is h0 on the way in and the state that enters the tile on the way out.
    static __device__ __forceinline__ void look_back(const Published<WIDTH> &published, Affine *before, bool *knows,
                                                     index_t tile, int warp, int lane, float (&state)[WIDTH]) {
        const Summaries<WIDTH> window = {before};
        Affine since[WIDTH]; // what the tiles already looked at do
#pragma unroll
        for (int v = 0; v < WIDTH; ++v) since[v] = identity();

        for (index_t end = tile;; end -= SCOUTS) { // the window is tiles [end - SCOUTS, end)
            const index_t seen = end - SCOUTS + warp;
            Affine map[WIDTH];
            unsigned progress = STATE;
            if (seen >= 0) {
                progress = wait_for(published.flags + seen, SUMMARY, lane);
                published.fetch(seen, progress, map);
            } else { // before the first tile the state is h0
#pragma unroll
                for (int v = 0; v < WIDTH; ++v) map[v] = Affine{0.0f, state[v]};
            }
            window.write(warp, lane, map);
            if (lane == 0) knows[warp] = progress == STATE;
            Threads::meet();
            int nearest = SCOUTS - 1;
            while (nearest >= 0 && !knows[nearest]) --nearest;
            Affine whole[WIDTH];
#pragma unroll
            for (int v = 0; v < WIDTH; ++v) whole[v] = identity();
            window.compose_all(whole, nearest < 0 ? 0 : nearest, SCOUTS, lane);
#pragma unroll
            for (int v = 0; v < WIDTH; ++v) since[v] = compose(since[v], whole[v]);
            if (nearest >= 0) break; // `since` begins with a state: its b is the state that enters
            Threads::meet();         // the window is written again
        }
#pragma unroll
        for (int v = 0; v < WIDTH; ++v) state[v] = since[v].b;
    }
};

// Tiles form groups of TILES of them. A tile composes the state that leaves the previous group with the summaries of
// its own group before it: always those, in order of time, so that every run rounds alike.
template <int SCOUTS, int WIDTH, int TILES, class Threads> struct FixedOrder {
    static constexpr int WINDOW = TILES;

    static __device__ __forceinline__ void look_back(const Published<WIDTH> &published, Affine *before, bool *,
                                                     index_t tile, int warp, int lane, float (&state)[WIDTH]) {
        const Summaries<WIDTH> window = {before};
        const index_t group_start = tile / TILES * TILES;
        const int count = (int)(tile - group_start);
        for (int i = warp; i < count; i += SCOUTS) {
            Affine map[WIDTH];
            wait_for(published.flags + group_start + i, SUMMARY, lane);
            published.fetch(group_start + i, SUMMARY, map);
            window.write(i, lane, map);
        }
        if (group_start > 0) {
            Affine map[WIDTH];
            wait_for(published.flags + group_start - 1, STATE, lane);
            published.fetch(group_start - 1, STATE, map);
#pragma unroll
            for (int v = 0; v < WIDTH; ++v) state[v] = map[v].b;
        }
        Threads::meet();
        window.pass(state, count, lane);
    }
};

// By all computing threads of a tile, once `summaries` holds what its segments do and they have met: publishes the
// tile's summary, looks back, publishes the state that leaves. `state` is h0 on the way in; `own` becomes the state
// that enters this warp's segment, and, in warp 0, `leaving` the state that leaves the tile.
template <int WARPS_A_TILE, class Order, int WIDTH>
__device__ __forceinline__ void resolve_tile(const Published<WIDTH> &published, const Summaries<WIDTH> &summaries,
                                           Affine *window, bool *knows, index_t tile, int warp, int lane,
                                           float (&state)[WIDTH], float (&own)[WIDTH], float (&leaving)[WIDTH]) {
    Affine whole[WIDTH];
    if (warp == 0) {
#pragma unroll
        for (int v = 0; v < WIDTH; ++v) whole[v] = identity();
        summaries.compose_all(whole, 0, WARPS_A_TILE, lane);
        published.summary(tile, whole, lane);
    }
    Order::look_back(published, window, knows, tile, warp, lane, state);
    if (warp == 0) {
#pragma unroll
        for (int v = 0; v < WIDTH; ++v) leaving[v] = apply(whole[v], state[v]);
        published.leaving(tile, leaving, lane);
    }
    summaries.template pass<WARPS_A_TILE>(state, own, warp, lane);
}
