// A warp scans time with shuffles; no tree in shared memory.
//
// Idea: if time lies along the lanes of a warp, five shuffles compose 32 steps, with no barrier and no bank. That is
// the natural kernel for a (B, H, T) layout. Ours is (B, T, H), where neighbouring lanes read neighbouring channels, so
// a tile of STEPS steps x 32 channels is turned over in shared memory on the way in and again on the way out: rows
// of STEPS + 1 words, so that a column of the tile lies in 32 different banks, as a row does.
//
// Moves: inputs once in, h once out. Two barriers for STEPS steps, where the tree has two for each of its levels:
// barrier stalls fall. What limits it: a shuffle scan spends 10 shuffles and 5 compositions on a step where the serial
// walk spends one multiply-add, and every value crosses shared memory four times.
#include "steps.cuh"

#ifndef STEPS
#define STEPS 64 // steps of a tile, a multiple of 32
#endif

#define WARPS 8
#define LANES 32
#define ALL_LANES 0xffffffffu

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

// in_a, in_b: rows of H channels (steps.cuh); h0 (B, H) float32 or null; h (B, T, H) io_t; h_last (B, H) float32.
// grid (ceil(H / 32), B), block (32, WARPS).
extern "C" __global__ void __launch_bounds__(LANES *WARPS)
    scan_warp_shuffle(const in_t *__restrict__ in_a, const in_t *__restrict__ in_b, const float *__restrict__ h0,
                      io_t *__restrict__ h, float *__restrict__ h_last, index_t T, index_t H) {
    __shared__ float tile_a[LANES][STEPS + 1];
    __shared__ float tile_b[LANES][STEPS + 1]; // on the way out: the states

    const int lane = threadIdx.x, warp = threadIdx.y;
    const index_t sequence = blockIdx.y, first_channel = blockIdx.x * (index_t)LANES, channel = first_channel + lane;
    const bool present = channel < H;
    const index_t row = row_of(H);
    in_a += sequence * T * row + channel;
    in_b += sequence * T * row + channel;
    h += sequence * T * H + channel;

    // Of the 32 channels, this warp scans those at warp, warp + WARPS, ...; every lane holds each one's state.
    float carry[LANES / WARPS];
#pragma unroll
    for (int i = 0; i < LANES / WARPS; ++i) {
        const index_t scanned = first_channel + warp + i * WARPS;
        carry[i] = scanned < H && h0 ? h0[sequence * H + scanned] : 0.0f;
    }

    for (index_t start = 0; start < T; start += STEPS) {
#pragma unroll
        for (int i = 0; i < STEPS / WARPS; ++i) {
            const int step = warp + i * WARPS;
            const index_t t = start + step;
            const Affine map = present && t < T ? step_of(in_a[t * row], in_b[t * row]) : identity();
            tile_a[lane][step] = map.a;
            tile_b[lane][step] = map.b;
        }
        __syncthreads();

#pragma unroll
        for (int i = 0; i < LANES / WARPS; ++i) {
            const int scanned = warp + i * WARPS;
#pragma unroll
            for (int first = 0; first < STEPS; first += LANES) {
                const int step = first + lane;
                const Affine map = warp_scan(Affine{tile_a[scanned][step], tile_b[scanned][step]}, lane);
                const float state = apply(map, carry[i]);
                tile_b[scanned][step] = state;
                carry[i] = __shfl_sync(ALL_LANES, state, LANES - 1);
            }
        }
        __syncthreads();

#pragma unroll
        for (int i = 0; i < STEPS / WARPS; ++i) {
            const int step = warp + i * WARPS;
            if (present && start + step < T) store_io(h + (start + step) * H, tile_b[lane][step]);
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
