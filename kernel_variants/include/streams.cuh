// The streams that a cell reads and writes. A cell lists them, STREAM(type, name, rows, more) each:
//
//   type   what crosses memory: io_t or float
//   rows   rows of H channels from one step to the next: 1 for (B, T, H), 3 for a part of (B, T, 3, H), 0 for what is
//          the same at every step, (B, H) or (H)
//   more   rows of a sequence beside those of its steps: 1 for (B, T + 1, H), and for (B, H) with rows = 0
//
// A backward pass reads a forward pass's states as they were *before* each step. Such streams stand in a list of their
// own, CELL_EARLIER. A backward pass walks against its recurrence, so that the row before a step is that of the step
// walked next; in place of one after the last stands what `in_NAME_first`, the parameter after the stream's own, holds
// for the sequence: (B, H) float32, or null for zeros.
//
// From the lists come the parameters of a kernel and the structs below, one member per stream, under its name. What a
// list makes of a stream is a macro, because names and types must come out of it; all of them stand in this file.
#pragma once

#include "affine.cuh"
#include "io.cuh"
#include "vector.cuh"

// Time runs forward or, REVERSED, from the last step to the first: step 0 of a kernel is then t = T - 1.
#if defined(REVERSED)
constexpr bool FROM_THE_END = true;
#else
constexpr bool FROM_THE_END = false;
#endif

#if !defined(CELL_EARLIER)
#define CELL_EARLIER(STREAM)
#endif
#define CELL_READ(STREAM) CELL_INPUTS(STREAM) CELL_EARLIER(STREAM)

#define WITHOUT_FIRST(...) WITHOUT_FIRST_OF(__VA_ARGS__)
#define WITHOUT_FIRST_OF(first, ...) __VA_ARGS__

// In a kernel's signature: const type *in_NAME, … and type *out_NAME, …; the same without types, to hand them on.
#define INPUTS WITHOUT_FIRST(0 CELL_INPUTS(STREAM_IN_PARAMETER) CELL_EARLIER(STREAM_EARLIER_PARAMETER))
#define OUTPUTS WITHOUT_FIRST(0 CELL_OUTPUTS(STREAM_OUT_PARAMETER))
#define GIVEN_INPUTS WITHOUT_FIRST(0 CELL_INPUTS(STREAM_GIVEN_IN) CELL_EARLIER(STREAM_GIVEN_EARLIER))
#define GIVEN_OUTPUTS WITHOUT_FIRST(0 CELL_OUTPUTS(STREAM_GIVEN_OUT))
#define INPUT_POINTERS WITHOUT_FIRST(0 CELL_INPUTS(STREAM_IN_POINTER) CELL_EARLIER(STREAM_EARLIER_POINTER))
#define OUTPUT_POINTERS WITHOUT_FIRST(0 CELL_OUTPUTS(STREAM_OUT_POINTER))
#define STREAM_IN_POINTER(type, name, rows, more) , const type *in_##name
#define STREAM_OUT_POINTER(type, name, rows, more) , type *out_##name
#define STREAM_IN_PARAMETER(type, name, rows, more) , const type *__restrict__ in_##name
#define STREAM_OUT_PARAMETER(type, name, rows, more) , type *__restrict__ out_##name
#define STREAM_GIVEN_IN(type, name, rows, more) , in_##name
#define STREAM_GIVEN_OUT(type, name, rows, more) , out_##name
#define STREAM_EARLIER_POINTER(type, name, rows, more) , const type *in_##name, const float *in_##name##_first
#define STREAM_EARLIER_PARAMETER(type, name, rows, more)                                                               \
    , const type *__restrict__ in_##name, const float *__restrict__ in_##name##_first
#define STREAM_GIVEN_EARLIER(type, name, rows, more) , in_##name, in_##name##_first

// What stands in memory at one (b, t, channel); the same as float32; a step's values to be stored.
#define STREAM_RAW(type, name, rows, more) type name;
#define STREAM_FLOAT(type, name, rows, more) float name;
struct Raw {
    CELL_READ(STREAM_RAW)
};
struct Values {
    CELL_READ(STREAM_FLOAT)
};
struct Emitted {
    CELL_OUTPUTS(STREAM_FLOAT)
};

__device__ __forceinline__ Values widened(const Raw &raw) {
#define STREAM_WIDENED(type, name, rows, more) widen(raw.name),
    return Values{CELL_READ(STREAM_WIDENED)};
}

