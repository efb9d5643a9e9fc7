// bf16 products on the tensor cores, a warp at a time (mma.sync, sm_80 and later), and plain forms of the same for the
// host. Layouts after the PTX ISA, "Matrix fragments for mma.m16n8k16": with g = lane / 4 and q = lane % 4,
//
//   a (16 x 16, rows)       a[0]: row g, columns 2q, 2q+1    a[1]: row g + 8    a[2], a[3]: the same, columns + 8
//   b (16 x 8, columns)     b[0]: column g, rows 2q, 2q+1    b[1]: rows + 8
//   c (16 x 8, float32)     c[0], c[1]: row g, columns 2q, 2q+1    c[2], c[3]: row g + 8
//
// Two bf16 to a register, the lower column or row in the lower half.
#pragma once
#include <cuda_bf16.h>

#if !defined(__CUDA_ARCH__)
#include <string.h>

inline float product_of_pairs(unsigned x, unsigned y) {
    float sum = 0.0f;
    for (int shift = 0; shift <= 16; shift += 16) {
        const unsigned x_bits = x >> shift << 16, y_bits = y >> shift << 16;
        float x_value, y_value;
        memcpy(&x_value, &x_bits, sizeof x_value);
        memcpy(&y_value, &y_bits, sizeof y_value);
        sum += x_value * y_value;
    }
    return sum;
}
#endif

// c += a b. The hardware does not say how it rounds between the 16 products and c.
__device__ __forceinline__ void multiply_accumulate(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
#if defined(__CUDA_ARCH__)
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    const unsigned all = 0xffffffffu;
    const int g = threadIdx.x % 32 / 4, q = threadIdx.x % 4;
    for (int holder = 0; holder < 4; ++holder) { // of a row of a, and of a column of b
        unsigned row[4];
        for (int i = 0; i < 4; ++i) row[i] = __shfl_sync(all, a[i], 4 * g + holder);
        for (int column = 0; column < 2; ++column) {
            const int from = 4 * (2 * q + column) + holder;
            const unsigned low = __shfl_sync(all, b[0], from), high = __shfl_sync(all, b[1], from);
            c[column] += product_of_pairs(row[0], low) + product_of_pairs(row[2], high);
            c[2 + column] += product_of_pairs(row[1], low) + product_of_pairs(row[3], high);
        }
    }
#endif
}

// Four 8 x 8 matrices of bf16 from shared memory: lane 8 i + r gives the address of row r of matrix i (16 bytes, at a
// 16-byte boundary), and to[i] becomes columns 2q, 2q+1 of row g of matrix i.
__device__ __forceinline__ void load_matrices(unsigned (&to)[4], const __nv_bfloat16 *row) {
#if defined(__CUDA_ARCH__)
    const unsigned address = (unsigned)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(address)
                 : "memory");
#else
    const int g = threadIdx.x % 32 / 4, q = threadIdx.x % 4;
    for (int i = 0; i < 4; ++i) {
        const auto from = (const char *)__shfl_sync(0xffffffffu, (unsigned long long)row, 8 * i + g);
        memcpy(&to[i], from + 4 * q, sizeof to[i]);
    }
#endif
}
