// bf16 products on the tensor cores, a warp at a time (mma.sync, sm_80 and later). Layouts after the PTX ISA,
// "Matrix fragments for mma.m16n8k16": with g = lane / 4 and q = lane % 4,
//
//   a (16 x 16, rows)       a[0]: row g, columns 2q, 2q+1    a[1]: row g + 8    a[2], a[3]: the same, columns + 8
//   b (16 x 8, columns)     b[0]: column g, rows 2q, 2q+1    b[1]: rows + 8
//   c (16 x 8, float32)     c[0], c[1]: row g, columns 2q, 2q+1    c[2], c[3]: row g + 8
//
// Two bf16 to a register, the lower column or row in the lower half.
#pragma once
#include <cuda_bf16.h>

// c += a b. The hardware does not say how it rounds between the 16 products and c.
__device__ __forceinline__ void multiply_accumulate(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// Four 8 x 8 matrices of bf16 from shared memory: lane 8 i + r gives the address of row r of matrix i (16 bytes, at a
// 16-byte boundary), and to[i] becomes columns 2q, 2q+1 of row g of matrix i.
__device__ __forceinline__ void load_matrices(unsigned (&to)[4], const __nv_bfloat16 *row) {
    const unsigned address = (unsigned)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(address)
                 : "memory");
}