// The same of N neighbouring channels.
#define STREAM_PACK(type, name, rows, more) Pack<type, N> name;
template <int N> struct RawPack {
    CELL_READ(STREAM_PACK)

    __device__ __forceinline__ Raw at(int i) const {
#define STREAM_OF_PACK(type, name, rows, more) name.at[i],
        return Raw{CELL_READ(STREAM_OF_PACK)};
    }
};
// The same of N steps. Each stream's values stand together: a ring of registers that a loop turns then compiles as one
// ring per stream.
#define STREAM_ARRAY(type, name, rows, more) type name[N];
template <int N> struct RawSteps {
    CELL_READ(STREAM_ARRAY)

    __device__ __forceinline__ Raw at(int i) const {
#define STREAM_OF_ARRAY(type, name, rows, more) this->name[i],
        return Raw{CELL_READ(STREAM_OF_ARRAY)};
    }
    __device__ __forceinline__ void set(int i, const Raw &raw) {
#define STREAM_TO_ARRAY(type, name, rows, more) this->name[i] = raw.name;
        CELL_READ(STREAM_TO_ARRAY)
    }
};
template <int N> struct EmittedPack {
    CELL_OUTPUTS(STREAM_PACK)

    __device__ __forceinline__ void set(int i, const Emitted &values) {
#define STREAM_TO_PACK(type, name, rows, more) narrow(name.at[i], values.name);
        CELL_OUTPUTS(STREAM_TO_PACK)
    }
};

// Where a stream's value of a step and channel lies, `row` elements from that of the next step.
template <typename V> struct Stream {
    V *at;
    index_t row;

    __device__ __forceinline__ void move(index_t more, index_t sequence, index_t step, index_t channel, index_t T,
                                         index_t H) {
        const index_t t = FROM_THE_END ? T - 1 - step : step, forward = FROM_THE_END ? -row : row;
        at += (sequence * T + t) * forward + sequence * (more * H) + channel;
    }
    __device__ __forceinline__ const V &value(index_t steps, int v) const { return at[steps * row + v]; }
};

template <int N, typename V>
__device__ __forceinline__ Pack<V, N> load_pack(const Stream<const V> &from, index_t steps) {
    return load_pack<N>(from.at + steps * from.row);
}
template <int N, typename V>
__device__ __forceinline__ void load_some(Pack<V, N> &to, const Stream<const V> &from, int count, index_t steps) {
    load_some(to, from.at + steps * from.row, count);
}

// The same of a stream that is read at the step before. `at` is the step's own place all the same, `zero` that of the
// recurrence's first step; `copied`: the rows at hand have been copied in this order already, with that before the
// first among them.
template <typename V> struct EarlierStream {
    const V *at;
    index_t row;
    const V *zero;
    const float *first;
    bool copied;

    __device__ __forceinline__ void move(index_t, index_t sequence, index_t step, index_t channel, index_t T,
                                         index_t H) {
        const index_t t = FROM_THE_END ? T - 1 - step : step, forward = FROM_THE_END ? -row : row;
        zero += sequence * T * forward + channel;
        at = zero + t * forward;
        if (!FROM_THE_END) zero += (T - 1) * forward;
        if (first) first += sequence * H + channel;
    }
    __device__ __forceinline__ const V *before(index_t steps) const {
        return at + steps * row + (copied ? 0 : row);
    }
    __device__ __forceinline__ bool at_zero(index_t steps) const {
        return !copied && at + steps * row == zero;
    }
    __device__ __forceinline__ V initial(int v) const {
        V value;
        narrow(value, first ? first[v] : 0.0f);
        return value;
    }
    __device__ __forceinline__ V value(index_t steps, int v) const {
        return at_zero(steps) ? initial(v) : before(steps)[v];
    }
};

template <int N, typename V>
__device__ __forceinline__ Pack<V, N> load_pack(const EarlierStream<V> &from, index_t steps) {
    if (!from.at_zero(steps)) return load_pack<N>(from.before(steps));
    Pack<V, N> values;
#pragma unroll
    for (int i = 0; i < N; ++i) values.at[i] = from.initial(i);
    return values;
}
template <int N, typename V>
__device__ __forceinline__ void load_some(Pack<V, N> &to, const EarlierStream<V> &from, int count, index_t steps) {
#pragma unroll
    for (int i = 0; i < N; ++i)
        if (i < count) to.at[i] = from.value(steps, i);
}

template <typename V> __device__ __forceinline__ Stream<V> stream(V *first, index_t rows, index_t H) {
    return Stream<V>{first, FROM_THE_END ? -(rows * H) : rows * H};
}
template <typename V>
__device__ __forceinline__ EarlierStream<V> earlier_stream(const V *place, const float *first, index_t rows,
                                                           index_t H) {
    return EarlierStream<V>{place, FROM_THE_END ? -(rows * H) : rows * H, place, first, false};
}

struct Inputs {
#define STREAM_IN(type, name, rows, more) Stream<const type> name;
#define STREAM_EARLIER(type, name, rows, more) EarlierStream<type> name;
    CELL_INPUTS(STREAM_IN) CELL_EARLIER(STREAM_EARLIER)

