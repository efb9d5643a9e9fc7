// The gates in a pass of their own, all equations fused into one kernel.
//
// Idea: what eager torch does in eight launches, each through memory, is a dozen instructions on two values. One
// kernel reads k and v once and writes a and b once; a scan of any kind then reads those.
//
// Traffic: k, v in and a, b out, and a, b in and h out for the scan: 7 values per element in two launches, where
// everything eager moves 10 and more, and gates inside the scan 3. In bf16 the gap is wider still: a and b are float32.
// Improves: bytes and launches, against the gates in torch.
#include "gates.cuh"
#include "io.cuh"

// kv (rows, 2, H) io_t -> a, b (rows, H) float32. A block takes ROWS rows: grid (ceil(rows / ROWS)), block (x, ROWS).
extern "C" __global__ void gates_apart(const io_t *__restrict__ kv, float *__restrict__ a, float *__restrict__ b,
                                       index_t rows, index_t H) {
    const index_t row = blockIdx.x * (index_t)blockDim.y + threadIdx.y;
    if (row >= rows) return;
    kv += row * 2 * H;
    a += row * H;
    b += row * H;
    for (index_t channel = threadIdx.x; channel < H; channel += blockDim.x) {
        const Affine step = gates(load_io(kv + channel), load_io(kv + H + channel));
        a[channel] = step.a;
        b[channel] = step.b;
    }
}
