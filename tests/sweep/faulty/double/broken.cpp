extern "C" void double_it(const float *x, float *y, long n) { this is no C++ }
