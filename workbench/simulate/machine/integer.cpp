// Integer arithmetic, typed as PTX types it. A register of 8 or 16 bits is a row whose high bits mean nothing.

#include <algorithm>
#include <limits>
#include <type_traits>

#include "forms.h"

namespace simulate {
namespace {

template <class T>
using Wrapping = std::make_unsigned_t<T>;

// Signed overflow wraps on a GPU: arithmetic is done on the unsigned twin.
template <class T> struct Add { static T of(T a, T b) { return static_cast<T>(static_cast<Wrapping<T>>(static_cast<Wrapping<T>>(a) + static_cast<Wrapping<T>>(b))); } };
template <class T> struct Subtract { static T of(T a, T b) { return static_cast<T>(static_cast<Wrapping<T>>(static_cast<Wrapping<T>>(a) - static_cast<Wrapping<T>>(b))); } };
template <class T> struct Multiply { static T of(T a, T b) { return static_cast<T>(static_cast<Wrapping<T>>(static_cast<u64>(a) * static_cast<u64>(b))); } };
template <class T> struct Least { static T of(T a, T b) { return std::min(a, b); } };
template <class T> struct Most { static T of(T a, T b) { return std::max(a, b); } };

#define FOR_INTEGERS(X) X(u16) X(i16) X(u32) X(i32) X(u64) X(i64)
#define NAME_u16 "u16"
#define NAME_i16 "s16"
#define NAME_u32 "u32"
#define NAME_i32 "s32"
#define NAME_u64 "u64"
#define NAME_i64 "s64"
#define X(T)                                                           \
    RegisterForm add_##T("add." NAME_##T, binary<T, T, Add<T>>);       \
    RegisterForm sub_##T("sub." NAME_##T, binary<T, T, Subtract<T>>);  \
    RegisterForm mul_##T("mul.lo." NAME_##T, binary<T, T, Multiply<T>>); \
    RegisterForm min_##T("min." NAME_##T, binary<T, T, Least<T>>);     \
    RegisterForm max_##T("max." NAME_##T, binary<T, T, Most<T>>);
FOR_INTEGERS(X)
#undef X

}  // namespace
}  // namespace simulate
