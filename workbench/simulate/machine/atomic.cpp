// Atomic operations on global and shared memory: each lane reads, computes and writes without anybody between.
//
// o: address, destination (-1: a reduction, which returns nothing), operand, second operand. Lanes act in their order.

#include <algorithm>

#include "forms.h"
#include "numbers.h"

namespace simulate {
namespace {

/// The most lanes that one address holds: they are served one after the other.
u64 deepest(u32 mask, const u64 *addresses) {
    u64 sorted[LANES];
    int count = 0;
    each_lane(mask, [&](int lane) { sorted[count++] = addresses[lane]; });
    std::sort(sorted, sorted + count);
    int most = 1, run = 1;
    for (int k = 1; k < count; ++k) {
        run = sorted[k] == sorted[k - 1] ? run + 1 : 1;
        most = std::max(most, run);
    }
    return static_cast<u64>(most);
}

template <class T, class Operation>
void atomic(Warp &w, const Instruction &i, u32 mask) {
    u64 addresses[LANES];
    constexpr u32 bytes = sizeof(T);
    Machine &machine = w.machine();
    const Space space = addresses_of(w, i, mask, bytes, true, i.o[0], i.immediate, addresses);
    if (space == Space::local) machine.fault(w, i, "stray_write", "an atomic operation on local memory");
    Count &count = machine.count_of(i);
    ++count.requests;
    count.bytes += static_cast<u64>(std::popcount(mask)) * bytes;
    count.same_address += deepest(mask, addresses);
    if (space == Space::shared) {
        count_wavefronts(count, mask, addresses, bytes);
        check_in_flight(w, i, mask, addresses, bytes);
    } else {
        count_sectors(machine, w, i, space, mask, addresses, bytes, true);
    }
    for (Observer *o : machine.observers) o->atomic(w, i, mask, addresses, bytes, space);
    const u32 *b = w.row(i.o[2]), *c = w.row(i.o[3] < 0 ? i.o[2] : i.o[3]);
    if (i.order >= Order::release && i.order != Order::is_volatile) settle(w, mask, i.scope);
    T before[LANES] = {};
    bool changes = false;
    for (u32 rest = mask; rest != 0; rest &= rest - 1) {
        const int lane = std::countr_zero(rest);
        u8 *at = host_address(w, space, addresses[lane], bytes, true);
        std::memcpy(&before[lane], at, bytes);
        const T after = Operation::of(before[lane], get<T>(b, lane), get<T>(c, lane), space);
        changes |= std::memcmp(at, &after, bytes) != 0;
        std::memcpy(at, &after, bytes);
    }
    if (changes) machine.progress = machine.executed;
    if (i.o[1] >= 0) put<T>(w.row(i.o[1]), mask, [&](int lane) { return before[lane]; });
}

template <class T>
T wrapped_sum(T a, T b) {
    return static_cast<T>(static_cast<std::make_unsigned_t<T>>(a) + static_cast<std::make_unsigned_t<T>>(b));
}

template <class T> struct Add { static T of(T a, T b, T, Space) { return wrapped_sum(a, b); } };
template <class T> struct Least { static T of(T a, T b, T, Space) { return std::min(a, b); } };
template <class T> struct Most { static T of(T a, T b, T, Space) { return std::max(a, b); } };
template <class T> struct And { static T of(T a, T b, T, Space) { return a & b; } };
template <class T> struct Or { static T of(T a, T b, T, Space) { return a | b; } };
template <class T> struct Xor { static T of(T a, T b, T, Space) { return a ^ b; } };
template <class T> struct Exchange { static T of(T, T b, T, Space) { return b; } };
template <class T> struct CompareAndSwap { static T of(T a, T b, T c, Space) { return a == b ? c : a; } };
struct Increment { static u32 of(u32 a, u32 b, u32, Space) { return a >= b ? 0 : a + 1; } };
struct Decrement { static u32 of(u32 a, u32 b, u32, Space) { return a == 0 || a > b ? b : a - 1; } };

f32 flushed(f32 value) { return std::fabs(value) < 0x1p-126f ? std::copysign(0.0f, value) : value; }

/// Global memory's adder flushes denormals, shared memory's does not.
struct AddF32 {
    static f32 of(f32 a, f32 b, f32, Space space) {
        return space == Space::shared ? a + b : flushed(flushed(a) + flushed(b));
    }
};
struct AddF64 { static f64 of(f64 a, f64 b, f64, Space) { return a + b; } };

struct F16 {
    static f32 wide(u16 bits) { return from_f16(bits); }
    static u16 narrowed(f32 value) { return to_f16(value); }
};
struct Bf16 {
    static f32 wide(u16 bits) { return from_bf16(bits); }
    static u16 narrowed(f32 value) { return to_bf16(value); }
};
struct SumHalf { static f32 of(f32 a, f32 b) { return a + b; } };
struct LeastHalf { static f32 of(f32 a, f32 b) { return std::fmin(a, b); } };
struct MostHalf { static f32 of(f32 a, f32 b) { return std::fmax(a, b); } };

template <class H, class Operation>
struct Half {
    static u16 of(u16 a, u16 b, u16, Space) { return H::narrowed(Operation::of(H::wide(a), H::wide(b))); }
};
template <class H, class Operation>
struct Halves {
    static u32 of(u32 a, u32 b, u32, Space space) {
        const u16 low = Half<H, Operation>::of(static_cast<u16>(a), static_cast<u16>(b), 0, space);
        const u16 high = Half<H, Operation>::of(static_cast<u16>(a >> 16), static_cast<u16>(b >> 16), 0, space);
        return low | static_cast<u32>(high) << 16;
    }
};

RegisterForm atomic_forms[] = {
    {"atomic.add.u32", atomic<u32, Add<u32>>},
    {"atomic.add.s32", atomic<u32, Add<u32>>},
    {"atomic.add.u64", atomic<u64, Add<u64>>},
    {"atomic.add.s64", atomic<u64, Add<u64>>},
    {"atomic.add.f32", atomic<f32, AddF32>},
    {"atomic.add.f64", atomic<f64, AddF64>},
    {"atomic.add.f16", atomic<u16, Half<F16, SumHalf>>},
    {"atomic.add.bf16", atomic<u16, Half<Bf16, SumHalf>>},
    {"atomic.add.f16x2", atomic<u32, Halves<F16, SumHalf>>},
    {"atomic.add.bf16x2", atomic<u32, Halves<Bf16, SumHalf>>},
    {"atomic.min.f16x2", atomic<u32, Halves<F16, LeastHalf>>},
    {"atomic.max.f16x2", atomic<u32, Halves<F16, MostHalf>>},
    {"atomic.min.bf16x2", atomic<u32, Halves<Bf16, LeastHalf>>},
    {"atomic.max.bf16x2", atomic<u32, Halves<Bf16, MostHalf>>},
    {"atomic.min.u32", atomic<u32, Least<u32>>},
    {"atomic.min.s32", atomic<i32, Least<i32>>},
    {"atomic.min.u64", atomic<u64, Least<u64>>},
    {"atomic.min.s64", atomic<i64, Least<i64>>},
    {"atomic.max.u32", atomic<u32, Most<u32>>},
    {"atomic.max.s32", atomic<i32, Most<i32>>},
    {"atomic.max.u64", atomic<u64, Most<u64>>},
    {"atomic.max.s64", atomic<i64, Most<i64>>},
    {"atomic.and.b32", atomic<u32, And<u32>>},
    {"atomic.and.b64", atomic<u64, And<u64>>},
    {"atomic.or.b32", atomic<u32, Or<u32>>},
    {"atomic.or.b64", atomic<u64, Or<u64>>},
    {"atomic.xor.b32", atomic<u32, Xor<u32>>},
    {"atomic.xor.b64", atomic<u64, Xor<u64>>},
    {"atomic.inc.u32", atomic<u32, Increment>},
    {"atomic.dec.u32", atomic<u32, Decrement>},
    {"atomic.exch.b32", atomic<u32, Exchange<u32>>},
    {"atomic.exch.b64", atomic<u64, Exchange<u64>>},
    {"atomic.cas.b16", atomic<u16, CompareAndSwap<u16>>},
    {"atomic.cas.b32", atomic<u32, CompareAndSwap<u32>>},
    {"atomic.cas.b64", atomic<u64, CompareAndSwap<u64>>},
};

/// A fence: stores that waited are seen in its scope from now on.
void fence(Warp &w, const Instruction &i, u32 mask) {
    settle(w, mask, i.scope);
    for (Observer *o : w.machine().observers) o->fence(w, i, mask);
}

/// A fence of machine code: ptxas leaves a warp's barrier out where the warp is together, so that the stores of all its
/// lanes that come before in the program come before the fence too, whichever lane makes it.
void fence_of_warp(Warp &w, const Instruction &i, u32 mask) {
    settle(w, FULL, i.scope);
    fence(w, i, mask);
}

void nothing(Warp &, const Instruction &, u32) {}

RegisterForm fence_form("fence", fence);
RegisterForm fence_of_warp_form("fence.warp", fence_of_warp);
RegisterForm nothing_form("nothing", nothing);

}  // namespace
}  // namespace simulate
