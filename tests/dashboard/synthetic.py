"""Made-up runs for tests of the analysis and the dashboard. Nothing in them was measured, and their names say so.

Times follow a plain model (traffic over bandwidth, launches, steps), scattered by 1 %, so that pages have something
to show. They are written into temporary folders only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from workbench.store.counters import CounterTable
from workbench.store.launch import Launch, Rule
from workbench.store.new_run import create_run
from workbench.store.record import BuildFact, ErrorMeasure, Machine, Record, Run, Status, Time, Work
from workbench.store.run_folder import RunFolder

GPU = "synthetic H200"
CPU = "synthetic CPU"
GPU_CEILINGS = {
    "copy_bytes_per_s": 4.3e12, "matmul_flops_per_s": 5e13, "matmul_flops_per_s_bfloat16": 7.9e14, "launch_s": 3e-6,
    "step_latency_s": 4e-9,
}  # fmt: skip
CPU_CEILINGS = {
    "copy_bytes_per_s": 21e9, "triad_nt_bytes_per_s": 47e9, "matmul_flops_per_s": 1e11, "exp_per_s": 3e9,
    "launch_s": 1e-6, "step_latency_s": 4e-9,
}  # fmt: skip


@dataclass(frozen=True)
class Made:
    """A variant of the model: `traffic` in elements' bytes E, `launches` and `steps` as functions of T."""

    name: str
    algorithm: str
    traffic: Callable[[int], float]
    share: float
    launches: Callable[[int], int]
    serial: bool
    backends: tuple[str, ...] = ("cuda",)
    registers: int = 32
    shared: int = 0
    occupancy: float = 1.0


def _made() -> dict[str, list[Made]]:
    both, cpu = ("cuda", "cpu"), ("cpu",)
    once, thrice = (lambda T: 1), (lambda T: 3)
    three, five = (lambda T: 3.0), (lambda T: 5.0)
    scan = [
        Made("eager", "serial", lambda T: 8.0, 0.5, lambda T: 2 * T + 1, True, both),
        Made("log_space", "tree", lambda T: 20.0, 0.7, lambda T: 9, False, both),
        Made("hillis_steele", "tree", lambda T: 6 * math.log2(T), 0.8, lambda T: math.ceil(math.log2(T)), False),
        Made("blelloch", "tree", three, 0.5, once, False, shared=33_792, occupancy=0.75, registers=40),
        Made("serial", "serial", three, 0.6, once, True, registers=24),
        Made("vector", "serial", three, 0.75, once, True, registers=40),
        Made("prefetch", "serial", three, 0.87, once, True, registers=72, occupancy=0.375),
        Made("ring", "serial", three, 0.95, once, True, registers=48, shared=98_304, occupancy=0.25),
        Made("three_phase", "chunked", five, 0.85, thrice, False, registers=32),
        Made("look_back_free", "single_pass", three, 0.9, once, False, registers=56, shared=16_384, occupancy=0.5),
        Made("scalar", "serial", three, 0.3, once, True, cpu),
        Made("simd", "serial", three, 0.6, once, True, cpu),
        Made("streaming", "serial", three, 0.95, once, True, cpu),
    ]
    gated = [
        Made("eager", "serial", lambda T: 10.0, 0.5, lambda T: 6 * T, True, both),
        Made("serial_gated", "serial", three, 0.6, once, True),
        Made("ring", "serial", three, 0.93, once, True, registers=64, shared=98_304, occupancy=0.25),
        Made("streaming", "serial", three, 0.8, once, True, cpu),
    ]
    gate = [
        Made("eager", "product", lambda T: 6.0, 0.4, lambda T: 4, False, both),
        Made("fused_shared", "product", three, 0.3, once, False, shared=49_152, registers=96, occupancy=0.31),
        Made("batched", "product", three, 0.8, lambda T: 2, False),
        Made("batched_cpu", "product", three, 0.8, lambda T: 0, False, cpu),
    ]
    projection = [
        Made("eager", "product", lambda T: 6.0, 0.4, lambda T: 4 * T, False, both),
        Made("per_step", "product", lambda T: 6.0, 0.5, lambda T: T, False, registers=40),
        Made("batched", "product", three, 0.8, once, False, both),
    ]
    layer = [
        Made("eager", "serial", lambda T: 24.0, 0.4, lambda T: 12 * T, True, both),
        Made("source_final", "tree", lambda T: 14.0, 0.4, lambda T: T + 2, False),
        Made("gates_serial", "serial", lambda T: 13.0, 0.34, lambda T: 4, True),
        Made("gated_ring", "serial", lambda T: 9.0, 0.37, thrice, True),
        Made("batched_streaming", "serial", lambda T: 8.0, 0.45, lambda T: 0, True, cpu),
    ]
    return {"gate": gate, "scan": scan, "gated_scan": gated, "projection": projection, "layer": layer}


