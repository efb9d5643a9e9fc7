"""`workbench best`: the variant to take for a shape, from what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.known import refuse_unknown
from workbench.cli.options import AXES, Json, Kernels, Profiles, one_size_each, split_axes
from workbench.problem import Problem, unknown

if TYPE_CHECKING:
    from workbench.catalog import Catalog
    from workbench.devices import Datasheet
    from workbench.views.candidates import Candidates
    from workbench.views.ranking import Ranked
    from workbench.views.runs import RunSummary

SETTINGS = AXES


def command(
    operation: Annotated[
        list[str] | None, typer.Argument(metavar="OPERATION", help="One operation, and sizes: scan --T 1024 --H 512.")
    ] = None,
    pass_: Annotated[str, typer.Option("--pass", help="forward, backward…")] = "forward",
    dtype: Annotated[str, typer.Option(help="What crosses memory.")] = "float32",
    device: Annotated[str, typer.Option(help="cpu, cuda, or a part of the device's name; all that were timed.")] = "",
    run: Annotated[str, typer.Option(help="Look at this run alone; all runs by default, the newest first.")] = "",
    profiles: Profiles = Path("profiles"),
    kernels: Kernels = None,
    as_json: Json = False,
) -> None:
    """The measured variants of an operation at a shape from fast to slow, with ties and what sets each apart.

    A tie is what `workbench compare` would not call slower. Every size is an option: --B 1 --T 65536 --H 256
    Of a GPU that no run has timed (--device h100) the variants are ranked by an estimate, which is modelled.
    """
    from workbench.catalog import load_catalog
    from workbench.cli.terminal import say
    from workbench.devices import devices
    from workbench.show.trust import doubts
    from workbench.views.filter import Filter
    from workbench.views.on_device import on_device
    from workbench.views.query import read_records
    from workbench.views.ranking import READ, as_plain, at_shape, nearest, ranking
    from workbench.views.runs import list_summaries, run_summary
    from workbench.views.timed import first_of, timed

    names, axes = split_axes(operation)
    if len(names) != 1:
        raise Problem("best: name one operation, as in: workbench best scan --T 1024 --H 512", exit_status=2)
    sizes = one_size_each(axes, "best")
    runs = [run_summary(run, profiles)] if run else [one for one in list_summaries(profiles) if one.state != "corrupt"]
    gpu = not_at_hand(device, [machine.name for one in runs for machine in one.machines if machine.backend == "cuda"])
    if gpu is not None:
        _modelled(load_catalog(kernels, names), names[0], pass_, dtype, sizes, gpu, runs, as_json)
        return
    everywhere = Filter(operations=names, passes=(pass_,), dtypes=(dtype,))
    here = replace(everywhere, sizes=tuple((axis, (size,)) for axis, size in sizes.items()))
    order = [one.name for one in runs]
    decide = timed(runs, here)
    newest_of_each = {*first_of(decide.frame, order, ("shape", "device", "variant"))["run"]}
    result = read_records([one for one in runs if one.name in newest_of_each], here, samples=True, only=READ)
    if result.frame.empty:  # what there is instead
        result = read_records(runs, everywhere, only=["backend"])
    records = on_device(result.frame, device, devices())
    wanted = " ".join(f"{name}={size}" for name, size in sizes.items())
    chosen = at_shape(records, sizes)
    if chosen.empty:
        if records.empty:
            refuse_unknown(kernels, names[0], pass_)
        measure = " ".join(["workbench sweep", names[0], *(f"--{name} {size}" for name, size in sizes.items())])
        near = nearest(records, sizes)
        told = f"; measured nearby: {', '.join(near)}" if near else ""
        raise Problem(
            f"{names[0]} {pass_} {dtype} was not timed at {wanted or 'any shape'}{told}; {measure} measures it"
        )
    groups = [(shape, name, rows) for (shape, name), rows in chosen.groupby(["shape", "device"], sort=False)]
    found = [(str(shape), str(name), ranking(rows, order)) for shape, name, rows in groups]
    if as_json:
        import json

        print(
            json.dumps([{"shape": json.loads(s), "device": d, "ranking": as_plain(r)} for s, d, r in found], indent=2)
        )
        return
    for shape, name, ranked in found:
        _print(names[0], shape, name, ranked)
    looked_at = {(one.run, one.variant) for _, _, ranked in found for one in ranked}
    used = chosen[[pair in looked_at for pair in zip(chosen["run"], chosen["variant"], strict=True)]]
    for text in doubts(used, [one.run for one in runs if one.run is not None and one.name in set(used["run"])]):
        say(f"! {text}", style="bold red")
    for problem in dict.fromkeys((*decide.problems, *result.problems)):
        say(f"note: {problem}")


def not_at_hand(name: str, timed_on: Sequence[str]) -> Datasheet | None:
    """A GPU of the data file that is named so and on which nothing was timed."""
    from workbench.devices import device

    if not name or any(name.casefold() in one.casefold() for one in timed_on):
        return None
    try:
        gpu = device(name)
    except Problem:
        return None
    return None if {one.casefold() for one in gpu.driver_names} & {one.casefold() for one in timed_on} else gpu


def _modelled(
    catalog: Catalog,
    name: str,
    pass_: str,
    dtype: str,
    sizes: dict[str, int],
    gpu: Datasheet,
    runs: Sequence[RunSummary],
    as_json: bool,
) -> None:
    """The ranking by estimates, from what the runs' simulations counted. Problem where they counted nothing."""
    import json
    from dataclasses import asdict

    from workbench.declare import Shape, operation_key
    from workbench.views.candidates import candidates
    from workbench.views.filter import Filter
    from workbench.views.query import read_records

    operation = catalog.operation(operation_key(name, pass_))
    if unknown_axes := [axis for axis in sizes if axis not in operation.axes]:
        raise unknown("axis", f"--{unknown_axes[0]}", [f"--{axis}" for axis in operation.axes])
    shape = Shape.of(dtype, **{axis: sizes.get(axis, usual) for axis, usual in operation.axes.items()})
    records = read_records(runs, Filter(operations=(name,), passes=(pass_,), dtypes=(dtype,))).frame
    found = candidates(records, catalog, operation, shape, gpu, [one.name for one in runs])
    if not found.ranked:
        raise Problem(
            f"{name} {pass_} {dtype}: nothing was timed on {gpu.title} and no machine code was counted for {gpu.arch}; "
            f"on a machine without a GPU workbench sweep {name} --arch {gpu.arch} counts it"
        )
    if as_json:
        plain = {**asdict(found), "modelled": True, "gpu": gpu.name, "shape": {**shape.as_dict(), "dtype": dtype}}
        print(json.dumps(plain, indent=2))
        return
    _print_modelled(f"{operation.key}  {shape}  on {gpu.title}, not at hand: modelled, nothing was timed", found)


