// The runtime's interface to Python (workbench/emulate/runtime.py states the same types for ctypes).
#include <cstring>

#include "fault.h"
#include "memory.h"
#include "state.h"

namespace emulator {

struct Parameter {
    const char *word;
    int pointer;
};
struct Entry { // as in include/emulated_entry.h
    const char *name;
    int count;
    const Parameter *parameters;
    void (*call)(void *const *arguments);
    void *(*shared_anchor)();
};

struct Request {
    const Entry *entry;
    void *const *arguments;
    uint32_t grid[3], block[3];
    int64_t dynamic_shared;
    int32_t order;
    uint32_t resident_blocks;
    uint64_t seed;
};

struct Report {
    const char *kind, *text, *file;
    int32_t line, has_block, has_thread;
    uint32_t block[3], thread[3];
    const void *instruction;
};

static void check_limits(const Request *r) {
    const uint64_t threads = (uint64_t)r->block[0] * r->block[1] * r->block[2];
    const uint64_t grid = (uint64_t)r->grid[0] * r->grid[1] * r->grid[2];
    if (threads == 0 || grid == 0) fail_launch("empty_launch", "a grid or block with no threads");
    if (threads > max_threads || r->block[0] > 1024 || r->block[1] > 1024 || r->block[2] > 64)
        fail_launch("block_too_big", printed("a block of %u x %u x %u threads: at most 1024, and 64 in z", r->block[0], r->block[1], r->block[2]));
    if (r->grid[0] > 0x7fffffffu || r->grid[1] > 65535 || r->grid[2] > 65535)
        fail_launch("grid_too_big", printed("a grid of %u x %u x %u blocks: at most 65535 in y and z", r->grid[0], r->grid[1], r->grid[2]));
    if (r->dynamic_shared > max_dynamic_shared)
        fail_launch("shared_too_big", printed("%lld bytes of dynamic shared memory: at most 227 KiB", (long long)r->dynamic_shared));
}

static void check_shared_limits(const Request *r) {
    if (static_shared_bytes() > max_static_shared)
        fail_launch("shared_too_big", printed("%lld bytes of static shared memory: at most 48 KiB", (long long)static_shared_bytes()));
    if (static_shared_bytes() + r->dynamic_shared > max_dynamic_shared)
        fail_launch("shared_too_big", printed("%lld bytes of shared memory: at most 227 KiB", (long long)(static_shared_bytes() + r->dynamic_shared)));
}

static void describe(const Request *r) {
    launch.kernel = r->entry->name;
    launch.call = r->entry->call;
    launch.arguments = r->arguments;
    launch.threads = r->block[0] * r->block[1] * r->block[2];
    launch.blocks = (int64_t)r->grid[0] * r->grid[1] * r->grid[2];
    launch.dynamic_shared = r->dynamic_shared;
    launch.order = (Order)r->order;
    launch.random = (r->seed + 1) * 0x9e3779b97f4a7c15ull | 1;
    launch.max_resident = r->resident_blocks ? r->resident_blocks : 1;
    gridDim = {r->grid[0], r->grid[1], r->grid[2]};
    blockDim = {r->block[0], r->block[1], r->block[2]};
}

static void tell(Report *report) {
    const Fault &f = fault_found;
    report->kind = f.kind.c_str(), report->text = f.text.c_str(), report->file = f.file.c_str();
    report->line = f.line, report->has_block = f.has_block, report->has_thread = f.has_thread;
    memcpy(report->block, &f.block, sizeof f.block);
    memcpy(report->thread, &f.thread, sizeof f.thread);
    report->instruction = f.instruction;
}

} // namespace emulator

using namespace emulator;

// 0, or 1 and a report of the fault that ended the launch (its strings stand until the next launch).
extern "C" int emulator_launch(const Request *request, Report *report) {
    fault_found = Fault{};
    block = nullptr, warp = nullptr;
    if (sigsetjmp(back_to_launch, 1) == 0) {
        check_limits(request);
        describe(request);
        open_shared(request->entry->shared_anchor(), request->dynamic_shared);
        check_shared_limits(request);
        watch_slack();
        catch_signals();
        run_launch();
        release_signals();
        return 0;
    }
    release_signals();
    reset_fibers();
    forget_shared();
    tell(report);
    return 1;
}
