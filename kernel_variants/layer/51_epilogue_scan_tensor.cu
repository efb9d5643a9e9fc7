// The scan in the epilogue of the gate product, the product on the tensor cores. bf16 only.
//
// Idea: 50_epilogue_scan.cu with the matrix units, and the product laid out so that the scan finds what it needs. The
// product is taken as channels x steps (w is the left factor), which gives a thread two channels and, of every 8 steps,
// two neighbours. A product's columns may stand in any order, so the steps of a warp are dealt to them such that a
// thread's 16 columns are 16 consecutive steps: it scans those in registers, and only 16-step segments meet in shared
// memory. Rows of x and w come in by asynchronous copies, one piece of the depth ahead of the product.
//
// Traffic: as the rung before. The floor of the whole is then the product's own: the scan rides along.
// Improves: tensor-pipe use, from nothing to most of the time.
//
// float32 has no such rung: tensor cores round its factors (TF32: to 11 significant bits), and even split into bf16
// parts their sums are not rounded to nearest, so the bound of 1e-6 could not be promised.
#include "async_group.cuh"
#include "gates.cuh"
#include "tensor_core.cuh"
#include "tile_chain.cuh"
#include "vector.cuh"

#if !defined(IO_BFLOAT16)
#error "the tensor-core product takes bfloat16"
#endif

#ifndef TILE_ROWS
#define TILE_ROWS 128
#endif
#ifndef TILE_CHANNELS
#define TILE_CHANNELS 64
#endif

constexpr int WARP_STEPS = 64, WARP_CHANNELS = 16, SEGMENT = 16;  // a thread has a segment of two channels
constexpr int COLUMN_TILES = WARP_STEPS / 8;
constexpr int CHANNEL_WARPS = TILE_CHANNELS / WARP_CHANNELS;
constexpr int THREADS = TILE_ROWS / WARP_STEPS * CHANNEL_WARPS * 32;
constexpr int DEPTH = 32, STAGES = 2;
constexpr int CHUNK = 8;                // bf16 of one 16-byte copy
constexpr int PADDED = DEPTH + CHUNK;   // 80 bytes per row: eight rows that are read together lie in different banks
constexpr int PADDED_H = TILE_CHANNELS + CHUNK;

static_assert(TILE_ROWS % WARP_STEPS == 0 && TILE_CHANNELS % WARP_CHANNELS == 0, "warps tile the tile");
static_assert(TILE_CHANNELS <= THREADS, "a thread per channel passes the states on");

struct Stage {
    io_t x[TILE_ROWS][PADDED];
    io_t w[2][TILE_CHANNELS][PADDED];
};

union TileMemory {
    alignas(16) Stage stage[STAGES];
    StripScan<TILE_ROWS / SEGMENT, TILE_CHANNELS> scan;
    io_t h[TILE_ROWS][PADDED_H];
};

// The column of the product that step `step` of the tile stands in: columns 2q and 2q + 1 of a warp's column tiles
// 0 .. 7 are, in this order, the 16 steps of segment q.
__device__ __forceinline__ int column_of(int step) {
    const int of_warp = step % WARP_STEPS, segment = of_warp / SEGMENT, of_segment = of_warp % SEGMENT;
    return step - of_warp + of_segment / 2 * 8 + segment * 2 + of_segment % 2;
}

// 8 features from matrix (rows, D) to shared memory, zeros outside. `whole`: rows start at 16-byte boundaries.
__device__ __forceinline__ void copy_chunk(io_t *to, const io_t *matrix, index_t row, index_t rows, index_t d,
                                           index_t D, bool whole) {
    const io_t *from = matrix + row * D + d;
    const int count = row < rows && d < D ? (D - d < CHUNK ? (int)(D - d) : CHUNK) : 0;
    if (whole && count == CHUNK) {
        copy_async<16>(to, from);
    } else {
        Pack<io_t, CHUNK> values;
#pragma unroll
        for (int i = 0; i < CHUNK; ++i) values.at[i] = narrow(0.0f);
        load_some(values, from, count);
        store_pack(to, values);
    }
}