def _print_modelled(title: str, found: Candidates) -> None:
    from workbench.cli.terminal import Column, Row, print_table, say
    from workbench.quantity import quantity
    from workbench.show.figures import settings_text, value_text

    keeps = [KEPT] if any(c.kept_bytes for c in found.ranked) else []  # a backward pass alone has any
    headings = ("rank", "variant", "about", "÷ shortest", "bound by", "error", *keeps, "settings", "counted at", "run")
    rows = [
        Row([str(c.rank), c.variant, quantity(c.seconds, "s", 2), quantity(c.ratio, "x", 2), c.bound_by,
             value_text("error.relative_l2", c.error), *([quantity(c.kept_bytes, "B")] if keeps else []),
             settings_text(c.settings), c.counted_at, c.run])
        for c in found.ranked
    ]  # fmt: skip
    right = ("rank", "about", "÷ shortest", "error", KEPT)
    print_table(title, [Column(name, right=name in right) for name in headings], rows)
    for one in found.ranked:
        say(f"{one.variant}: {one.reason}", style="dim")
    for variant, reason in found.left_out.items():
        say(f"{variant}: no estimate ({reason})", style="dim")
    say(f"try these on the hardware: {', '.join(found.to_try)} (modelled; docs/simulation.md says from what)")
    print()


def _print(operation: str, shape: str, device: str, ranked: Sequence[Ranked]) -> None:
    from workbench.cli.terminal import Column, Row, print_table, say
    from workbench.quantity import quantity
    from workbench.show.figures import settings_text, value_text
    from workbench.views.ranking import to_take
    from workbench.views.shapes import shape_text

    keeps = [KEPT] if any(one.kept_bytes is not None for one in ranked) else []  # a backward pass alone has any
    headings = [*HEADINGS[:-2], *keeps, *HEADINGS[-2:]]
    columns = [Column(name, right=name in ("rank", "time", "÷ first", "error", KEPT)) for name in headings]
    rows = [
        Row(
            [
                str(one.rank),
                one.variant,
                quantity(one.median_s, "s"),
                f"{quantity(one.low_s, 's')} – {quantity(one.high_s, 's')}",
                quantity(one.ratio, "x"),
                value_text("share_of_limit", one.share_of_limit),
                value_text("error.relative_l2", one.error),
                *([quantity(one.kept_bytes, "B")] if keeps else []),
                settings_text(one.settings),
                one.run,
            ],
            {1: "yellow"} if one.disturbed else {},
        )
        for one in ranked
    ]
    print_table(f"{operation}  {shape_text(shape)}  on {device}", columns, rows)
    for one in ranked:
        say(f"{one.variant}: {one.reason}" + (" [timed on a disturbed machine]" if one.disturbed else ""), style="dim")
    say(to_take(ranked))
    print()


KEPT = "kept"
HEADINGS = ("rank", "variant", "time", "95 % interval", "÷ first", "% of the best possible", "error", "settings", "run")
