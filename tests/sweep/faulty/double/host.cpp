// One function for every way to double, or not to.
#include <cstdint>

extern "C" void double_it(const float *x, float *y, int64_t n) {
    for (int64_t i = 0; i < n; ++i) y[i] = 2 * x[i];
}

extern "C" void triple_it(const float *x, float *y, int64_t n) {
    for (int64_t i = 0; i < n; ++i) y[i] = 3 * x[i];
}

extern "C" void double_all_but_one(const float *x, float *y, int64_t n) { double_it(x, y, n - 1); }

extern "C" void double_one_too_many(const float *x, float *y, int64_t n) {
    double_it(x, y, n);
    y[n] = 7;
}

extern "C" void crash(const float *, float *, int64_t) { *(volatile int *)0 = 1; }