// x (T, D) of one sequence, w (2, H, D): the tile's rows of both, features [d, d + DEPTH).
__device__ __forceinline__ void copy_stage(Stage &stage, const io_t *x, const io_t *w, const TilePlace &place,
                                           index_t d, index_t T, index_t D, index_t H, bool whole) {
    constexpr int CHUNKS = DEPTH / CHUNK;
    for (int i = threadIdx.x; i < TILE_ROWS * CHUNKS; i += THREADS) {
        const int row = i / CHUNKS, at = i % CHUNKS * CHUNK;
        copy_chunk(&stage.x[column_of(row)][at], x, place.first_step + row, T, d + at, D, whole);
    }
    for (int i = threadIdx.x; i < 2 * TILE_CHANNELS * CHUNKS; i += THREADS) {
        const int row = i / CHUNKS, at = i % CHUNKS * CHUNK, gate = row / TILE_CHANNELS, channel = row % TILE_CHANNELS;
        copy_chunk(&stage.w[gate][channel][at], w + gate * H * D, place.first_channel + channel, H, d + at, D, whole);
    }
}

// Sums of k and v: [column tile][c], where c = 2 r + e is step 2 * column tile + e of the thread's segment and its
// channel lane / 4 + 8 r.
struct WarpSums {
    float k[COLUMN_TILES][4], v[COLUMN_TILES][4];
};

__device__ __forceinline__ void multiply_stage(const Stage &stage, int channel, int column, WarpSums &sums) {
    const int lane = threadIdx.x % 32, matrix = lane / 8, row = lane % 8;
#pragma unroll
    for (int d = 0; d < DEPTH; d += 16) {
        unsigned w_k[4], w_v[4];
        const int w_row = channel + matrix % 2 * 8 + row, w_d = d + matrix / 2 * 8;
        load_matrices(w_k, &stage.w[0][w_row][w_d]);
        load_matrices(w_v, &stage.w[1][w_row][w_d]);
#pragma unroll
        for (int j = 0; j < COLUMN_TILES; j += 2) {
            unsigned x[4];  // two column tiles
            load_matrices(x, &stage.x[column + (j + matrix / 2) * 8 + row][d + matrix % 2 * 8]);
#pragma unroll
            for (int i = 0; i < 2; ++i) {
                const unsigned half[2] = {x[2 * i], x[2 * i + 1]};
                multiply_accumulate(sums.k[j + i], w_k, half);
                multiply_accumulate(sums.v[j + i], w_v, half);
            }
        }
    }
}

