// The gates from pre-activations that a library product has left in memory, a thread per element.
//
// Idea: hand the product to a library that has all of the GPU's matrix units, and keep for ourselves one pass over its
// output that does what would be ten elementwise launches.
//
// Traffic: x and w in, a and b out, and kv written and read once between product and gates, 16 bytes per element, in
// two launches. kv is float32 even where x and w are bf16: rounded to bf16, a pre-activation near 2 is off by 0.005,
// and b with it, relatively, which is over the bound of 3e-3. (A scan averages that away; its kernels do read kv in
// bf16.)
// Improves: tensor-pipe use, from nothing to the library's.
#include "io.cuh"
#include "gates.cuh"

// kv (rows, 2, H) float32 without bias, bias (2, H) → a, b (rows, H). grid (ceil(rows H / blockDim.x)).
extern "C" __global__ void gate_elementwise(const float *__restrict__ kv, const io_t *__restrict__ bias,
                                            float *__restrict__ a, float *__restrict__ b, index_t rows, index_t H) {
    const index_t i = blockIdx.x * (index_t)blockDim.x + threadIdx.x;
    if (i >= rows * H) return;
    const index_t row = i / H, channel = i % H, at = row * 2 * H + channel;
    const Affine gate = gates(kv[at] + load_io(bias + channel), kv[at + H] + load_io(bias + H + channel));
    a[i] = gate.a;
    b[i] = gate.b;
}
