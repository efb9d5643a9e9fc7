// Matrix fragments spread over a warp: loading and storing them, and products of them.
//
// Fragments of m16n8kK (g = lane / 4, t = lane % 4, e elements in a 32-bit register):
//   A, register r: row g + 8 (r % 2), columns t e + 4 e (r / 2) + 0 … e - 1;   B, register r: the same as rows, column g;
//   C and D: 32-bit element n at row g + 8 (n / 2), column 2 t + n % 2; of 16-bit elements two to a register.

#include <algorithm>

#include "forms.h"
#include "numbers.h"

namespace simulate {
namespace {

/// All 32 lanes take part in an operation on fragments.
void require_whole_warp(Warp &w, const Instruction &i, u32 mask) {
    if (mask != FULL) {
        w.machine().fault(w, i, "divergent_warp", "an operation of the whole warp on matrices, of which lanes are missing",
                          std::countr_zero(~mask));
    }
}

/// o: address, then one register per matrix of 8 x 8 elements of 16 bits; `elements` matrices, whose 8 rows of 16 bytes
/// lanes 8 m to 8 m + 7 address. Variant 1: transposed.
template <bool STORE>
void matrices(Warp &w, const Instruction &i, u32 mask) {
    require_whole_warp(w, i, mask);
    u64 addresses[LANES];
    const u32 given = i.elements == 4 ? FULL : (1u << 8 * i.elements) - 1;
    if (addresses_of(w, i, given, 16, STORE, i.o[0], i.immediate, addresses) != Space::shared) {
        w.machine().fault(w, i, STORE ? "stray_write" : "stray_read", "matrices outside of shared memory");
    }
    check_in_flight(w, i, given, addresses, 16);
    Count &count = w.machine().count_of(i);
    ++count.requests;
    count.bytes += 128u * i.elements;
    for (int m = 0; m < i.elements; ++m) count_wavefronts(count, 0xffu << 8 * m, addresses, 16);
    u8 *shared = w.block->shared.data();
    for (int m = 0; m < i.elements; ++m) {
        u32 *row = w.row(i.o[1 + m]);
        for (int lane = 0; lane < LANES; ++lane) {
            u16 half[2] = {static_cast<u16>(row[lane]), static_cast<u16>(row[lane] >> 16)};
            for (int k = 0; k < 2; ++k) {
                const int outer = lane / 4, inner = lane % 4 * 2 + k;
                u8 *at = shared + addresses[8 * m + (i.variant ? inner : outer)] + 2 * (i.variant ? outer : inner);
                STORE ? std::memcpy(at, &half[k], 2) : std::memcpy(&half[k], at, 2);
            }
            if (!STORE) row[lane] = half[0] | static_cast<u32>(half[1]) << 16;
        }
    }
    for (Observer *o : w.machine().observers) o->access(w, i, given, addresses, 16, Space::shared, STORE);
}

// Elements of A and B: how many bits, and their value.
struct F16 { static constexpr int bits = 16; using Sum = f64; static f64 of(u32 v) { return from_f16(static_cast<u16>(v)); } };
struct Bf16 { static constexpr int bits = 16; using Sum = f64; static f64 of(u32 v) { return from_bf16(static_cast<u16>(v)); } };
/// Ten bits of fraction: the low thirteen of an f32 do not count.
struct Tf32 { static constexpr int bits = 32; using Sum = f64; static f64 of(u32 v) { return as_float(v & ~0x1fffu); } };
template <class F>
struct Eight { static constexpr int bits = 8; using Sum = f64; static f64 of(u32 v) { return from_f16(f16_of<F>(static_cast<u8>(v))); } };
struct S8 { static constexpr int bits = 8; using Sum = i64; static i64 of(u32 v) { return static_cast<i8>(v); } };
struct U8 { static constexpr int bits = 8; using Sum = i64; static i64 of(u32 v) { return v & 0xff; } };

// Elements of C and D.
struct Float32 {
    static f64 load(const u32 *const *rows, int n, int lane) { return as_float(rows[n][lane]); }
    static void store(u32 *const *rows, int n, int lane, f64 value) { rows[n][lane] = as_bits(static_cast<f32>(value)); }
    static constexpr int registers = 4;
};
struct Float16 {
    static f64 load(const u32 *const *rows, int n, int lane) {
        return from_f16(static_cast<u16>(rows[n / 2][lane] >> 16 * (n % 2)));
    }
    static void store(u32 *const *rows, int n, int lane, f64 value) {
        u32 &word = rows[n / 2][lane];
        const int at = 16 * (n % 2);
        word = (word & ~(0xffffu << at)) | static_cast<u32>(to_f16(value, Round::nearest)) << at;
    }
    static constexpr int registers = 2;
};
struct Integer32 {
    static i64 load(const u32 *const *rows, int n, int lane) { return static_cast<i32>(rows[n][lane]); }
    static void store(u32 *const *rows, int n, int lane, i64 value) { rows[n][lane] = static_cast<u32>(value); }
    static constexpr int registers = 4;
};

/// o: D's registers, A's, B's, C's. Products are exact and added up in f64, or as integers, and rounded once: the order
/// and the width of the hardware's own sums are not published. Variant 1: integers saturate.
template <class A, class B, class C, int K>
void multiply(Warp &w, const Instruction &i, u32 mask) {
    require_whole_warp(w, i, mask);
    using Sum = typename A::Sum;
    constexpr int per = 32 / A::bits, a_registers = K / (2 * per), b_registers = K / (4 * per);
    static_assert(b_registers >= 1);
    Sum a[16][K], b[8][K], c[16][8];
    u32 *d_rows[4] = {};
    const u32 *c_rows[4] = {};
    const i32 *o = i.o;
    for (int r = 0; r < C::registers; ++r) {
        d_rows[r] = w.row(o[r]);
        c_rows[r] = w.row(o[C::registers + a_registers + b_registers + r]);
    }
    const u32 ones = A::bits == 32 ? FULL : (1u << A::bits % 32) - 1;
    for (int lane = 0; lane < LANES; ++lane) {
        const int g = lane / 4, t = lane % 4;
        for (int e = 0; e < per; ++e) {
            for (int r = 0; r < a_registers; ++r) {
                const u32 word = w.row(o[C::registers + r])[lane];
                a[g + 8 * (r % 2)][t * per + e + r / 2 * 4 * per] = A::of(word >> A::bits * e % 32 & ones);
            }
            for (int r = 0; r < b_registers; ++r) {
                const u32 word = w.row(o[C::registers + a_registers + r])[lane];
                b[g][t * per + e + r * 4 * per] = B::of(word >> B::bits * e % 32 & ones);
            }
        }
        for (int n = 0; n < 4; ++n) c[g + 8 * (n / 2)][2 * t + n % 2] = C::load(c_rows, n, lane);
    }
    for (int row = 0; row < 16; ++row) {
        for (int column = 0; column < 8; ++column) {
            Sum sum = 0;
            for (int k = 0; k < K; ++k) sum += a[row][k] * b[column][k];
            sum += c[row][column];
            if constexpr (std::is_same_v<Sum, i64>) {
                if (i.variant == 1) sum = std::min<i64>(std::max<i64>(sum, INT32_MIN), INT32_MAX);
            }
            c[row][column] = sum;
        }
    }
    for (int lane = 0; lane < LANES; ++lane) {
        for (int n = 0; n < 4; ++n) C::store(d_rows, n, lane, c[lane / 4 + 8 * (n / 2)][2 * (lane % 4) + n % 2]);
    }
}

/// m8n8k4 in f64. o: D (2 pairs), A, B, C (2 pairs); A's row and B's column g, index t; C's columns 2 t and 2 t + 1.
void multiply_f64(Warp &w, const Instruction &i, u32 mask) {
    require_whole_warp(w, i, mask);
    f64 a[8][4], b[8][4], made[2][LANES];
    for (int lane = 0; lane < LANES; ++lane) {
        a[lane / 4][lane % 4] = get<f64>(w.row(i.o[2]), lane);
        b[lane / 4][lane % 4] = get<f64>(w.row(i.o[3]), lane);
    }
    for (int lane = 0; lane < LANES; ++lane) {
        for (int n = 0; n < 2; ++n) {
            f64 sum = get<f64>(w.row(i.o[4 + n]), lane);
            for (int k = 0; k < 4; ++k) sum = std::fma(a[lane / 4][k], b[lane % 4 * 2 + n][k], sum);
            made[n][lane] = sum;
        }
    }
    for (int n = 0; n < 2; ++n) put<f64>(w.row(i.o[n]), FULL, [&](int lane) { return made[n][lane]; });
}

RegisterForm tensor_forms[] = {
    {"ldmatrix", matrices<false>},
    {"stmatrix", matrices<true>},
    {"mma.m16n8k16.f32.f16", multiply<F16, F16, Float32, 16>},
    {"mma.m16n8k8.f32.f16", multiply<F16, F16, Float32, 8>},
    {"mma.m16n8k16.f16.f16", multiply<F16, F16, Float16, 16>},
    {"mma.m16n8k8.f16.f16", multiply<F16, F16, Float16, 8>},
    {"mma.m16n8k16.f32.bf16", multiply<Bf16, Bf16, Float32, 16>},
    {"mma.m16n8k8.f32.bf16", multiply<Bf16, Bf16, Float32, 8>},
    {"mma.m16n8k8.f32.tf32", multiply<Tf32, Tf32, Float32, 8>},
    {"mma.m16n8k4.f32.tf32", multiply<Tf32, Tf32, Float32, 4>},
    {"mma.m16n8k32.f32.e4m3.e4m3", multiply<Eight<E4m3>, Eight<E4m3>, Float32, 32>},
    {"mma.m16n8k32.f32.e4m3.e5m2", multiply<Eight<E4m3>, Eight<E5m2>, Float32, 32>},
    {"mma.m16n8k32.f32.e5m2.e4m3", multiply<Eight<E5m2>, Eight<E4m3>, Float32, 32>},
    {"mma.m16n8k32.f32.e5m2.e5m2", multiply<Eight<E5m2>, Eight<E5m2>, Float32, 32>},
    {"mma.m16n8k32.s32.s8.s8", multiply<S8, S8, Integer32, 32>},
    {"mma.m16n8k32.s32.s8.u8", multiply<S8, U8, Integer32, 32>},
    {"mma.m16n8k32.s32.u8.s8", multiply<U8, S8, Integer32, 32>},
    {"mma.m16n8k32.s32.u8.u8", multiply<U8, U8, Integer32, 32>},
    {"mma.m16n8k16.s32.s8.s8", multiply<S8, S8, Integer32, 16>},
    {"mma.m16n8k16.s32.s8.u8", multiply<S8, U8, Integer32, 16>},
    {"mma.m16n8k16.s32.u8.s8", multiply<U8, S8, Integer32, 16>},
    {"mma.m16n8k16.s32.u8.u8", multiply<U8, U8, Integer32, 16>},
    {"mma.m8n8k4.f64", multiply_f64},
};

}  // namespace
}  // namespace simulate