// x (B, T, D), w (2, H, D), bias (2, H), h0 (B, H) float32 or null → h (B, T, H) io_t, h_last (B, H) float32.
// tile_a, tile_b, tile_state (tiles, TILE_CHANNELS) float32; flags (1 + tiles), all zero.
// grid (tiles): stretches of time x sequences x strips of channels, strips fastest.
extern "C" __global__ void __launch_bounds__(THREADS, THREADS < 512 ? 512 / THREADS : 1)
    layer_epilogue_scan_tensor(const io_t *__restrict__ x, const io_t *__restrict__ w, const io_t *__restrict__ bias,
                               const float *__restrict__ h0, io_t *__restrict__ h, float *__restrict__ h_last,
                               float *tile_a, float *tile_b, float *tile_state, unsigned *flags, index_t B, index_t T,
                               index_t D, index_t H) {
    __shared__ TileMemory memory;
    __shared__ unsigned ticket;
    if (threadIdx.x == 0) ticket = draw_ticket(flags);
    __syncthreads();

    const int warp = threadIdx.x / 32, g = threadIdx.x % 32 / 4, q = threadIdx.x % 4;
    const int warp_channel = warp % CHANNEL_WARPS * WARP_CHANNELS, warp_step = warp / CHANNEL_WARPS * WARP_STEPS;
    WarpSums sums = {};
    {
        const TilePlace from(ticket, TILE_ROWS, TILE_CHANNELS, B, H);
        const io_t *own_x = x + from.sequence * T * D;
        const bool whole = packs_fit<CHUNK>(x, D) && packs_fit<CHUNK>(w, D);
        copy_stage(memory.stage[0], own_x, w, from, 0, T, D, H, whole);
        end_group();
        int stage = 0;
        for (index_t d = 0; d < D; d += DEPTH, stage ^= 1) {
            if (d + DEPTH < D) copy_stage(memory.stage[stage ^ 1], own_x, w, from, d + DEPTH, T, D, H, whole);
            end_group();
            wait_for_groups<1>();
            __syncthreads();
            multiply_stage(memory.stage[stage], warp_channel, warp_step, sums);
            __syncthreads();  // before the next copies overwrite this stage
        }
    }

    // k and v become a and b; a step or channel that is not there leaves the state as it is.
    const TilePlace place(ticket, TILE_ROWS, TILE_CHANNELS, B, H);  // again: in the product its registers are needed
    const int segment = warp_step / SEGMENT + q;
    const index_t left = T - place.first_step - segment * SEGMENT;  // steps of the segment that are there, and more
#pragma unroll
    for (int r = 0; r < 2; ++r) {
        const int column = warp_channel + g + 8 * r;
        const bool there = place.first_channel + column < H;
        const float bias_k = there ? load_io(bias + place.first_channel + column) : 0.0f;
        const float bias_v = there ? load_io(bias + H + place.first_channel + column) : 0.0f;
        Affine summary = identity();
#pragma unroll
        for (int i = 0; i < SEGMENT; ++i) {
            float &k = sums.k[i / 2][2 * r + i % 2], &v = sums.v[i / 2][2 * r + i % 2];
            const Affine gate = i < left ? gates(k + bias_k, v + bias_v) : identity();
            k = gate.a, v = gate.b;
            summary = compose(gate, summary);
        }
        memory.scan.summary[segment][column] = summary;
    }

    const TileChain chain = {flags, tile_a, tile_b, tile_state, TILE_CHANNELS, place.strips};
    const bool owner = threadIdx.x < TILE_CHANNELS && place.first_channel + threadIdx.x < H;
    const index_t own = place.sequence * H + place.first_channel + threadIdx.x;
    const float leaving = memory.scan.pass_states(chain, place.tile, h0 && owner ? h0[own] : 0.0f);
    if (owner && place.first_step + TILE_ROWS >= T) h_last[own] = leaving;

    // Through shared memory, so that rows of h leave in 16-byte stores.
    float state[2];
#pragma unroll
    for (int r = 0; r < 2; ++r) state[r] = memory.scan.entering[segment][warp_channel + g + 8 * r];
    __syncthreads();
#pragma unroll
    for (int i = 0; i < SEGMENT; ++i)
#pragma unroll
        for (int r = 0; r < 2; ++r) {
            state[r] = apply(Affine{sums.k[i / 2][2 * r + i % 2], sums.v[i / 2][2 * r + i % 2]}, state[r]);
            memory.h[segment * SEGMENT + i][warp_channel + g + 8 * r] = narrow(state[r]);
        }
    __syncthreads();
    constexpr int CHUNKS = TILE_CHANNELS / CHUNK;
    for (int i = threadIdx.x; i < TILE_ROWS * CHUNKS; i += THREADS) {
        const int row = i / CHUNKS, at = i % CHUNKS * CHUNK;
        const index_t step = place.first_step + row, channel = place.first_channel + at;
        if (step >= T || channel >= H) continue;
        io_t *to = h + (place.sequence * T + step) * H + channel;
        const auto values = load_pack<CHUNK>(&memory.h[row][at]);
        if (packs_fit<CHUNK>(h, H))
            store_pack(to, values);
        else
            store_some(to, values, H - channel < CHUNK ? (int)(H - channel) : CHUNK);
    }
}