MADE = _made()
AXES = {"gate": "BTDH", "scan": "BTH", "gated_scan": "BTH", "projection": "BTHO", "layer": "BTDHO"}


def synthetic_records(
    device: str = GPU,
    lengths: tuple[int, ...] = (1024, 4096, 16384),
    batches: tuple[int, ...] = (8,),
    widths: tuple[int, ...] = (1024,),
    dtypes: tuple[str, ...] = ("float32", "bfloat16"),
    seed: int = 0,
    samples: int = 20,
) -> Iterator[Record]:
    """Records of every made-up variant; on the CPU the CUDA ones are simulated, with what they compile to."""
    random = np.random.default_rng(seed)
    for operation, variants in MADE.items():
        for made in variants:
            for dtype in dtypes:
                for T in lengths:
                    for B in batches:
                        for H in widths:
                            shape = {axis: {"B": B, "T": T}.get(axis, H) for axis in AXES[operation]}
                            yield _record(operation, made, device, {**shape, "dtype": dtype}, random, samples)


def _record(
    operation: str, made: Made, device: str, shape: dict[str, Any], random: np.random.Generator, samples: int
) -> Record:
    on_gpu = device == GPU
    if "cuda" in made.backends and on_gpu:
        backend = "cuda"
    elif "cpu" in made.backends and not on_gpu:
        backend = "cpu"
    else:
        backend = "simulated" if "cuda" in made.backends else "cpu"
    T, elements = shape["T"], shape["B"] * shape["T"] * shape["H"]
    element_bytes = 4 if shape["dtype"] == "float32" else 2
    moved = int(made.traffic(T) * elements * element_bytes)
    product = "O" in shape or "D" in shape
    flops = 2 * elements * (shape["H"] if product else 1)
    label = "-".join(f"{axis}{size}" for axis, size in shape.items() if axis != "dtype").lower()
    axes = {axis: size for axis, size in shape.items() if axis != "dtype"}
    least = 3 * elements * element_bytes
    fields: dict[str, Any] = {
        "key": f"{operation}.{made.name}.{label}.{shape['dtype']}.normal.forward.{backend}",
        "operation": operation, "variant": made.name, "axes": axes, "dtype": shape["dtype"], "regime": "normal",
        "machine": "cuda" if on_gpu else "cpu", "backend": backend,
        "factors": {"algorithm": made.algorithm}, "settings": {"block": 128}, "status": Status.OK,
        "error": ErrorMeasure(relative_l2=8e-8, bound=1e-6, where="h, slow"),
        "declared": Work(bytes=moved, launches=made.launches(T), serial_steps=T * made.serial, special=0,
                         flops=0 if product else flops, matrix_flops=flops if product else 0),
        "least": Work(bytes=least, flops=0, matrix_flops=0, special=0, launches=0, serial_steps=0),
        "build": _build(operation, made, backend),
    }  # fmt: skip
    if on_gpu and backend != "cuda":
        return Record(**{**fields, "status": Status.UNSUPPORTED, "reason": "runs on a CPU only", "error": None})
    if backend == "simulated":
        return Record(**fields)
    ceilings = GPU_CEILINGS if on_gpu else CPU_CEILINGS
    bandwidth = max(v for k, v in ceilings.items() if "bytes" in k)
    rate = ceilings["matmul_flops_per_s"] * (16 if on_gpu and shape["dtype"] == "bfloat16" else 1)
    floors = {"bandwidth": moved / bandwidth, "launches": made.launches(T) * ceilings["launch_s"]}
    floors["matrix" if product else "latency"] = (
        flops / rate if product else T * ceilings["step_latency_s"] * made.serial
    )
    bound = max(floors, key=lambda name: floors[name])
    median = floors[bound] / made.share + (3e-6 if on_gpu else 1e-6)
    times = median * (1 + 0.01 * random.standard_normal(samples))
    middle = float(np.median(times))
    low, high = np.quantile(times, (0.35, 0.65))
    time = Time(
        median_s=middle, low_s=float(low), high_s=float(high), minimum_s=float(times.min()), count=samples,
        timer="cuda_event" if on_gpu else "cpu_wall", cache="cold" if on_gpu else "rotated", stopped_by="spread",
    )  # fmt: skip
    return Record(**fields, time=time, samples_s=times.tolist())


