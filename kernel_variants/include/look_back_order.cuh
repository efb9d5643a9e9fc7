// Whom a tile of a single-pass scan asks, and in what order it composes what it is told: two ways to look back.
// Kernels whose tiles hold segments (segment.cuh), 32 WIDTH channels a tile.
#pragma once

#include "flagged.cuh"
#include "segment.cuh"
#include "ticket.cuh"

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
    __device__ __forceinline__ unsigned sequence(unsigned ticket) const { return line(ticket) / strips; }
    __device__ __forceinline__ index_t first_step(unsigned ticket) const { return tile(ticket) * (index_t)TIME; }
    __device__ __forceinline__ index_t first_channel(unsigned ticket) const {
        return line(ticket) % strips * (index_t)CHANNELS;
    }
};

// Where tiles publish: (B, tiles, H) each, all zero before the launch.
struct Board {
    FlaggedMap *summaries;
    word_t *states;
};

// How the threads that compute meet: all of a block, or those of its warps that do not copy.
struct WholeBlock {
    static __device__ __forceinline__ void meet() { __syncthreads(); }
};
template <int BARRIER, int THREADS> struct NamedBarrier {
    static __device__ __forceinline__ void meet() { __barrier_sync_count(BARRIER, THREADS); }
};

// What is published of one strip of 32 WIDTH channels of one sequence.
template <int WIDTH> struct Published {
    Board board;
    index_t first; // this thread's first channel of tile 0; that of tile n is n H further
    index_t H;
    int channels; // of the WIDTH, those that lie before H

    // By one warp.
    __device__ __forceinline__ void publish_summary(int tile, const Affine (&whole)[WIDTH]) const {
#pragma unroll
        for (int v = 0; v < WIDTH; ++v)
            if (v < channels) publish(board.summaries + first + tile * H + v, whole[v]);
    }

    // By one warp.
    __device__ __forceinline__ void publish_state(int tile, const float (&leaving)[WIDTH]) const {
#pragma unroll
        for (int v = 0; v < WIDTH; ++v)
            if (v < channels) publish(board.states + first + tile * H + v, leaving[v]);
    }

    // By one warp: waits for the state that leaves a tile; it may be long in coming.
    __device__ __forceinline__ void wait_for_state(index_t tile, float (&state)[WIDTH]) const {
        wait_for(board.states, tile, state);
    }

    // By one warp: waits for the summary of a tile.
    __device__ __forceinline__ void wait_for_summary(index_t tile, Affine (&map)[WIDTH]) const {
        wait_for(board.summaries, tile, map);
    }

    // By one warp: waits until a tile has published its summary or the state that leaves it, asking for both at once.
    // The state is the map that forgets what enters: a = 0. Returns whether it is that.
    __device__ __forceinline__ bool wait_for_either(index_t tile, Affine (&map)[WIDTH]) const {
        FlaggedMap summary[WIDTH];
        word_t left[WIDTH];
        bool summarised = false, leaves = false;
        while (!summarised && !leaves) {
            summarised = leaves = true;
#pragma unroll
            for (int v = 0; v < WIDTH; ++v) {
                if (v >= channels) continue;
                summary[v] = look(board.summaries + first + tile * H + v);
                left[v] = look(board.states + first + tile * H + v);
            }
#pragma unroll
            for (int v = 0; v < WIDTH; ++v)
                if (v < channels) summarised &= is_there(summary[v]), leaves &= is_there(left[v]);
            leaves = __all_sync(0xffffffffu, leaves), summarised = __all_sync(0xffffffffu, summarised);
            if (!summarised && !leaves) backoff();
        }
#pragma unroll
        for (int v = 0; v < WIDTH; ++v)
            if (v < channels) map[v] = leaves ? Affine{0.0f, value_of(left[v])} : value_of(summary[v]);
        return leaves;
    }

  private:
    template <typename Words, typename Value>
    __device__ __forceinline__ void wait_for(const Words *at, index_t tile, Value (&values)[WIDTH]) const {
        Words words[WIDTH];
        for (bool there = false; !there;) {
            there = true;
#pragma unroll
            for (int v = 0; v < WIDTH; ++v)
                if (v < channels) words[v] = look(at + first + tile * H + v), there &= is_there(words[v]);
            there = __all_sync(0xffffffffu, there);
            if (!there) backoff();
        }
#pragma unroll
        for (int v = 0; v < WIDTH; ++v)
            if (v < channels) values[v] = value_of(words[v]);
    }
};

// A tile looks at the SCOUTS tiles before it, one with each of its warps, whatever they have published, and stops at
// the nearest that knows the state that leaves it; else it looks further back. `before` is shared, WINDOW * 32 WIDTH
// maps, `knows` SCOUTS.
template <int SCOUTS, int WIDTH, class Threads> struct FreeOrder {
    static constexpr int WINDOW = SCOUTS;

    // By all computing threads; `state` is h0 on the way in and the state that enters the tile on the way out.
    static __device__ __forceinline__ void look_back(const Published<WIDTH> &published, Affine *before, bool *knows,
                                                     int tile, int warp, int lane, float (&state)[WIDTH]) {
        const Summaries<WIDTH> window = {before};
        Affine since[WIDTH]; // what the tiles already looked at do
#pragma unroll
        for (int v = 0; v < WIDTH; ++v) since[v] = identity();

        for (int end = tile;; end -= SCOUTS) { // the window is tiles [end - SCOUTS, end)
            const int seen = end - SCOUTS + warp;
            Affine map[WIDTH]; // before the first tile the state is h0
#pragma unroll
            for (int v = 0; v < WIDTH; ++v) map[v] = Affine{0.0f, state[v]};
            const bool leaves = seen < 0 || published.wait_for_either(seen, map);
            window.write(warp, lane, map);
            if (lane == 0) knows[warp] = leaves;
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
                                                     int tile, int warp, int lane, float (&state)[WIDTH]) {
        const Summaries<WIDTH> window = {before};
        const int group_start = tile / TILES * TILES;
        const int count = tile - group_start;
        for (int i = warp; i < count; i += SCOUTS) {
            Affine map[WIDTH];
            published.wait_for_summary(group_start + i, map);
            window.write(i, lane, map);
        }
        if (group_start > 0)
            published.wait_for_state(group_start - 1, state);
        Threads::meet();
        window.pass(state, count, lane);
    }
};

// By all computing threads of a tile, once `summaries` holds what its segments do and they have met: publishes the
// tile's summary, looks back, publishes the state that leaves. `state` is h0 on the way in and what leaves the tile on
// the way out; `own` becomes the state that enters this warp's segment.
template <int WARPS_A_TILE, class Order, int WIDTH>
__device__ __forceinline__ void resolve_tile(const Published<WIDTH> &published, const Summaries<WIDTH> &summaries,
                                             Affine *window, bool *knows, int tile, int warp, int lane,
                                             float (&state)[WIDTH], float (&own)[WIDTH]) {
    if (warp == 0) {
        Affine whole[WIDTH];
#pragma unroll
        for (int v = 0; v < WIDTH; ++v) whole[v] = identity();
        summaries.compose_all(whole, 0, WARPS_A_TILE, lane);
        published.publish_summary(tile, whole);
    }
    Order::look_back(published, window, knows, tile, warp, lane, state);
    summaries.template pass<WARPS_A_TILE>(state, own, warp, lane);
    if (warp == 0) published.publish_state(tile, state);
}
