// Barriers of a block. Named barriers (bar.sync id, threads) are those of NVIDIA's intrinsics.
#pragma once

inline void __syncthreads(EMULATED_HERE) { emulated_barrier(0, 0, EMULATED_COUNT, 0, file, line); }
inline int __syncthreads_count(int predicate, EMULATED_HERE) {
    return emulated_barrier(0, 0, EMULATED_COUNT, predicate, file, line);
}
inline int __syncthreads_and(int predicate, EMULATED_HERE) {
    return emulated_barrier(0, 0, EMULATED_AND, predicate, file, line);
}
inline int __syncthreads_or(int predicate, EMULATED_HERE) {
    return emulated_barrier(0, 0, EMULATED_OR, predicate, file, line);
}
inline void __barrier_sync(unsigned barrier, EMULATED_HERE) {
    emulated_barrier(barrier, 0, EMULATED_COUNT, 0, file, line);
}
inline void __barrier_sync_count(unsigned barrier, unsigned threads, EMULATED_HERE) {
    emulated_barrier(barrier, threads, EMULATED_COUNT, 0, file, line);
}
