// The gates' gradients in a pass of their own, before two library products.
//
// Idea: what torch does in a launch for every sign of the chain rule is a dozen instructions on four values. dk and dv
// are then rounded once, to the dtype in which the products read them.
//
// Traffic: k, v, da and db in, in float32, dk and dv out: 6 values per element in one launch. The sum of dkv for the
// bias reads it once more.
// Improves: bytes and launches, against the same in torch.
#include "gates.cuh"
#include "io.cuh"

// kv (rows, 2, H), da, db (rows, H) float32 -> dkv (rows, 2, H) io_t. A thread per element.
extern "C" __global__ void gate_backward(const float *__restrict__ kv, const float *__restrict__ da,
                                         const float *__restrict__ db, io_t *__restrict__ dkv, index_t rows,
                                         index_t H) {
    const index_t at = blockIdx.x * (index_t)blockDim.x + threadIdx.x;
    if (at >= rows * H) return;
    const index_t row = at / H, k_at = row * 2 * H + at % H;
    const GateGradients made = gate_gradients(kv[k_at], kv[k_at + H], da[at], db[at]);
    store_io(dkv + k_at, made.k);
    store_io(dkv + k_at + H, made.v);
}
