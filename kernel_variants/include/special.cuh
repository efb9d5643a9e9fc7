// Special functions at the speed of the hardware: one MUFU instruction each, subnormals flushed to zero.
//
// Errors are NVIDIA's (PTX ISA, ex2.approx and rcp.approx): 2 ulp for 2^x, 1 ulp for 1/x. The plain forms expf and
// 1/x cost some ten instructions more, to be right for arguments that the callers here never have.
#pragma once

// 2^x; for x below -126 the result is 0.
__device__ __forceinline__ float fast_exp2(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

// 1 / x for normal x.
__device__ __forceinline__ float fast_reciprocal(float x) {
    float y;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
