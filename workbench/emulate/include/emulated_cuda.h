// CUDA C++ for the host compiler: what device code may name, over the emulator's runtime.
// Included in front of every emulated source. NVIDIA's own headers supply vector types, bf16 and half.
#pragma once

#include "emulated_types.h"
#include "emulated_runtime.h"
#include "emulated_barrier.h"
#include "emulated_warp.h"
#include "emulated_atomic.h"
#include "emulated_memory.h"
#include "emulated_math.h"
#include "emulated_entry.h"
