// A C entry to NVIDIA's occupancy calculator, which is a header of static functions.
#include <climits>
#include <cuda_occupancy.h>

struct Limits {
    int major, minor;
    int max_threads_per_block, max_threads_per_sm;
    int registers_per_block, registers_per_sm;
    int shared_default, shared_per_block, shared_per_sm, shared_reserved;
};

struct Answer {
    int blocks_per_sm;
    int by_warps, by_registers, by_shared, by_blocks, by_barriers;
};

// Shared memory is static and dynamic together: the kernel is taken to have opted in to as much as it asks for.
extern "C" int occupancy(const Limits *limits, int block_threads, int registers, long long shared_bytes, int barriers,
                         Answer *answer) {
    cudaOccDeviceProp device;
    device.computeMajor = limits->major;
    device.computeMinor = limits->minor;
    device.maxThreadsPerBlock = limits->max_threads_per_block;
    device.maxThreadsPerMultiprocessor = limits->max_threads_per_sm;
    device.regsPerBlock = limits->registers_per_block;
    device.regsPerMultiprocessor = limits->registers_per_sm;
    device.warpSize = 32;
    device.sharedMemPerBlock = limits->shared_default;
    device.sharedMemPerMultiprocessor = limits->shared_per_sm;
    device.numSms = 1;
    device.sharedMemPerBlockOptin = limits->shared_per_block;
    device.reservedSharedMemPerBlock = limits->shared_reserved;

    cudaOccFuncAttributes kernel;
    kernel.maxThreadsPerBlock = INT_MAX;
    kernel.numRegs = registers;
    kernel.sharedSizeBytes = 0;
    kernel.shmemLimitConfig = FUNC_SHMEM_LIMIT_OPTIN;
    kernel.maxDynamicSharedSizeBytes = (size_t)shared_bytes;
    kernel.numBlockBarriers = barriers;

    cudaOccDeviceState state;
    cudaOccResult result;
    const cudaOccError error =
        cudaOccMaxActiveBlocksPerMultiprocessor(&result, &device, &kernel, &state, block_threads, (size_t)shared_bytes);
    if (error != CUDA_OCC_SUCCESS) return (int)error;
    *answer = {result.activeBlocksPerMultiprocessor, result.blockLimitWarps,  result.blockLimitRegs,
               result.blockLimitSharedMem,           result.blockLimitBlocks, result.blockLimitBarriers};
    return 0;
}
