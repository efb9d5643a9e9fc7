// The scan of a warp by CUB (NVIDIA's cccl): the field's own answer to warp_scan of 40_warp_shuffle.cu.
#pragma once

#include "affine.cuh"
#include <cub/warp/warp_scan.cuh>

struct Compose {
    __device__ __forceinline__ Affine operator()(const Affine &earlier, const Affine &later) const {
        return compose(later, earlier);
    }
};

// Composes every lane's map with those of all lanes below it. All 32 lanes take part.
__device__ __forceinline__ Affine cub_warp_scan(Affine own) {
    typedef cub::WarpScan<Affine> Scan;
    typename Scan::TempStorage none; // 32 lanes scan by shuffles and store nothing
    Affine scanned;
    Scan(none).InclusiveScan(own, scanned, Compose());
    return scanned;
}
