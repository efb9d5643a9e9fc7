// How forms are written: typed reading of rows, and loops over lanes for one, two and three sources.
#pragma once

#include <type_traits>

#include "machine.h"

namespace simulate {

/// Lane `lane` of the value at `row`, as T: 64-bit types from two rows, narrow ones from the low bits.
template <class T>
inline T get(const u32 *row, int lane) {
    if constexpr (sizeof(T) == 8) {
        return std::bit_cast<T>(pair_of(row, lane));
    } else if constexpr (sizeof(T) == 4) {
        return std::bit_cast<T>(row[lane]);
    } else {
        return static_cast<T>(row[lane]);
    }
}

/// Writes value(lane), of type T, where the mask has the lane.
template <class T, class F>
inline void put(u32 *row, u32 mask, F &&value) {
    if constexpr (sizeof(T) == 8) {
        write_pair(row, mask, [&](int lane) { return std::bit_cast<u64>(value(lane)); });
    } else if constexpr (sizeof(T) == 4) {
        write_row(row, mask, [&](int lane) { return std::bit_cast<u32>(value(lane)); });
    } else {
        write_row(row, mask, [&](int lane) { return static_cast<u32>(static_cast<std::make_unsigned_t<T>>(value(lane))); });
    }
}

/// The name of a type as forms carry it.
template <class T>
const char *type_name() {
    constexpr const char *names[3][4] = {
        {"u8", "u16", "u32", "u64"}, {"s8", "s16", "s32", "s64"}, {"f8", "f16", "f32", "f64"}};
    return names[std::is_floating_point_v<T> ? 2 : std::is_signed_v<T> ? 1 : 0][std::countr_zero(sizeof(T))];
}

/// Calls f.template operator()<T>() for each of the types, to register a form for each.
template <class... T, class F>
inline bool for_types(F &&f) {
    (f.template operator()<T>(), ...);
    return true;
}

/// d = Operation::of(a): o[0] and o[1].
template <class D, class A, class Operation>
void unary(Warp &w, const Instruction &i, u32 mask) {
    const u32 *a = w.row(i.o[1]);
    put<D>(w.row(i.o[0]), mask, [=](int lane) -> D { return Operation::of(get<A>(a, lane)); });
}

/// d = Operation::of(a, b): o[0] to o[2].
template <class D, class A, class Operation, class B = A>
void binary(Warp &w, const Instruction &i, u32 mask) {
    const u32 *a = w.row(i.o[1]), *b = w.row(i.o[2]);
    put<D>(w.row(i.o[0]), mask, [=](int lane) -> D { return Operation::of(get<A>(a, lane), get<B>(b, lane)); });
}

/// d = Operation::of(a, b, c): o[0] to o[3].
template <class D, class A, class Operation, class C = A>
void ternary(Warp &w, const Instruction &i, u32 mask) {
    const u32 *a = w.row(i.o[1]), *b = w.row(i.o[2]), *c = w.row(i.o[3]);
    put<D>(w.row(i.o[0]), mask,
           [=](int lane) -> D { return Operation::of(get<A>(a, lane), get<A>(b, lane), get<C>(c, lane)); });
}

}  // namespace simulate
