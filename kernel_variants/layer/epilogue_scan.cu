// The scan in the epilogue of the gate product: x, w → h in one kernel.
//
// Idea: the last traffic. The product's sums k and v turn into gates in the registers they were summed in, and a tile
// that holds all rows of a stretch of time can scan it on the spot: a, b, k and v never exist in memory. A thread has 8
// consecutive steps of 4 channels: it composes them, the row of threads above it hands it the state that enters, and it
// replays. Between tiles of time the states pass as in a look-back scan (tile_chain.cuh), one vector of channels a tile.
//
// Moves: bytes, by everything between product and scan: 4 values an element (k and v written and read), all but h. The
// product is the tiled one of gate/fused_shared.cu, on the ordinary pipes; epilogue_scan_tensor.cu takes it to the
// tensor cores.
#include "gates.cuh"
#include "product_tile.cuh"
#include "tile_chain.cuh"

struct StripScan {
    Affine summary[ROW_THREADS][TILE_CHANNELS];
    float entering[ROW_THREADS][TILE_CHANNELS];
};

// The product is done with its memory when the scan begins.
union TileMemory {
    ProductTile product;
    StripScan scan;
};

static_assert(TILE_CHANNELS <= TILE_THREADS, "a thread a channel passes the states on");

// x (B, T, D), w (2, H, D), bias (2, H), h0 (B, H) float32 or null → h (B, T, H) io_t, h_last (B, H) float32.
// tile_a, tile_b, tile_state (tiles, TILE_CHANNELS) float32; flags (1 + tiles), all zero.
// grid (tiles): stretches of time x sequences x strips of channels, strips fastest.
extern "C" __global__ void __launch_bounds__(TILE_THREADS, TILE_BLOCKS)
    layer_epilogue_scan(const io_t *__restrict__ x, const io_t *__restrict__ w, const io_t *__restrict__ bias,
                        const float *__restrict__ h0, io_t *__restrict__ h, float *__restrict__ h_last, float *tile_a,
                        float *tile_b, float *tile_state, unsigned *flags, index_t B, index_t T, index_t D, index_t H) {
    __shared__ TileMemory memory;
    __shared__ unsigned ticket;
    if (threadIdx.x == 0) ticket = draw_ticket(flags);
    __syncthreads();

    const index_t tile = ticket, strips = (H + TILE_CHANNELS - 1) / TILE_CHANNELS;
    const index_t first_step = tile / (B * strips) * TILE_ROWS, sequence = tile / strips % B;
    const index_t first_channel = tile % strips * TILE_CHANNELS;
    ProductSums sums = multiply_tile(memory.product, x + sequence * T * D, w, first_step, T, first_channel, D, H);

    // k and v become a and b; a step or channel that is not there leaves the state as it is.
    const int row_thread = threadIdx.x / CHANNEL_THREADS, column = thread_channel();
    const index_t step = first_step + thread_row(), channel = first_channel + column;
#pragma unroll
    for (int j = 0; j < THREAD_CHANNELS; ++j) {
        const bool there = channel + j < H;
        const float bias_k = there ? load_io(bias + channel + j) : 0.0f;
        const float bias_v = there ? load_io(bias + H + channel + j) : 0.0f;
        Affine summary = identity();
#pragma unroll
        for (int i = 0; i < THREAD_ROWS; ++i) {
            const Affine gate = step + i < T ? gates(sums.k[i][j] + bias_k, sums.v[i][j] + bias_v) : identity();
            sums.k[i][j] = gate.a, sums.v[i][j] = gate.b;
            summary = compose(gate, summary);
        }
        memory.scan.summary[row_thread][column + j] = summary;
    }
    __syncthreads();

    // A thread a channel: the tile's summary, the state that enters, and the one that enters each row of threads.
    const bool owner = threadIdx.x < TILE_CHANNELS && first_channel + threadIdx.x < H;
    Affine whole = identity();
    if (threadIdx.x < TILE_CHANNELS)
        for (int i = 0; i < ROW_THREADS; ++i) whole = compose(memory.scan.summary[i][threadIdx.x], whole);
    const index_t own = sequence * H + first_channel + threadIdx.x;
    const TileChain chain = {flags, tile_a, tile_b, tile_state, TILE_CHANNELS, B * strips};
    float leaving, state = enter_tile(chain, tile, whole, h0 && owner ? h0[own] : 0.0f, leaving);
    if (threadIdx.x < TILE_CHANNELS)
        for (int i = 0; i < ROW_THREADS; ++i) {
            memory.scan.entering[i][threadIdx.x] = state;
            state = apply(memory.scan.summary[i][threadIdx.x], state);
        }
    if (owner && first_step + TILE_ROWS >= T) h_last[own] = leaving;
    __syncthreads();

    Pack<float, THREAD_CHANNELS> states = load_pack<THREAD_CHANNELS>(&memory.scan.entering[row_thread][column]);
#pragma unroll
    for (int i = 0; i < THREAD_ROWS; ++i) {
        if (step + i >= T) break;
        Pack<io_t, THREAD_CHANNELS> out;
#pragma unroll
        for (int j = 0; j < THREAD_CHANNELS; ++j) {
            states.at[j] = apply(Affine{sums.k[i][j], sums.v[i][j]}, states.at[j]);
            out.at[j] = narrow(states.at[j]);
        }
        store_channels(h + (sequence * T + step + i) * H, channel, H, out);
    }
}
