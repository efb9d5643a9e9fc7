// The gates from pre-activations that a library product has left in memory, a thread an element.
//
// Idea: hand the product to a library that has all of the GPU's matrix units, and keep for ourselves one pass over its
// output that does what would be ten elementwise launches.
//
// Moves: tensor-pipe use, from nothing to the library's; the price is kv written and read once, 4 E bytes an element.
// The product leaves out the bias, which is added here in float32: a bf16 logit near -4 would be off by 0.009, far more
// than the gate can bear, while the product alone, near 0, is off by a sixth of that.
#include "io.cuh"
#include "gates.cuh"

// kv (rows, 2, H) io_t without bias, bias (2, H) → a, b (rows, H). grid (ceil(rows H / blockDim.x)).
extern "C" __global__ void gate_elementwise(const io_t *__restrict__ kv, const io_t *__restrict__ bias,
                                            float *__restrict__ a, float *__restrict__ b, index_t rows, index_t H) {
    const index_t i = blockIdx.x * (index_t)blockDim.x + threadIdx.x;
    if (i >= rows * H) return;
    const index_t row = i / H, channel = i % H, at = row * 2 * H + channel;
    const Affine gate = gates(load_io(kv + at) + load_io(bias + channel), load_io(kv + at + H) + load_io(bias + H + channel));
    a[i] = gate.a;
    b[i] = gate.b;
}
