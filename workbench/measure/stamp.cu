// What a GPU clock needs on the device side.

// Holds the stream until the host sets *release, so that everything behind it is queued before any of it starts and
// launch latency stays out of the sample. Gives up after `patience_ns` (a variant that waits for the host would never
// end otherwise) and says so in *gave_up. release and gave_up are pinned host memory.
extern "C" __global__ void hold_stream(volatile int *release, volatile int *gave_up, long long patience_ns) {
    unsigned long long start, now;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(start));
    while (*release == 0) {
        asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
        if ((long long)(now - start) > patience_ns) {
            *gave_up = 1;
            break;
        }
    }
    __threadfence_system();
}

// Notes this multiprocessor's cycle counter beside the global nanosecond timer: two stamps around a piece of work give
// the clock it ran at. stamps (multiprocessors, 2); launched with one thread per block, as many blocks as fill the chip.
extern "C" __global__ void stamp_clock(long long *stamps, int multiprocessors) {
    unsigned int sm;
    unsigned long long nanoseconds;
    asm volatile("mov.u32 %0, %%smid;" : "=r"(sm));
    if ((int)sm >= multiprocessors) return;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(nanoseconds));
    stamps[2 * sm] = clock64();
    stamps[2 * sm + 1] = (long long)nanoseconds;
}
