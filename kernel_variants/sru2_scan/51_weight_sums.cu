// The gradients of SRU's state weights out of what any scan has written: sums of dk c_{t-1} and dr c_{t-1}.
//
// Idea: a scan that is parallel in time has no thread that passes all steps. So its results are read once more, in
// pieces of time side by side, and a second launch adds the pieces up in order: the same bits in every run.
//
// Traffic: dk, dr and c once in: 3 values per element, and 2 floats per channel of a piece.
// Improves: nothing: it is what time in parallel costs here.
#define CELL_INPUTS(STREAM) STREAM(io_t, dk, PARTS, 0) STREAM(io_t, dr, PARTS, 0)
#define CELL_EARLIER(STREAM) STREAM(io_t, c, DIRECTIONS, 0)
#define CELL_OUTPUTS(STREAM) STREAM(float, none, 0, 0)
#include "streams.cuh"

// Streams; pieces (B, gridDim.y, 2, H) float32. grid (ceil(H / blockDim.x), ceil(T / length), B).
extern "C" __global__ void sru2_weight_pieces(INPUTS, float *__restrict__ pieces, index_t T, index_t H,
                                              index_t length) {
    const index_t channel = blockIdx.x * (index_t)blockDim.x + threadIdx.x;
    if (channel >= H) return;
    const index_t sequence = blockIdx.z, start = blockIdx.y * length, end = start + length < T ? start + length : T;
    const Inputs in = inputs(GIVEN_INPUTS, H).at(sequence, 0, channel, T, H);
    float sum_k = 0.0f, sum_r = 0.0f;
#pragma unroll 8
    for (index_t t = start; t < end; ++t) {
        const Values at = widened(in.read(t));
        sum_k += at.dk * at.c;
        sum_r += at.dr * at.c;
    }
    float *own = pieces + (sequence * gridDim.y + blockIdx.y) * 2 * H + channel;
    own[0] = sum_k;
    own[H] = sum_r;
}

// pieces (count, width) float32 -> dw (width). grid (ceil(width / blockDim.x)).
extern "C" __global__ void sru2_weight_total(const float *__restrict__ pieces, float *__restrict__ dw, index_t count,
                                             index_t width) {
    const index_t at = blockIdx.x * (index_t)blockDim.x + threadIdx.x;
    if (at >= width) return;
    float sum = 0.0f;
#pragma unroll 8
    for (index_t piece = 0; piece < count; ++piece) sum += pieces[piece * width + at];
    dw[at] = sum;
}
