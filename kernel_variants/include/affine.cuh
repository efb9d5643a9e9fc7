// The algebra of the scan. A step h -> a h + b is an affine map; steps in a row compose to one affine map, and
// composition is associative: that alone makes a parallel scan possible.
#pragma once

struct Affine {
    float a, b;
};

__device__ __forceinline__ Affine identity() { return Affine{1.0f, 0.0f}; }

__device__ __forceinline__ float apply(Affine step, float h) { return step.a * h + step.b; }

// The map that does `earlier`, then `later`: (a2, b2) o (a1, b1) = (a2 a1, a2 b1 + b2). Not commutative.
__device__ __forceinline__ Affine compose(Affine later, Affine earlier) {
    return Affine{later.a * earlier.a, later.a * earlier.b + later.b};
}
