// The products of both gates for a tile of rows x channels, from tiles of x and w in shared memory.
//
// A block owns TILE_ROWS x TILE_CHANNELS outputs of k and of v and walks the depth D in pieces of TILE_DEPTH. Each
// value that comes from memory serves a whole row or column of the tile. A thread owns THREAD_ROWS consecutive rows x
// THREAD_CHANNELS consecutive channels of both gates in registers: at 8 x 4 a step in depth is 16 values from shared
// memory (four 128-bit loads) for 64 multiply-adds.
//
// Both factors are stored with the depth first, so that a thread's rows and its channels are contiguous. The padding of
// four floats keeps rows 16-byte aligned and, with the order in which threads load (8 features x 4 rows a warp, whole
// 32-byte sectors of float32), lets the transposing stores of a warp hit 32 different banks.
#pragma once
#include "vector.cuh"

#ifndef TILE_ROWS
#define TILE_ROWS 128
#endif
#ifndef TILE_CHANNELS
#define TILE_CHANNELS 64
#endif
#ifndef TILE_DEPTH
#define TILE_DEPTH 16
#endif

constexpr int THREAD_ROWS = 8, THREAD_CHANNELS = 4, PADDING = 4;
constexpr int ROW_THREADS = TILE_ROWS / THREAD_ROWS, CHANNEL_THREADS = TILE_CHANNELS / THREAD_CHANNELS;
constexpr int TILE_THREADS = ROW_THREADS * CHANNEL_THREADS;
// Blocks an SM that __launch_bounds__ asks for: 512 threads, so at most 128 registers each.
constexpr int TILE_BLOCKS = TILE_THREADS < 512 ? 512 / TILE_THREADS : 1;

static_assert(TILE_ROWS % THREAD_ROWS == 0 && TILE_CHANNELS % THREAD_CHANNELS == 0, "threads tile the tile");
static_assert(TILE_DEPTH % 8 == 0, "a warp loads 8 features of 4 rows");

struct ProductTile {
    alignas(16) float x[TILE_DEPTH][TILE_ROWS + PADDING];
    alignas(16) float w[2][TILE_DEPTH][TILE_CHANNELS + PADDING];
};

struct ProductSums {
    float k[THREAD_ROWS][THREAD_CHANNELS], v[THREAD_ROWS][THREAD_CHANNELS];
};

// Where this thread's sums stand in the tile.
__device__ __forceinline__ int thread_row() { return threadIdx.x / CHANNEL_THREADS * THREAD_ROWS; }
__device__ __forceinline__ int thread_channel() { return threadIdx.x % CHANNEL_THREADS * THREAD_CHANNELS; }

// matrix (row_end, D): rows from first_row, features from first_d → tile (TILE_DEPTH, ROWS), zeros outside.
template <int ROWS>
__device__ __forceinline__ void load_transposed(float (&tile)[TILE_DEPTH][ROWS + PADDING],
                                                const io_t *__restrict__ matrix, index_t first_row, index_t row_end,
                                                index_t first_d, index_t D) {
    constexpr int PIECES = TILE_DEPTH / 8, STRIDE = TILE_THREADS / TILE_DEPTH;
    static_assert(TILE_THREADS / 32 % PIECES == 0, "a thread loads the same feature of every row");
    const int warp = threadIdx.x / 32, d = warp % PIECES * 8 + threadIdx.x % 8;
    const int rows = row_end - first_row < ROWS ? (int)(row_end - first_row) : ROWS;
    const int last = first_d + d < D ? rows : 0;
    int row = warp / PIECES * 4 + threadIdx.x / 8 % 4;
    const io_t *from = matrix + (first_row + row) * D + first_d + d;
#pragma unroll 4
    for (; row < ROWS; row += STRIDE, from += STRIDE * D) tile[d][row] = row < last ? load_io(from) : 0.0f;
}

// This thread's channels of one row to row[channel ...], in one access where rows are aligned for it.
template <typename T>
__device__ __forceinline__ void store_channels(T *row, index_t channel, index_t H,
                                               const Pack<T, THREAD_CHANNELS> &values) {
    if (packs_fit<THREAD_CHANNELS>(row, H)) {
        if (channel < H) store_pack(row + channel, values);
    } else if (channel < H) {
        const index_t left = H - channel;
        store_some(row + channel, values, left < THREAD_CHANNELS ? (int)left : THREAD_CHANNELS);
    }
}

__device__ __forceinline__ void multiply_depth(const ProductTile &tile, ProductSums &sums) {
#pragma unroll 2 // unrolled further, the loads run ahead and the sums spill (sm_120)
    for (int d = 0; d < TILE_DEPTH; ++d) {
        const auto x = load_pack<THREAD_ROWS>(&tile.x[d][thread_row()]);
        const auto w_k = load_pack<THREAD_CHANNELS>(&tile.w[0][d][thread_channel()]);
        const auto w_v = load_pack<THREAD_CHANNELS>(&tile.w[1][d][thread_channel()]);
#pragma unroll
        for (int i = 0; i < THREAD_ROWS; ++i)
#pragma unroll
            for (int j = 0; j < THREAD_CHANNELS; ++j) {
                sums.k[i][j] += x.at[i] * w_k.at[j];
                sums.v[i][j] += x.at[i] * w_v.at[j];
            }
    }
}

// x (row_end, D), w (2, H, D) → this thread's sums of k and v, without bias. All threads of the block call it; on
// return the tile may be overwritten.
__device__ __forceinline__ ProductSums multiply_tile(ProductTile &tile, const io_t *__restrict__ x,
                                                     const io_t *__restrict__ w, index_t first_row, index_t row_end,
                                                     index_t first_channel, index_t D, index_t H) {
    ProductSums sums = {};
    for (index_t d = 0; d < D; d += TILE_DEPTH) {
        load_transposed<TILE_ROWS>(tile.x, x, first_row, row_end, d, D);
        load_transposed<TILE_CHANNELS>(tile.w[0], w, first_channel, H, d, D);
        load_transposed<TILE_CHANNELS>(tile.w[1], w + H * D, first_channel, H, d, D);
        __syncthreads();
        multiply_depth(tile, sums);
        __syncthreads();
    }
    return sums;
}
