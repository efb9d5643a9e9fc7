"""`workbench occupancy`: what the occupancy would be at another block size, register count or shared size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli.options import Json, Kernels

if TYPE_CHECKING:
    from workbench.compile.occupancy import OccupancyPoint


def command(
    variant: Annotated[str, typer.Argument(help="operation/name; none: --registers and --shared alone.")] = "",
    arch: Annotated[str, typer.Option(help="One architecture, such as sm_90.")] = "sm_90",
    dtype: Annotated[str, typer.Option(help="float32 or bfloat16.")] = "float32",
    block: Annotated[str, typer.Option(help="Threads per block, as in 32:1024:+32.")] = "",
    registers: Annotated[str, typer.Option(help="Registers per thread; what it compiles to where not given.")] = "",
    shared: Annotated[str, typer.Option(help="Bytes per block, static and dynamic; its own where not given.")] = "",
    kernel: Annotated[str, typer.Option(help="One kernel of the variant; all where not given.")] = "",
    kernels: Kernels = None,
    as_json: Json = False,
) -> None:
    """Theoretical occupancy over block size, registers and shared memory, with the limiter at each point.

    Registers and shared memory stay what they are while the block size varies, which a kernel that sizes its shared
    memory by its block does not do: give --shared then.
    """
    from workbench.axes import parse_axis
    from workbench.compile.archs import check_arch

    check_arch(arch)
    blocks = parse_axis("block", block or "32:1024:+32")
    counts = parse_axis("registers", registers) if registers else ()
    sizes = _sizes(shared)
    found: list[dict[str, Any]] = []
    if variant:
        for title, own in _launches(variant, arch, dtype, kernel, kernels):
            # Its own block size is a point too, wherever the range passes it.
            asked = tuple(sorted({*blocks, own["block_threads"]})) if not block else blocks
            points = _sweep(
                arch, asked, counts or (own["registers"],), sizes or (own["shared_bytes"],), own["barriers"]
            )
            found.append({"title": title, "own": own, "points": points})
    else:
        points = _sweep(arch, blocks, counts or (32,), sizes or (0,), 1)
        found.append({"title": "any kernel", "own": None, "points": points})
    if as_json:
        import json

        plain = [
            {"kernel": f["title"], "arch": arch, "own": f["own"], "points": [p.as_dict() for p in f["points"]]}
            for f in found
        ]
        print(json.dumps(plain, indent=2))
        return
    for entry in found:
        _print(entry["title"], arch, entry["own"], entry["points"])


def _sizes(text: str) -> tuple[int, ...]:
    """Bytes of shared memory: the axis grammar, and 0, which is a size here."""
    from workbench.axes import parse_axis

    words = [word for word in text.split(",") if word]
    others = ",".join(word for word in words if word != "0")
    return ((0,) if "0" in words else ()) + (parse_axis("shared", others) if others else ())


def _sweep(
    arch: str, blocks: tuple[int, ...], counts: tuple[int, ...], sizes: tuple[int, ...], barriers: int
) -> list[OccupancyPoint]:
    from workbench.compile.occupancy import sweep
    from workbench.devices import arch_limits
    from workbench.problem import Problem

    limits = arch_limits(arch)
    for name, values, most in (
        ("block", blocks, limits.max_threads_per_block),
        ("registers", counts, limits.registers_per_thread),
        ("shared", sizes, limits.shared_bytes_per_block),
    ):
        if max(values) > most:
            raise Problem(f"--{name} {max(values)}: {arch} allows {most} at most", exit_status=2)
    return sweep(arch, blocks, counts, sizes, barriers)


def _launches(key: str, arch: str, dtype: str, kernel: str, kernels: Any) -> list[tuple[str, dict[str, Any]]]:
    """Each kernel of the variant with what its own launch takes."""
    from workbench.catalog import load_catalog
    from workbench.compile import kernels_of
    from workbench.compile.catalogue import build_catalogue
    from workbench.problem import Problem, unknown

    catalog = load_catalog(kernels)
    key = catalog.named(key).key
    found: dict[str, dict[str, Any]] = {}
    for row in build_catalogue(catalog, [catalog.variant(key)], [arch], [dtype]):
        if row.status == "compile_error":
            raise Problem(f"{key} does not compile for {arch}: {row.reason}")
        if row.fact is None or row.binary is None or row.step is None:
            continue
        found[f"{key} {row.step.function}"] = {
            "kernel": row.step.function,
            "registers": row.fact.registers,
            "shared_bytes": row.fact.shared_bytes,
            "block_threads": row.fact.block_threads,
            "barriers": kernels_of(row.binary)[row.step.function].resources.barriers,
        }
    if not found:
        raise Problem(f"{key}: has no CUDA kernel of its own for {dtype}; occupancy is a CUDA kernel's")
    if kernel and all(own["kernel"] != kernel for own in found.values()):
        raise unknown("kernel", kernel, [own["kernel"] for own in found.values()])
    return [(title, own) for title, own in found.items() if not kernel or own["kernel"] == kernel]


def _print(title: str, arch: str, own: dict[str, Any] | None, points: list[OccupancyPoint]) -> None:
    from workbench.cli.terminal import Column, Row, print_table
    from workbench.devices import arch_limits
    from workbench.quantity import quantity

    most = arch_limits(arch).max_warps_per_sm
    names = ("block", "registers", "shared memory", "blocks per SM", "warps", "occupancy")
    columns = [*(Column(name, right=True) for name in names), Column(""), Column("limited by")]
    table = []
    for point in points:
        state = point.occupancy
        here = own is not None and (
            (point.block_threads, point.registers, point.shared_bytes)
            == (own["block_threads"], own["registers"], own["shared_bytes"])
        )
        cells = (
            f"{point.block_threads:,}",
            str(point.registers),
            quantity(point.shared_bytes, "B"),
            str(state.blocks_per_sm),
            str(state.warps_per_sm),
            quantity(state.fraction, "%"),
            "█" * round(8 * state.fraction),
            state.limiter + (" ← as launched" if here else ""),
        )
        table.append(Row(cells, dict.fromkeys(range(len(cells)), "bold") if here else {}))
    print_table(f"{title}, {arch}: at most {most} warps per SM", columns, table)
