// The scan in the epilogue of the gate product: x, w → h in one kernel.
//
// Idea: the last traffic. The product's sums k and v turn into gates in the registers they were summed in, and a tile
// that holds all rows of a stretch of time can scan it on the spot: a, b, k and v never exist in memory. A thread has 8
// consecutive steps of 4 channels: it composes them, the row of threads above it hands it the state that enters, and it
// replays. Between tiles of time the states pass as in a look-back scan (tile_chain.cuh), one vector of channels a
// tile.
//
// Traffic: x and w in, h out, and three floats per tile and channel between tiles: of all that stood between product
// and scan nothing is left. The product is the tiled one of gate/22_fused_shared.cu, on the ordinary pipes;
// 51_epilogue_scan_tensor.cu takes it to the tensor cores.
// Improves: bytes, by 4 values per element (k and v written and read).
#include "gates.cuh"
#include "product_tile.cuh"
#include "tile_chain.cuh"

// The product is done with its memory when the scan begins.
union TileMemory {
    ProductTile product;
    StripScan<ROW_THREADS, TILE_CHANNELS> scan;
};

static_assert(TILE_CHANNELS <= TILE_THREADS, "a thread per channel passes the states on");

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

    ProductSums sums;
    {
        const TilePlace from(ticket, TILE_ROWS, TILE_CHANNELS, B, H);
        sums =
            multiply_tile(memory.product, x + from.sequence * T * D, w, from.first_step, T, from.first_channel, D, H);
    }
    const TilePlace place(ticket, TILE_ROWS, TILE_CHANNELS, B, H);  // again: in the product its registers are needed

    // k and v become a and b; a step or channel that is not there leaves the state as it is.
    const int row_thread = threadIdx.x / CHANNEL_THREADS, column = thread_channel();
    const index_t step = place.first_step + thread_row(), channel = place.first_channel + column;
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

    const TileChain chain = {flags, tile_a, tile_b, tile_state, TILE_CHANNELS, place.strips};
    const bool owner = threadIdx.x < TILE_CHANNELS && place.first_channel + threadIdx.x < H;
    const index_t own = place.sequence * H + place.first_channel + threadIdx.x;
    const float leaving = memory.scan.pass_states(chain, place.tile, h0 && owner ? h0[own] : 0.0f);
    if (owner && place.first_step + TILE_ROWS >= T) h_last[own] = leaving;

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
        store_channels(h + (place.sequence * T + step + i) * H, channel, H, out);
    }
}
