// One step of a serial cell in one channel, forwards and back; its equations stand in cells.py. CELL is its gates:
// 1 a plain RNN, 3 a GRU, 4 an LSTM.
#pragma once

constexpr int GATES = CELL;

__device__ __forceinline__ float sigma(float x) { return 1.0f / (1.0f + expf(-x)); }

// What a step kept of one channel: KEPT rows of (H) floats behind each other, per step.
struct Kept {
    float *rows;
    long long stride;
    __device__ __forceinline__ float &operator[](int row) const { return rows[row * stride]; }
};

#if CELL == 1
constexpr int KEPT = 1;
// p, q -> h.
__device__ __forceinline__ float step(const float *p, const float *q, float, float &, const Kept &kept, bool keeps) {
    const float h = tanhf(p[0] + q[0]);
    if (keeps) kept[0] = h;
    return h;
}
// dh -> dp, dq; returns what goes to dh before by another way than the product.
__device__ __forceinline__ float step_back(float dh, float &, const Kept &kept, float, float, float *dp, float *dq) {
    dp[0] = dq[0] = dh * (1.0f - kept[0] * kept[0]);
    return 0.0f;
}
#elif CELL == 3
constexpr int KEPT = 4;
__device__ __forceinline__ float step(const float *p, const float *q, float before, float &, const Kept &kept,
                                      bool keeps) {
    const float r = sigma(p[0] + q[0]), logit = p[1] + q[1], z = sigma(logit), n = tanhf(p[2] + r * q[2]);
    if (keeps) {
        kept[0] = r;
        kept[1] = logit;  // of z near 1 there is no telling what 1 - z was
        kept[2] = n;
        kept[3] = q[2];
    }
    return sigma(-logit) * n + z * before;
}
__device__ __forceinline__ float step_back(float dh, float &, const Kept &kept, float, float before, float *dp,
                                           float *dq) {
    const float r = kept[0], z = sigma(kept[1]), not_z = sigma(-kept[1]), n = kept[2];
    dp[2] = dh * not_z * (1.0f - n * n);
    dq[0] = dp[0] = dp[2] * kept[3] * r * (1.0f - r);
    dq[1] = dp[1] = dh * (before - n) * z * not_z;
    dq[2] = dp[2] * r;
    return dh * z;
}
#elif CELL == 4
constexpr int KEPT = 5;
__device__ __forceinline__ float step(const float *p, const float *q, float, float &inner, const Kept &kept,
                                      bool keeps) {
    const float i = sigma(p[0] + q[0]), f = sigma(p[1] + q[1]), g = tanhf(p[2] + q[2]), o = sigma(p[3] + q[3]);
    inner = f * inner + i * g;
    if (keeps) {
        kept[0] = i;
        kept[1] = f;
        kept[2] = g;
        kept[3] = o;
        kept[4] = inner;
    }
    return o * tanhf(inner);
}
// ds comes in and goes out to the step before, whose state `inner_before` was (0 before the first).
__device__ __forceinline__ float step_back(float dh, float &ds, const Kept &kept, float inner_before, float, float *dp,
                                           float *dq) {
    const float i = kept[0], f = kept[1], g = kept[2], o = kept[3], out = tanhf(kept[4]);
    ds += dh * o * (1.0f - out * out);
    dp[0] = ds * g * i * (1.0f - i);
    dp[1] = ds * inner_before * f * (1.0f - f);
    dp[2] = ds * i * (1.0f - g * g);
    dp[3] = dh * out * o * (1.0f - o);
    for (int gate = 0; gate < GATES; ++gate) dq[gate] = dp[gate];
    ds *= f;
    return 0.0f;
}
#endif