def _build(operation: str, made: Made, backend: str) -> list[BuildFact]:
    if made.name in ("eager", "batched", "log_space", "gates_serial", "gated_ring") or backend == "cpu":
        return []
    return [
        BuildFact(
            arch=arch, kernel=f"{operation}_{made.name}", source=f"{made.name}.cu", registers=made.registers,
            shared_bytes=made.shared, stack_bytes=0, spill_bytes=0, code_bytes=1920, block_threads=128,
            occupancy_theoretical=made.occupancy, occupancy_limiter="registers" if made.registers > 40 else "warps",
            sass_mix={"global_load_128": 12, "ffma": 64, "mufu": 4, "branch": 5, "other": 70, "total": 155},
        )
        for arch in ("sm_90", "sm_89")
    ]  # fmt: skip


def machine(device: str, noise_floor: float | None = 0.01) -> Machine:
    on_gpu = device == GPU
    return Machine(
        id="cuda" if on_gpu else "cpu", name=device, backend="cuda" if on_gpu else "cpu", noise_floor=noise_floor,
        ceilings=GPU_CEILINGS if on_gpu else CPU_CEILINGS,
    )  # fmt: skip


def synthetic_run(
    profiles: Path,
    name: str = "synthetic-gpu",
    device: str = GPU,
    *,
    created: str = "2026-01-01T00:00:00Z",
    counters: bool = False,
    finished: bool = True,
    slowdown: float = 1.0,
    noise_floor: float | None = 0.01,
    **sizes: Any,
) -> RunFolder:
    """A run folder of made-up records, written by the store as a sweep would. `slowdown` stretches every time."""
    run = Run(
        name=name, created=created, command=["synthetic"], machines=[machine(device, noise_floor)],
        environment={"python": "3.12", "note": "synthetic: nothing was measured"},
    )  # fmt: skip
    folder = create_run(profiles, run)
    records = [stretched(record, slowdown) for record in synthetic_records(device, **sizes)]
    for record in records:
        with (folder.path / "records.jsonl").open("a") as file:  # not append(): a sync a record takes minutes here
            file.write(record.model_dump_json(by_alias=True) + "\n")
    if counters:
        add_counters(folder.path, records)
    if finished:
        folder.finish()
    return folder


def stretched(record: Record, factor: float) -> Record:
    if record.time is None or factor == 1.0:
        return record
    time = record.time
    longer = {f: getattr(time, f) * factor for f in ("median_s", "low_s", "high_s", "minimum_s")}
    return record.model_copy(
        update={"time": time.model_copy(update=longer), "samples_s": [s * factor for s in record.samples_s]}
    )


STALLS = ("long_scoreboard", "short_scoreboard", "barrier", "wait", "not_selected", "math_pipe_throttle", "selected")


def add_counters(run: Path, records: list[Record]) -> None:
    """Counters of every timed record at its largest T, in the names that Nsight Compute uses."""
    table = CounterTable()
    random = np.random.default_rng(1)
    for record in records:
        if record.time is None or record.axes["T"] != max(r.axes["T"] for r in records):
            continue
        for launch in range(min(record.declared.launches or 1, 3)):
            table.append(record.key, _launch(record, launch, random))
    table.write(run)


