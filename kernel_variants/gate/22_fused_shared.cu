// Both gates from tiles of x and w in shared memory: a product that reuses what it loads.
//
// Idea: reuse. A block computes a tile of rows x channels, so that a value of x serves every channel of the tile and a
// weight every row, and each thread keeps 8 x 4 sums of both gates in registers (product_tile.cuh). The gates are
// applied to the sums where they stand: nothing but a and b is written.
//
// Traffic: from DRAM as the rung before, in one launch.
// Improves: reads of L1 and L2, by the tile's width and height (from a load for every FFMA to one 128-bit shared load
// for 16), so that FFMA issue becomes the limit.
// This is how far a kernel gets without tensor cores: hold it against the batched variant, whose library product uses
// them for bf16.
#include "gates.cuh"
#include "product_tile.cuh"

// x (rows, D) with rows = B T, w (2, H, D), bias (2, H) → a, b (rows, H).
// grid (row tiles x channel tiles), channel tiles fastest: the blocks that run together share rows of x in L2.
extern "C" __global__ void __launch_bounds__(TILE_THREADS, TILE_BLOCKS)
    gate_fused_shared(const io_t *__restrict__ x, const io_t *__restrict__ w, const io_t *__restrict__ bias,
                      float *__restrict__ a, float *__restrict__ b, index_t rows, index_t D, index_t H) {
    __shared__ ProductTile tile;
    const index_t channel_tiles = (H + TILE_CHANNELS - 1) / TILE_CHANNELS;
    const index_t first_row = blockIdx.x / channel_tiles * TILE_ROWS;
    const index_t first_channel = blockIdx.x % channel_tiles * TILE_CHANNELS;
    const ProductSums sums = multiply_tile(tile, x, w, first_row, rows, first_channel, D, H);
    const index_t channel = first_channel + thread_channel();
    float bias_k[THREAD_CHANNELS], bias_v[THREAD_CHANNELS];
#pragma unroll
    for (int j = 0; j < THREAD_CHANNELS; ++j) {
        bias_k[j] = channel + j < H ? load_io(bias + channel + j) : 0.0f;
        bias_v[j] = channel + j < H ? load_io(bias + H + channel + j) : 0.0f;
    }
#pragma unroll
    for (int i = 0; i < THREAD_ROWS; ++i) {
        const index_t row = first_row + thread_row() + i;
        if (row >= rows) break;
        Pack<float, THREAD_CHANNELS> row_a, row_b;
#pragma unroll
        for (int j = 0; j < THREAD_CHANNELS; ++j) {
            const Affine gate = gates(sums.k[i][j] + bias_k[j], sums.v[i][j] + bias_v[j]);
            row_a.at[j] = gate.a, row_b.at[j] = gate.b;
        }
        store_channels(a + row * H, channel, H, row_a);
        store_channels(b + row * H, channel, H, row_b);
    }
}
