// Tiles of a single-pass scan are numbered by tickets: a tile's number is drawn, in order, when a block begins to run, so
// that a tile waits only for tiles whose blocks are running or done. Were it blockIdx, a block might wait for one that
// cannot start before it ends.
#pragma once

__device__ __forceinline__ unsigned draw_ticket(unsigned *next) { return atomicAdd(next, 1u); }
