// What a thread does between two looks at something that another thread has yet to write.
#pragma once

// Leaves the issue slots to others for about 20 ns.
__device__ __forceinline__ void backoff() { __nanosleep(20); }
