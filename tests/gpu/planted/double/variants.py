"""One kernel without a fault, and one for each tool."""

from __future__ import annotations

from pathlib import Path

from workbench.declare import Cost, Kernel, Plan, Settings, Shape, Variant

HERE = Path(__file__).parent


def make(name: str, rung: int) -> Variant:
    def plan(shape: Shape, settings: Settings) -> Plan:
        grid = (shape["n"] // 128, 1, 1)
        return Plan((Kernel(HERE / "planted.cu", name, grid, (128, 1, 1), ("x", "y", shape["n"])),))

    return Variant(
        name=name,
        operation="double",
        devices=("cuda",),
        idea=name,
        plan=plan,
        cost=lambda shape, settings: Cost(bytes=8 * shape["n"], launches=1),
        rung=rung,
    )


VARIANTS = (make("clean", 0), make("memcheck", 1), make("racecheck", 2), make("synccheck", 3))
