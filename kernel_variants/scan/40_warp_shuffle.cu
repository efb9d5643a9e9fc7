// A warp scans time with shuffles; no tree in shared memory.
//
// Idea: if time lies along the lanes of a warp, five shuffles compose 32 steps, with no barrier and no bank. That is
// the natural kernel for a (B, H, T) layout. Ours is (B, T, H), where neighbouring lanes read neighbouring channels, so
// a tile of STEPS steps x 32 channels is turned over in shared memory on the way in and again on the way out: rows
// of STEPS + 1 words, so that a column of the tile lies in 32 different banks, as a row does.
//
// Traffic: inputs once in, h once out, in one launch.
// Improves: barrier stalls: two barriers for STEPS steps, where the tree has two for each of its levels. What limits
// it: a shuffle scan spends 10 shuffles and 5 compositions on a step where the serial walk spends one multiply-add, and
// every value crosses shared memory four times.
//
// Improves (warp_scan_cub): nothing but the code to write: CUB's WarpScan in place of warp_scan, all else the same.
#include "cell.cuh"

#ifndef STEPS
#define STEPS 64 // steps of a tile, a multiple of 32
#endif

constexpr int TILE_STEPS = STEPS, WARPS = 8, LANES = 32;
#undef STEPS // CUB has constants of that name
constexpr unsigned ALL_LANES = 0xffffffffu;

#if defined(CUB)
#include "cub_warp_scan.cuh"

__device__ __forceinline__ Affine warp_scan(Affine own, int) { return cub_warp_scan(own); }
#else
// Composes every lane's step with those of all lanes below it: lane l then maps the state that enters lane 0's step to
// the one that leaves lane l's. All 32 lanes take part.
__device__ __forceinline__ Affine warp_scan(Affine own, int lane) {
#pragma unroll
    for (int distance = 1; distance < LANES; distance *= 2) {
        const Affine earlier = {__shfl_up_sync(ALL_LANES, own.a, distance), __shfl_up_sync(ALL_LANES, own.b, distance)};
        if (lane >= distance) own = compose(own, earlier);
    }
    return own;
}
#endif

// Streams of the cell; h0 (B, H) float32 or null; h_last (B, H) float32.
// grid (ceil(H / 32), B), block (32, WARPS).
extern "C" __global__ void __launch_bounds__(LANES * WARPS)
    scan_warp_shuffle(INPUTS, const float *__restrict__ h0, OUTPUTS, float *__restrict__ h_last, index_t T,
                      index_t H) {
    __shared__ float tile_a[LANES][TILE_STEPS + 1]; // on the way out: states before each step, if the cell emits those
    __shared__ float tile_b[LANES][TILE_STEPS + 1]; // on the way out: the states

    const int lane = threadIdx.x, warp = threadIdx.y;
    const index_t sequence = blockIdx.y, first_channel = blockIdx.x * (index_t)LANES, channel = first_channel + lane;
    const bool present = channel < H;
    const Inputs in = inputs(GIVEN_INPUTS, H).at(sequence, 0, channel, T, H);
    const Outputs out = outputs(GIVEN_OUTPUTS, H).at(sequence, 0, channel, T, H);

    // Of the 32 channels, this warp scans those at warp, warp + WARPS, ...; every lane holds each one's state.
    float carry[LANES / WARPS];
#pragma unroll
    for (int i = 0; i < LANES / WARPS; ++i) {
        const index_t scanned = first_channel + warp + i * WARPS;
        carry[i] = scanned < H && h0 ? h0[sequence * H + scanned] : 0.0f;
    }

    for (index_t start = 0; start < T; start += TILE_STEPS) {
        Step own[TILE_STEPS / WARPS]; // those that this thread reads, and whose outputs it stores
#pragma unroll
        for (int i = 0; i < TILE_STEPS / WARPS; ++i) {
            const int step = warp + i * WARPS;
            const index_t t = start + step;
            own[i] = present && t < T ? step_of(in.read(t)) : no_step();
            const Affine map = own[i];
            tile_a[lane][step] = map.a;
            tile_b[lane][step] = map.b;
        }
        __syncthreads();

#pragma unroll
        for (int i = 0; i < LANES / WARPS; ++i) {
            const int scanned = warp + i * WARPS;
#pragma unroll
            for (int first = 0; first < TILE_STEPS; first += LANES) {
                const int step = first + lane;
                const Affine map = warp_scan(Affine{tile_a[scanned][step], tile_b[scanned][step]}, lane);
                const float state = apply(map, carry[i]);
                tile_b[scanned][step] = state;
                if (!Cell::EMITS_STATE) {
                    const float left = __shfl_up_sync(ALL_LANES, state, 1);
                    tile_a[scanned][step] = lane == 0 ? carry[i] : left;
                }
                carry[i] = __shfl_sync(ALL_LANES, state, LANES - 1);
            }
        }
        __syncthreads();

#pragma unroll
        for (int i = 0; i < TILE_STEPS / WARPS; ++i) {
            const int step = warp + i * WARPS;
            if (present && start + step < T) {
                const float before = Cell::EMITS_STATE ? 0.0f : tile_a[lane][step];
                out.store(Cell::emit(own[i], before, tile_b[lane][step]), start + step);
            }
        }
        // No barrier here: what a thread has just read is what it overwrites next.
    }
    // Past the end the steps are identities, so the carry is the state after step T - 1.
    if (lane == 0) {
#pragma unroll
        for (int i = 0; i < LANES / WARPS; ++i) {
            const index_t scanned = first_channel + warp + i * WARPS;
            if (scanned < H) h_last[sequence * H + scanned] = carry[i];
        }
    }
}
