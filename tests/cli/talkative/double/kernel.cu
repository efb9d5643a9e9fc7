extern "C" __global__ void double_it(const float *x, float *y, long long n) {
    const long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (i == 0) printf("a kernel\n");
    if (i < n) y[i] = 2 * x[i];
}
