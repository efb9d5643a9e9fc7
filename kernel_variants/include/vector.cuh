// Several neighbouring channels in one access. A warp instruction that asks for 16 bytes a lane moves four times what
// one for 4 bytes does: fewer instructions, fewer requests in flight for the same bytes.
#pragma once

#include "io.cuh"

// N values of T, aligned to their whole size as far as one access can be (16 bytes).
template <typename T, int N> struct alignas(sizeof(T) * N < 16 ? sizeof(T) * N : 16) Pack {
    T at[N];
};

template <int BYTES> struct Word;
template <> struct Word<2> { typedef unsigned short type; };
template <> struct Word<4> { typedef unsigned int type; };
template <> struct Word<8> { typedef uint2 type; };
template <> struct Word<16> { typedef uint4 type; };

// One access of N * sizeof(T) = 2, 4, 8 or 16 bytes, or several of 16; the address is aligned to the access.
template <int N, typename T> __device__ __forceinline__ Pack<T, N> load_pack(const T *p) {
    constexpr int bytes = sizeof(T) * N, access = bytes < 16 ? bytes : 16;
    typedef typename Word<access>::type W;
    union {
        W words[bytes / access];
        Pack<T, N> pack;
    } view;
#pragma unroll
    for (int i = 0; i < bytes / access; ++i) view.words[i] = reinterpret_cast<const W *>(p)[i];
    return view.pack;
}

template <int N, typename T> __device__ __forceinline__ void store_pack(T *p, Pack<T, N> values) {
    constexpr int bytes = sizeof(T) * N, access = bytes < 16 ? bytes : 16;
    typedef typename Word<access>::type W;
    union {
        Pack<T, N> pack;
        W words[bytes / access];
    } view;
    view.pack = values;
#pragma unroll
    for (int i = 0; i < bytes / access; ++i) reinterpret_cast<W *>(p)[i] = view.words[i];
}

// Whether packs of N values of T can be used on rows of H values that begin at p.
template <int N, typename T> __device__ __forceinline__ bool packs_fit(const T *p, index_t H) {
    const unsigned long long alignment = alignof(Pack<T, N>);
    return H % N == 0 && reinterpret_cast<unsigned long long>(p) % alignment == 0;
}

// The first `count` of N values one by one: for rows that packs do not fit. The rest is left as it is.
template <int N, typename T> __device__ __forceinline__ void load_some(Pack<T, N> &values, const T *p, int count) {
#pragma unroll
    for (int i = 0; i < N; ++i)
        if (i < count) values.at[i] = p[i];
}

template <int N, typename T> __device__ __forceinline__ void store_some(T *p, const Pack<T, N> &values, int count) {
#pragma unroll
    for (int i = 0; i < N; ++i)
        if (i < count) p[i] = values.at[i];
}