    // From the place of (0, 0, 0) to that of a step of a sequence.
    __device__ __forceinline__ Inputs at(index_t sequence, index_t step, index_t channel, index_t T, index_t H) const {
        Inputs there = *this;
#define STREAM_MOVE(type, name, rows, more) there.name.move(more, sequence, step, channel, T, H);
        CELL_READ(STREAM_MOVE)
        return there;
    }
    __device__ __forceinline__ void advance(index_t steps = 1) {
#define STREAM_ADVANCE(type, name, rows, more) this->name.at += steps * this->name.row;
        CELL_READ(STREAM_ADVANCE)
    }
    // The same place `steps` later.
    __device__ __forceinline__ Inputs later(index_t steps) const {
        Inputs there = *this;
        there.advance(steps);
        return there;
    }
    // Of the step `steps` later, channel `v` from here.
    __device__ __forceinline__ Raw read(index_t steps = 0, int v = 0) const {
#define STREAM_READ(type, name, rows, more) this->name.value(steps, v),
        return Raw{CELL_READ(STREAM_READ)};
    }
    template <int N> __device__ __forceinline__ RawPack<N> read_pack(index_t steps = 0) const {
#define STREAM_READ_PACK(type, name, rows, more) load_pack<N>(this->name, steps),
        return RawPack<N>{CELL_READ(STREAM_READ_PACK)};
    }
    // The first `count` of N channels.
    template <int N> __device__ __forceinline__ void read_some(RawPack<N> &to, int count, index_t steps = 0) const {
#define STREAM_READ_SOME(type, name, rows, more) load_some(to.name, this->name, count, steps);
        CELL_READ(STREAM_READ_SOME)
    }
    template <int N> __device__ __forceinline__ bool packs_fit(index_t H) const {
#define STREAM_IN_FITS(type, name, rows, more) &&::packs_fit<N>(this->name.at, H)
        return true CELL_READ(STREAM_IN_FITS);
    }
};

struct Outputs {
#define STREAM_OUT(type, name, rows, more) Stream<type> name;
    CELL_OUTPUTS(STREAM_OUT)

    __device__ __forceinline__ Outputs at(index_t sequence, index_t step, index_t channel, index_t T, index_t H) const {
        Outputs there = *this;
        CELL_OUTPUTS(STREAM_MOVE)
        return there;
    }
    __device__ __forceinline__ void advance(index_t steps = 1) { CELL_OUTPUTS(STREAM_ADVANCE) }
    // The same place `steps` later.
    __device__ __forceinline__ Outputs later(index_t steps) const {
        Outputs there = *this;
        there.advance(steps);
        return there;
    }
    __device__ __forceinline__ void store(const Emitted &values, index_t steps = 0) const {
#define STREAM_STORE(type, name, rows, more) narrow(this->name.at[steps * this->name.row], values.name);
        CELL_OUTPUTS(STREAM_STORE)
    }
    template <int N> __device__ __forceinline__ void store_pack(const EmittedPack<N> &values, index_t steps = 0) const {
#define STREAM_STORE_PACK(type, name, rows, more) ::store_pack<N>(this->name.at + steps * this->name.row, values.name);
        CELL_OUTPUTS(STREAM_STORE_PACK)
    }
    template <int N>
    __device__ __forceinline__ void store_some(const EmittedPack<N> &values, int count, index_t steps = 0) const {
#define STREAM_STORE_SOME(type, name, rows, more) ::store_some(this->name.at + steps * this->name.row, values.name, count);
        CELL_OUTPUTS(STREAM_STORE_SOME)
    }
    template <int N> __device__ __forceinline__ bool packs_fit(index_t H) const {
#define STREAM_OUT_FITS(type, name, rows, more) &&::packs_fit<N>(this->name.at, H)
        return true CELL_OUTPUTS(STREAM_OUT_FITS);
    }
};

// A kernel's parameters as streams, at (0, 0, 0).
__device__ __forceinline__ Inputs inputs(INPUT_POINTERS, index_t H) {
#define STREAM_FIRST_IN(type, name, rows, more) stream(in_##name, rows, H),
#define STREAM_FIRST_EARLIER(type, name, rows, more) earlier_stream(in_##name, in_##name##_first, rows, H),
    return Inputs{CELL_INPUTS(STREAM_FIRST_IN) CELL_EARLIER(STREAM_FIRST_EARLIER)};
}
__device__ __forceinline__ Outputs outputs(OUTPUT_POINTERS, index_t H) {
#define STREAM_FIRST_OUT(type, name, rows, more) stream(out_##name, rows, H),
    return Outputs{CELL_OUTPUTS(STREAM_FIRST_OUT)};
}
