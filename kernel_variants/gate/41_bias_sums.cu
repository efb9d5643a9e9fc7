// The gates' gradients, and the bias's summed on the way.
//
// Idea: who makes dk and dv has them in registers: a thread that walks ROWS steps of one channel adds them up and no
// kernel need read them again. The threads of a block meet in shared memory. How blocks meet is what two rungs differ
// in: each writes its sums, and a second, small launch adds those in order (bias_in_registers); or each adds its own to
// the total by an atomic operation (bias_atomics, -DATOMICS).
//
// Traffic: as 40_gates_backward.cu, and 2 values per channel of a block.
// Improves (bias_in_registers): bytes, by the 2 values per element that the sum alone would read.
// Improves (bias_atomics): nothing: clearing the total costs the launch that the second stage does, and sums in
// whatever order blocks end differ from run to run in their last bits. It is the contrast.
#include "gates.cuh"
#include "io.cuh"

#ifndef ROWS
#define ROWS 64 // steps of a block
#endif
#define LINES 4 // threads of a channel

// kv (rows, 2, H), da, db (rows, H) float32 -> dkv (rows, 2, H) io_t, sums (blocks of rows, 2, H) float32; with ATOMICS
// sums (2, H), 0 before. grid (ceil(H / 32), ceil(rows / ROWS)), block (32, LINES).
extern "C" __global__ void gate_backward_sums(const float *__restrict__ kv, const float *__restrict__ da,
                                              const float *__restrict__ db, io_t *__restrict__ dkv,
                                              float *__restrict__ sums, index_t rows, index_t H) {
    __shared__ float shared_k[LINES][32], shared_v[LINES][32];
    const int lane = threadIdx.x, line = threadIdx.y;
    const index_t channel = blockIdx.x * (index_t)32 + lane, first = blockIdx.y * (index_t)ROWS;
    float sum_k = 0.0f, sum_v = 0.0f;
    if (channel < H)
        for (index_t row = first + line; row < first + ROWS && row < rows; row += LINES) {
            const index_t at = row * H + channel, k_at = row * 2 * H + channel;
            const GateGradients made = gate_gradients(kv[k_at], kv[k_at + H], da[at], db[at]);
            store_io(dkv + k_at, made.k);
            store_io(dkv + k_at + H, made.v);
            sum_k += made.k;
            sum_v += made.v;
        }
    shared_k[line][lane] = sum_k;
    shared_v[line][lane] = sum_v;
    __syncthreads();
    if (line > 0 || channel >= H) return;
#pragma unroll
    for (int other = 1; other < LINES; ++other) {
        sum_k += shared_k[other][lane];
        sum_v += shared_v[other][lane];
    }
#if defined(ATOMICS)
    atomicAdd(sums + channel, sum_k);
    atomicAdd(sums + H + channel, sum_v);
#else
    sums[blockIdx.y * 2 * H + channel] = sum_k;
    sums[blockIdx.y * 2 * H + H + channel] = sum_v;
#endif
}

// sums (parts, count) float32 -> total (count): the second stage. A thread for each of them.
extern "C" __global__ void bias_total(const float *__restrict__ sums, float *__restrict__ total, index_t parts,
                                      index_t count) {
    const index_t at = blockIdx.x * (index_t)blockDim.x + threadIdx.x;
    if (at >= count) return;
    float sum = 0.0f;
    for (index_t part = 0; part < parts; ++part) sum += sums[part * count + at];
    total[at] = sum;
}
