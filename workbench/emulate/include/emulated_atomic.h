// Atomics: threads run one at a time, so that a plain read and write is one. Each is told to the runtime, which may
// then let another thread in: that is how a lock that spins on an atomic comes to be released.
#pragma once

namespace emulated {

template <class T> using Value = std::type_identity_t<T>;

template <class T, class F> T atomic(T *at, F change) {
    const T old = *at;
    const T now = change(old);
    *at = now;
    emulated_after_atomic(at, memcmp(&old, &now, sizeof(T)) != 0);
    return old;
}

} // namespace emulated

#define EMULATED_ATOMIC(name, expression) \
    template <class T> T name(T *at, emulated::Value<T> value) { \
        return emulated::atomic(at, [&](T old) -> T { return expression; }); \
    } \
    template <class T> T name##_block(T *at, emulated::Value<T> value) { return name(at, value); } \
    template <class T> T name##_system(T *at, emulated::Value<T> value) { return name(at, value); }
EMULATED_ATOMIC(atomicAdd, (T)(old + value))
EMULATED_ATOMIC(atomicSub, (T)(old - value))
EMULATED_ATOMIC(atomicExch, ((void)old, value))
EMULATED_ATOMIC(atomicMin, value < old ? value : old)
EMULATED_ATOMIC(atomicMax, value > old ? value : old)
EMULATED_ATOMIC(atomicInc, old >= value ? 0 : old + 1)
EMULATED_ATOMIC(atomicDec, old == 0 || old > value ? value : old - 1)
EMULATED_ATOMIC(atomicAnd, (T)(old & value))
EMULATED_ATOMIC(atomicOr, (T)(old | value))
EMULATED_ATOMIC(atomicXor, (T)(old ^ value))
#undef EMULATED_ATOMIC

template <class T> T atomicCAS(T *at, emulated::Value<T> expected, emulated::Value<T> value) {
    return emulated::atomic(at, [&](T old) { return memcmp(&old, &expected, sizeof(T)) == 0 ? value : old; });
}
template <class T> T atomicCAS_block(T *at, emulated::Value<T> e, emulated::Value<T> v) { return atomicCAS(at, e, v); }
template <class T> T atomicCAS_system(T *at, emulated::Value<T> e, emulated::Value<T> v) { return atomicCAS(at, e, v); }
