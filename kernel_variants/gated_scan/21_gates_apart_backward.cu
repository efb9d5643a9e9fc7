// Back through gates and scan apart: a kernel makes the decays again, one scans, one takes the gates' gradients.
//
// Idea: the chain rule as it is written, a kernel for each of its links. The scan's backward pass needs a, which the
// forward pass had and has not kept: `decays` makes it of k. Between scan and gates da and db cross memory.
//
// Traffic: k in and a out, 2; the scan's 5; k, v, da and db in and dk and dv out, 6: 13 values per element in three
// launches. A forward pass that keeps a saves 2 of them and pays with 1 in memory for every element.
// Improves: bytes and launches, against the same in torch.
#include "gates.cuh"
#include "io.cuh"

// kv (rows, 2, H) io_t -> a (rows, H) float32. A block takes ROWS rows: grid (ceil(rows / ROWS)), block (x, ROWS).
extern "C" __global__ void decays(const io_t *__restrict__ kv, float *__restrict__ a, index_t rows, index_t H) {
    const index_t row = blockIdx.x * (index_t)blockDim.y + threadIdx.y;
    if (row >= rows) return;
    kv += row * 2 * H;
    a += row * H;
    for (index_t channel = threadIdx.x; channel < H; channel += blockDim.x) a[channel] = decay(load_io(kv + channel));
}

// kv (rows, 2, H) io_t, da, db (rows, H) float32 -> dkv (rows, 2, H) io_t. Grid as above.
extern "C" __global__ void gates_backward(const io_t *__restrict__ kv, const float *__restrict__ da,
                                          const float *__restrict__ db, io_t *__restrict__ dkv, index_t rows,
                                          index_t H) {
    const index_t row = blockIdx.x * (index_t)blockDim.y + threadIdx.y;
    if (row >= rows) return;
    kv += row * 2 * H;
    dkv += row * 2 * H;
    da += row * H;
    db += row * H;
    for (index_t channel = threadIdx.x; channel < H; channel += blockDim.x) {
        const GateGradients made =
            gate_gradients(load_io(kv + channel), load_io(kv + H + channel), da[channel], db[channel]);
        store_io(dkv + channel, made.k);
        store_io(dkv + H + channel, made.v);
    }
}
