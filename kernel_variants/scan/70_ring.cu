// A scan fed by a ring of asynchronous copies, with specialised warps.
//
// Idea: registers bound how much a thread can prefetch, and a thread that loads is a thread that waits. Here one warp
// does nothing but copy: it keeps STAGES tiles of WARPS * STEPS steps x 32 VECTOR channels on the way into shared
// memory, by copies that occupy no register. The other warps only compute. Two barriers a stage say "full" and
// "empty", so that neither side ever waits for the other without need. Within a tile each computing warp takes its own
// STEPS steps: summaries are exchanged once, every warp learns the state that enters its segment, and replays from
// registers.
//
// Traffic: inputs once in, h once out, in one launch, as the serial scan.
// Improves: bytes in flight, (STAGES - 1) tiles per block, and with them DRAM throughput, while occupancy *falls*: a
// few warps per multiprocessor are enough.
#include "segment.cuh"
#include "stage.cuh"

#ifndef STAGES
#define STAGES 4
#endif
#ifndef WARPS
#define WARPS 4 // that compute; one more copies
#endif
#ifndef STEPS
#define STEPS 8
#endif
#ifndef VECTOR
#define VECTOR 1
#endif

constexpr int TILE_STEPS = WARPS * STEPS, TILE_CHANNELS = LANES * VECTOR;
#define BLOCKS (WARPS * STEPS * VECTOR <= 128 ? 2 : 1) // an SM: as many registers a thread as that leaves
#define COMPUTING 1 // id of the named barrier of the computing warps; 0 is __syncthreads

typedef Stage<TILE_STEPS, TILE_CHANNELS> TileStage;

struct Shared {
    TileStage stage[STAGES];
    Affine summaries[2][WARPS * TILE_CHANNELS]; // of alternate tiles: one barrier a tile is then enough
    Mbarrier full[STAGES], empty[STAGES];
};

// Streams of the cell; h0 (B, H) float32 or null; h_last (B, H) float32.
// grid (ceil(H / (32 VECTOR)), B), block 32 (WARPS + 1), dynamic shared memory sizeof(Shared).
extern "C" __global__ void __launch_bounds__(LANES * (WARPS + 1), BLOCKS)
    scan_ring(INPUTS, const float *__restrict__ h0, OUTPUTS, float *__restrict__ h_last, index_t T, index_t H) {
    extern __shared__ __align__(16) unsigned char memory[];
    Shared &shared = *reinterpret_cast<Shared *>(memory);

    const int lane = threadIdx.x % LANES, warp = threadIdx.x / LANES;
    const index_t sequence = blockIdx.y, first_channel = blockIdx.x * (index_t)TILE_CHANNELS;
    const Inputs in = inputs(GIVEN_INPUTS, H).at(sequence, 0, first_channel, T, H);

    if (threadIdx.x == 0) {
        for (int stage = 0; stage < STAGES; ++stage) {
            shared.full[stage].init(LANES);
            shared.empty[stage].init(WARPS);
        }
    }
    __syncthreads();

    if (warp == WARPS) { // the warp that copies
        const int channels = channels_there(first_channel, TILE_CHANNELS, H);
        const bool in_pieces = TileStage::pieces_fit(in, H);
        int stage = 0;
        unsigned round = 0;
        for (index_t start = 0; start < T; start += TILE_STEPS) {
            shared.empty[stage].wait((round & 1) ^ 1);
            shared.stage[stage].fill(in.later(start), steps_there(start, TILE_STEPS, T), channels, in_pieces, lane,
                                     shared.full[stage]);
            if (++stage == STAGES) stage = 0, ++round;
        }
        wait_for_copies();
        return;
    }

    const index_t channel = first_channel + lane * VECTOR, at = sequence * H + channel;
    const int channels = channels_there(channel, VECTOR, H);
    const Outputs all_out = outputs(GIVEN_OUTPUTS, H), out = all_out.at(sequence, 0, channel, T, H);
    const bool packs = all_out.packs_fit<VECTOR>(H);
    float carry[VECTOR]; // the state that enters the tile: every warp has it
#pragma unroll
    for (int v = 0; v < VECTOR; ++v) carry[v] = h0 && v < channels ? h0[at + v] : 0.0f;

    int stage = 0;
    unsigned round = 0;
    for (index_t start = 0; start < T; start += TILE_STEPS) {
        const index_t first_step = start + warp * STEPS;
        const int rows = steps_there(first_step, STEPS, T);
        shared.full[stage].wait(round & 1);
        Segment<STEPS, VECTOR> segment;
        segment.read(shared.stage[stage].at(warp * STEPS, lane * VECTOR), rows, VECTOR, true);
        __syncwarp();
        if (lane == 0) shared.empty[stage].arrive();

        float state[VECTOR];
#pragma unroll
        for (int v = 0; v < VECTOR; ++v) state[v] = carry[v];
        if (WARPS > 1) {
            const Summaries<VECTOR> summaries = {shared.summaries[start / TILE_STEPS & 1]};
            Affine summary[VECTOR];
            segment.summarise(summary);
            summaries.write(warp, lane, summary);
            __barrier_sync_count(COMPUTING, LANES * WARPS);
            summaries.pass<WARPS>(carry, state, warp, lane);
        }
        segment.replay(state, out.later(first_step), rows, channels, packs);
        if (WARPS == 1)
#pragma unroll
            for (int v = 0; v < VECTOR; ++v) carry[v] = state[v];
        if (++stage == STAGES) stage = 0, ++round;
    }
    if (warp == 0) {
#pragma unroll
        for (int v = 0; v < VECTOR; ++v)
            if (v < channels) h_last[at + v] = carry[v];
    }
}
