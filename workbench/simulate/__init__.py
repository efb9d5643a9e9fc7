"""The compiled kernel executed on the host and counted as Nsight Compute counts; never timed.

`machine/` is the runtime in C++: lanes, memory, blocks and warps, counters. It has no word of PTX or SASS: a front end
reads either and lowers it to a `Program`, whose every operand is a row of a warp's file.
"""
