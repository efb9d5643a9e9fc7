// Look-back fed by the ring: while a tile waits for those before it, the next ones are on their way.
//
// Idea: a block of 80_look_back.cu draws a ticket, reads, publishes, looks back and writes, one after the other; only
// other blocks on its SM fill the pauses, and registers bound how many there are. Here blocks stay and take tile after
// tile. Their copying warp draws the tickets and keeps the tiles of the next ones on the way in shared memory
// (70_ring.cu); the others compute the tile whose turn it is (80_look_back.cu, in free order).
//
// No tile waits for ever: a block works through its tickets in rising order, so of all tiles not yet done the one with
// the lowest ticket waits for nothing.
//
// Traffic: as 80_look_back.cu.
// Improves: DRAM throughput where the look-back's latency counts, with few channels: bytes in flight no longer fall
// while tiles look back.
#include "look_back_order.cuh"
#include "stage.cuh"

#ifndef WARPS
#define WARPS 8 // that compute; one more copies
#endif
#ifndef STEPS
#define STEPS 16
#endif
#ifndef VECTOR
#define VECTOR 1
#endif
#ifndef STAGES
#define STAGES 3
#endif

constexpr int TILE_STEPS = WARPS * STEPS, TILE_CHANNELS = LANES * VECTOR;
#define COMPUTING 1 // id of the named barrier of the computing warps; 0 is __syncthreads
#define NO_TILE 0xffffffffu

typedef Stage<TILE_STEPS, TILE_CHANNELS> TileStage;
typedef NamedBarrier<COMPUTING, LANES * WARPS> Computing;
typedef FreeOrder<WARPS, VECTOR, Computing> Order;

struct Shared {
    TileStage stage[STAGES];
    Affine summaries[2][WARPS * TILE_CHANNELS]; // of alternate tiles
    Affine window[Order::WINDOW * TILE_CHANNELS];
    Mbarrier full[STAGES], empty[STAGES];
    unsigned ticket[STAGES]; // of the tile in the stage
    bool knows[WARPS];
};

// Streams of the cell; h0 (B, H) float32 or null; h_last (B, H) float32.
// tile_summaries (B, tiles, H) maps, tile_states (B, tiles, H) words (flagged.cuh), tickets (1): all zero.
// Any grid (x); block 32 (WARPS + 1); dynamic shared memory sizeof(Shared).
extern "C" __global__ void __launch_bounds__(LANES * (WARPS + 1), 2)
    scan_look_back_ring(INPUTS, const float *__restrict__ h0, OUTPUTS, float *__restrict__ h_last,
                        FlaggedMap *tile_summaries, word_t *tile_states, unsigned *tickets, index_t T, index_t H,
                        int B) {
    extern __shared__ __align__(16) unsigned char memory[];
    Shared &shared = *reinterpret_cast<Shared *>(memory);

    const int lane = threadIdx.x % LANES, warp = threadIdx.x / LANES;
    const Tiling<TILE_STEPS, TILE_CHANNELS> tiling(T, H, B);

    if (threadIdx.x == 0) {
        for (int stage = 0; stage < STAGES; ++stage) {
            shared.full[stage].init(LANES + 1); // every lane's copies, and the ticket
            shared.empty[stage].init(WARPS);
        }
    }
    __syncthreads();

    int stage = 0;
    unsigned round = 0;
    if (warp == WARPS) { // the warp that copies
        const Inputs in = inputs(GIVEN_INPUTS, H);
        const bool in_pieces = TileStage::pieces_fit(in, H);
        while (true) {
            unsigned ticket = lane == 0 ? draw_ticket(tickets) : 0;
            ticket = __shfl_sync(0xffffffffu, ticket, 0);
            const bool work = tiling.has(ticket);
            shared.empty[stage].wait((round & 1) ^ 1);
            if (lane == 0) {
                shared.ticket[stage] = work ? ticket : NO_TILE;
                shared.full[stage].arrive();
            }
            if (!work) {
                shared.full[stage].arrive();
                wait_for_copies();
                return;
            }
            const index_t first_step = tiling.first_step(ticket), first_channel = tiling.first_channel(ticket);
            shared.stage[stage].fill(in.at(tiling.sequence(ticket), first_step, first_channel, T, H),
                                     steps_there(first_step, TILE_STEPS, T),
                                     channels_there(first_channel, TILE_CHANNELS, H), in_pieces, lane,
                                     shared.full[stage]);
            if (++stage == STAGES) stage = 0, ++round;
        }
    }

    const Outputs out = outputs(GIVEN_OUTPUTS, H);
    const bool packs = out.packs_fit<VECTOR>(H);
    const Board board = {tile_summaries, tile_states};
    for (unsigned turn = 0;; ++turn) {
        shared.full[stage].wait(round & 1);
        const unsigned ticket = shared.ticket[stage];
        if (ticket == NO_TILE) return;
        const int tile = (int)tiling.tile(ticket);
        const unsigned sequence = tiling.sequence(ticket);
        const index_t channel = tiling.first_channel(ticket) + lane * VECTOR;
        const index_t first_step = tiling.first_step(ticket) + warp * STEPS;
        const int rows = steps_there(first_step, STEPS, T), channels = channels_there(channel, VECTOR, H);

        Segment<STEPS, VECTOR> segment;
        segment.read(shared.stage[stage].at(warp * STEPS, lane * VECTOR), rows, VECTOR, true);
        __syncwarp();
        if (lane == 0) shared.empty[stage].arrive();
        if (++stage == STAGES) stage = 0, ++round;

        const Summaries<VECTOR> summaries = {shared.summaries[turn & 1]};
        Affine summary[VECTOR];
        segment.summarise(summary);
        summaries.write(warp, lane, summary);
        Computing::meet();

        const Published<VECTOR> published = {board, (index_t)sequence * tiling.tiles * H + channel, H, channels};
        float state[VECTOR], own_state[VECTOR];
#pragma unroll
        for (int v = 0; v < VECTOR; ++v) state[v] = h0 && v < channels ? h0[sequence * H + channel + v] : 0.0f;
        resolve_tile<WARPS, Order>(published, summaries, shared.window, shared.knows, tile, warp, lane, state,
                                   own_state);
        if (warp == 0 && tile == (int)tiling.tiles - 1) {
#pragma unroll
            for (int v = 0; v < VECTOR; ++v)
                if (v < channels) h_last[sequence * H + channel + v] = state[v];
        }
        segment.replay(own_state, out.at(sequence, first_step, channel, T, H), rows, channels, packs);
    }
}
