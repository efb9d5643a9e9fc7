// The types that cross memory, vectors, and arithmetic that CUDA adds to C's.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
typedef long long index_t;

extern "C" __global__ void to_bf16(const float *x, __nv_bfloat16 *y, index_t n) {
    const index_t i = blockIdx.x * (index_t)blockDim.x + threadIdx.x;
    if (i < n) y[i] = __float2bfloat16(x[i]);
}

extern "C" __global__ void from_bf16(const __nv_bfloat16 *x, float *y, index_t n) {
    const index_t i = blockIdx.x * (index_t)blockDim.x + threadIdx.x;
    if (i < n) y[i] = __bfloat162float(__ldg(x + i));
}

extern "C" __global__ void half_pairs(const __half *x, __half *y) {
    const __half2 pair = reinterpret_cast<const __half2 *>(x)[threadIdx.x];
    reinterpret_cast<__half2 *>(y)[threadIdx.x] = __hadd2(pair, pair);
}

extern "C" __global__ void shuffled_bf16(const __nv_bfloat16 *x, __nv_bfloat16 *y) {
    y[threadIdx.x] = __shfl_xor_sync(~0u, x[threadIdx.x], 1);
}

extern "C" __global__ void vectors(const float *x, float *y) {
    const float4 v = __ldcs(reinterpret_cast<const float4 *>(x) + threadIdx.x);
    __stcs(reinterpret_cast<float4 *>(y) + threadIdx.x, make_float4(v.w, v.z, v.y, v.x));
}

extern "C" __global__ void arithmetic(const float *x, float *y, float scale) {
    const int i = threadIdx.x;
    const float v = x[i];
    float *row = y + i * 12;
    row[0] = __expf(v);
    row[1] = __fdividef(1.0f, 1.0f + expf(-v));
    row[2] = __frcp_rn(v);
    row[3] = rsqrtf(fabsf(v));
    row[4] = fmaf(v, v, scale);
    row[5] = max(v, 0.0f);
    row[6] = (float)min((index_t)i, (index_t)7);
    row[7] = __int_as_float(__float_as_int(v));
    row[8] = (float)__clz(i) + (float)__popc(i) + (float)__ffs(i);
    row[9] = __saturatef(v);
    row[10] = __logf(fabsf(v));
    row[11] = tanhf(v);
}