def _launch(record: Record, number: int, random: np.random.Generator) -> Launch:
    assert record.time is not None
    launches = min(record.declared.launches or 1, 3)
    theoretical = 100 * (record.build[0].occupancy_theoretical or 1.0) if record.build else 100.0
    flops = float((record.declared.flops or 0) + (record.declared.matrix_flops or 0) or 1)
    moved = float(record.declared.bytes or 0) / launches
    metrics: dict[str, float | str] = {
        "gpu__time_duration.sum": record.time.median_s / launches * 0.97,
        "sm__warps_active.avg.pct_of_peak_sustained_active": theoretical * 0.9,
        "sm__maximum_warps_per_active_cycle_pct": theoretical,
        "dram__bytes_read.sum": moved * 0.68, "dram__bytes_write.sum": moved * 0.34,
        "gpu__dram_throughput.avg.pct_of_peak_sustained_elapsed": 70.0,
        "launch__registers_per_thread": float(record.build[0].registers or 32) if record.build else 32.0,
        "launch__block_size": 128.0, "launch__grid_size": 64.0, "launch__waves_per_multiprocessor": 0.5,
        "launch__occupancy_limit_registers": 16.0, "launch__occupancy_limit_shared_mem": 8.0,
        "launch__occupancy_limit_warps": 16.0, "launch__occupancy_limit_blocks": 32.0,
        "smsp__inst_executed.sum": 1e-2 * flops, "launch__func_cache_config": "none",
        "lts__t_sector_hit_rate.pct": 40.0, "l1tex__t_sector_hit_rate.pct": 5.0,
    }  # fmt: skip
    for stall, mean in zip(STALLS, (9.0, 1.0, 0.5, 2.0, 0.8, 0.1, 1.0), strict=True):
        metrics[f"smsp__average_warps_issue_stalled_{stall}_per_issue_active.ratio"] = mean * random.uniform(0.7, 1.3)
    kernel = record.build[0].kernel if record.build else f"library_{record.operation}_{number}"
    rule = Rule(
        rule="SOLBottleneck", title="Bottleneck", section="SpeedOfLight", message="Synthetic advice: move less.",
        kind="optimization", speedup_type="local", estimated_speedup_percent=12.5,
    )  # fmt: skip
    units = {name: "byte" if "bytes" in name else "" for name in metrics} | {"gpu__time_duration.sum": "s"}
    return Launch(kernel, metrics, units, (record.key,), (rule,), ("sm__inst_executed_pipe_fmaheavy.sum",))


def many_runs(profiles: Path, runs: int = 200, records: int = 500, samples: int = 20) -> None:
    """`runs` finished runs of `records` records each, written as the store lays them out, for tests of speed.

    One set of rows is made and its copies differ in key, T and times: a million of them through the validation of
    records would take minutes and show nothing more."""
    import pyarrow.parquet as pq

    from workbench.store.table import table_of

    base = [r for r in synthetic_records(GPU, samples=samples) if r.time is not None]
    copies = []
    for i in range(records):
        one, turn = base[i % len(base)], i // len(base)
        varied = {
            "key": f"{one.key}.{turn}",
            "axes": {**one.axes, "T": 2 ** (6 + turn % 12)},
            "settings": {"block": 32 * (1 + turn % 8)},
        }
        copies.append(one.model_copy(update=varied))
    table = table_of(copies)
    run = Run(name="", created="", command=["synthetic"], machines=[machine(GPU)], finished=True)
    for number in range(runs):
        name = f"synthetic-{number:04}"
        path = profiles / name
        path.mkdir(parents=True)
        created = f"2026-01-{1 + number // 24 % 28:02}T{number % 24:02}:00:00Z"
        named = run.model_copy(update={"name": name, "created": created})
        (path / "run.json").write_text(named.model_dump_json(by_alias=True))
        pq.write_table(table, path / "records.parquet")
