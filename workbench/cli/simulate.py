"""`workbench simulate`: what the compiler made, executed on the CPU and counted as Nsight Compute counts; no clock."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli.options import AXES, Json, Kernels, Timeout, check_timeout, decimal_number, split_axes, whole_number
from workbench.foreign import is_file, printable
from workbench.problem import Problem, unknown

if TYPE_CHECKING:
    from workbench.check.simulated import Request
    from workbench.declare import Operation, Shape

SETTINGS = AXES
THROUGH = {"sass": ("sass",), "ptx": ("ptx",), "both": ("sass", "ptx")}
GIB = 1 << 30

Follow = Annotated[str, typer.Option(metavar="BLOCK,WARP", help="What one warp does, instruction by instruction.")]


def command(
    words: Annotated[list[str] | None, typer.Argument(metavar="VARIANT", help="By name or operation/name.")] = None,
    arch: Annotated[str, typer.Option(help="One architecture, sm_80 to sm_121.")] = "sm_90",
    gpu: Annotated[str, typer.Option(help="Whose multiprocessors and caches; the first of the architecture.")] = "",
    dtype: Annotated[str, typer.Option(help="float32 or bfloat16; the operation's first where not given.")] = "",
    through: Annotated[str, typer.Option(help="sass (machine code), ptx, or both, which must agree.")] = "",
    ptx: Annotated[Path | None, typer.Option(metavar="FILE", help="PTX in place of what would be compiled.")] = None,
    cubin: Annotated[Path | None, typer.Option(metavar="FILE", help="A cubin in place of what would be.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="PTX under every checker, in four schedules; no counters.")
    ] = False,
    sample: Annotated[bool, typer.Option("--sample", help="A few blocks of each kind; results stay unknown.")] = False,
    seed: Annotated[int, typer.Option(parser=whole_number, help="Order of blocks and warps; 0: in order.")] = 0,
    trace: Annotated[
        str, typer.Option(metavar="BLOCK,WARP", help="What one warp does, instruction by instruction.")
    ] = "",
    kernel: Annotated[str, typer.Option(help="Which kernel --trace follows; the first where not given.")] = "",
    lines: Annotated[bool, typer.Option("--lines", help="Counters by source line, hottest first.")] = False,
    coverage: Annotated[bool, typer.Option("--coverage", help="Which instructions are known; runs nothing.")] = False,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Run the machine code in a report of Nsight Compute again.")
    ] = None,
    launch: Annotated[int, typer.Option(parser=whole_number, help="Which launch of --report; 0 is the first.")] = 0,
    argument: Annotated[
        list[str] | None,
        typer.Option(help="One of --report's kernel, in order: 128, 0.5 or buffer:BYTES; guessed where none is given."),
    ] = None,
    selection: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Of --report's records: workbench profile --print-command wrote it."),
    ] = None,
    timeout: Timeout = 300.0,
    memory: Annotated[
        float, typer.Option(parser=decimal_number, metavar="GIB", help="Memory that the simulation may take.")
    ] = 8.0,
    kernels: Kernels = None,
    as_json: Json = False,
) -> None:
    """Execute a variant's kernels as compiled, on the CPU: right or wrong, with Nsight's counters. No time.

    Without axes the operation's small shape is run; --T 1000 and the like choose another. Every figure is simulated.
    """
    from workbench.cli.simulate_table import print_coverage, print_report, print_result, print_verdict

    check_timeout(timeout)
    if not 0.1 <= memory <= 4096:
        raise Problem(f"--memory {memory:g}: GiB, from 0.1 to 4096", exit_status=2)
    names, axes = split_axes(words)
    if report is not None:
        if names or axes:
            raise Problem("--report runs a report's kernel: it takes no variant and no axes", exit_status=2)
        if through or ptx or cubin or check or sample or seed or trace or kernel or lines or coverage:
            raise Problem("--report compares a report's own machine code, run whole: no other option of a run", 2)
        if selection is not None:
            if argument or launch:
                raise Problem("--selection has the arguments of every launch: no --argument and no --launch", 2)
            _against_selection(report, selection, timeout, memory, as_json)
            return
        found = _rerun(report, launch, argument or [], timeout, memory)
        _json(found) if as_json else print_report(found)
        _complain(found["differences"], f"{len(found['differences'])} counters differ; they stand above")
        return
    if selection is not None:
        raise Problem("--selection goes with --report: the report that was made of it", exit_status=2)
    if len(names) != 1:
        raise Problem("simulate takes one variant, such as scan/serial; workbench list names them", exit_status=2)
    from workbench.catalog import load_catalog
    from workbench.compile.archs import check_arch

    check_arch(arch)
    catalog = load_catalog(kernels)
    variant = catalog.named(names[0])
    operation = catalog.operation_of(variant)
    files = {"ptx": ptx, "cubin": cubin}
    for kind, path in files.items():
        if path is not None and not is_file(path):
            raise Problem(f"{printable(path)}: no file is there; name one for --{kind}", exit_status=2)
    given = tuple(("sass" if k == "cubin" else k, str(path.resolve())) for k, path in files.items() if path is not None)
    levels = tuple(level for level, _ in given) if given and not through else _levels(through or "both")
    if check and (through == "sass" or cubin is not None or trace or sample or coverage or lines or seed):
        raise Problem("--check runs PTX in schedules of its own, and counts nothing: no other option of a run", 2)
    if kernel and not trace:
        raise Problem(f"--kernel {printable(kernel)}: goes with --trace BLOCK,WARP, which it chooses the kernel of", 2)
    shape = _shape(operation, axes, dtype)
    if (why := variant.supports(shape)) is not None:
        raise Problem(f"{variant.key} at {shape}: {why}")
    from workbench.check.simulated import Request

    request = Request(
        shape, variant.default_settings(), arch, _gpu(gpu, arch), levels, given, sample, 1 if seed else 2, seed,
        _pair(trace), kernel,
    )  # fmt: skip
    root = catalog.roots[0]
    if coverage:
        found = _in_worker(root, variant.key, memory, timeout, "coverage", request)
        _json(found) if as_json else print_coverage(found)
        _complain(found["refused"], "not all of it is known")
        return
    if check:
        found = _in_worker(root, variant.key, memory, timeout, "examined", request)
        _json(found) if as_json else print_verdict(found)
        if not found["right"] and not found["known_loss"]:
            raise Problem(f"{variant.key} does not pass: {found['reason']}")
        return
    found = _in_worker(root, variant.key, memory, timeout, "run", request)
    _json(found) if as_json else print_result(found, lines)
    wrong = [r for r in found["runs"] if r["status"] in ("fault", "incorrect", "refused")]
    excused = found["known_loss"] and all(r["status"] == "incorrect" for r in wrong)
    _complain([r["reason"] for r in wrong if not excused] + found["findings"], f"{variant.key} does not pass")


def _complain(found: list[Any], what: str) -> None:
    if found:
        raise Problem(f"{what}: {found[0]}" if isinstance(found[0], str) else what)


def _levels(through: str) -> tuple[str, ...]:
    if through not in THROUGH:
        raise unknown("front end", through, THROUGH)
    return THROUGH[through]


def _gpu(name: str, arch: str) -> str:
    """The device of the data file whose sizes count."""
    from workbench.devices import device, first_for_arch

    if name:
        return device(name).name
    try:
        return first_for_arch(arch).name
    except Problem as problem:
        raise Problem(f"{problem}; --gpu NAME takes another's multiprocessors and caches", exit_status=2) from None


def _pair(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    if not (found := re.fullmatch(r"([0-9]{1,15}),([0-9]{1,4})", text)):
        raise Problem(f"--trace {text}: takes a block's number and a warp's, as in 0,0", exit_status=2)
    return int(found[1]), int(found[2])


def _shape(operation: Operation, axes: tuple[tuple[str, tuple[int, ...]], ...], dtype: str) -> Shape:
    from workbench.declare import Shape

    sizes = dict(operation.small)
    for axis, values in axes:
        if axis not in operation.axes:
            raise unknown("axis", f"--{axis}", [f"--{known}" for known in operation.axes])
        if len(values) != 1:
            raise Problem(f"--{axis}: simulate runs one shape; name one size", exit_status=2)
        sizes[axis] = values[0]
    dtype = dtype or operation.dtypes[0]
    if dtype not in operation.dtypes:
        raise unknown("dtype", dtype, operation.dtypes)
    return Shape(tuple((axis, sizes[axis]) for axis in operation.axes), dtype)


def _in_worker(
    root: Path, variant: str, memory: float, timeout: float, method: str, request: Request
) -> dict[str, Any]:
    """A hostile file or an endless kernel costs this one process."""
    from workbench.execute.worker import Worker

    worker = Worker("workbench.check.simulated:SimulatedVariant", root, variant, int(memory * GIB))
    return _answer(worker, timeout, method, request)


def _against_selection(report: Path, selection: Path, timeout: float, memory: float, as_json: bool) -> None:
    """Every launch of the selection's records beside what was measured of it."""
    from workbench.cli.simulate_table import print_conformance
    from workbench.execute.worker import Worker

    worker = Worker("workbench.profile.conform:SelectionRerun", int(memory * GIB))
    found = _answer(worker, timeout, "run", str(report), str(selection))
    _json(found) if as_json else print_conformance(found)
    differ = [f"{one['key']} {one['kernel']}" for one in found["launches"] if one["differences"] or one["reason"]]
    _complain(differ, f"{len(differ)} of {len(found['launches'])} launches differ or were not run; the first")


def _rerun(report: Path, launch: int, arguments: list[str], timeout: float, memory: float) -> dict[str, Any]:
    from workbench.execute.worker import Worker

    worker = Worker("workbench.profile.rerun:ReportRerun", int(memory * GIB))
    return _answer(worker, timeout, "run", str(report), launch, tuple(arguments))


def _answer(worker: Any, timeout: float, method: str, *arguments: Any) -> dict[str, Any]:
    from workbench.execute.failures import WorkerCrashed, WorkerTimeout
    from workbench.simulate.library import compiled

    try:
        compiled()  # once, and not within the time that the simulation has
        found: dict[str, Any] = worker.call(method, *arguments, timeout_s=timeout, returns=dict[str, Any])
        return found
    except WorkerTimeout:
        hint = "" if method == "coverage" else "; --sample runs a few blocks of each kind, --timeout waits longer"
        raise Problem(f"the simulation did not end within {timeout:g} s{hint}") from None
    except WorkerCrashed as crash:
        raise Problem(f"the simulation ended: {crash}; --memory gives it more") from None
    finally:
        worker.close()


def _json(value: object) -> None:
    import json

    print(json.dumps(value, indent=2))
