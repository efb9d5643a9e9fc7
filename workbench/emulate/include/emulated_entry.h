// A kernel's entry: its signature, and a call with arguments of the kernel's own parameter types.
#pragma once

struct __nv_bfloat16;
struct __half;

namespace emulated {

// One word a parameter: i32 i64 u32 u64 f32 f64, *T for a pointer to such a T, *? for another pointer, ? for the rest.
template <class T> constexpr const char *word() {
    using U = std::remove_cv_t<T>;
    if constexpr (std::is_same_v<U, float>) return "f32";
    else if constexpr (std::is_same_v<U, double>) return "f64";
    else if constexpr (std::is_same_v<U, __nv_bfloat16>) return "bf16";
    else if constexpr (std::is_same_v<U, __half>) return "f16";
    else if constexpr (std::is_integral_v<U>) {
        constexpr const char *names[] = {"u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64"};
        return names[(std::is_signed_v<U> ? 4 : 0) + (sizeof(U) == 1 ? 0 : sizeof(U) == 2 ? 1 : sizeof(U) == 4 ? 2 : 3)];
    } else return "?";
}

struct Parameter {
    const char *word;
    int pointer;
};

struct Entry {
    const char *name;
    int count;
    const Parameter *parameters;
    void (*call)(void *const *arguments);
    void *(*shared_anchor)(); // an address in the library's thread-local segment
};

inline void *shared_anchor() {
    static thread_local long long anchor;
    return &anchor;
}

template <class P> constexpr Parameter parameter() {
    using U = std::remove_cvref_t<P>;
    if constexpr (std::is_pointer_v<U>) return {word<std::remove_pointer_t<U>>(), 1};
    else return {word<U>(), 0};
}

template <auto F> struct Call;
template <class... P, void (*F)(P...)> struct Call<F> {
    static constexpr Parameter parameters[sizeof...(P) + 1] = {parameter<P>()..., {nullptr, 0}};
    static constexpr int count = sizeof...(P);

    template <size_t... I> static void with(void *const *arguments, std::index_sequence<I...>) {
        F(*static_cast<std::remove_cvref_t<P> *>(arguments[I])...);
    }
    static void call(void *const *arguments) { with(arguments, std::index_sequence_for<P...>{}); }
};

} // namespace emulated

#define WORKBENCH_ENTRY(name) WORKBENCH_ENTRY_(name)
#define WORKBENCH_ENTRY_(kernel) \
    extern "C" { \
    __attribute__((visibility("default"))) emulated::Entry emulated_entry_##kernel = { \
        #kernel, emulated::Call<kernel>::count, emulated::Call<kernel>::parameters, emulated::Call<kernel>::call, \
        emulated::shared_anchor}; \
    }
