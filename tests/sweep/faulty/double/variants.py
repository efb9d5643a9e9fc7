"""One variant that works, and one for every way to fail."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from workbench.declare import Call, Cost, Host, Kernel, Plan, Requirement, Settings, Shape, Variant

HERE = Path(__file__).parent


def cost(shape: Shape, settings: Settings) -> Cost:
    return Cost(bytes=2 * shape["n"] * shape.element_bytes, flops=shape["n"], launches=1)


def host(function: str, source: str = "host.cpp") -> Any:
    return lambda shape, settings: Plan((Host(HERE / source, function, ("x", "y", shape["n"])),))


def call(function: Any) -> Any:
    return lambda shape, settings: Plan((Call(function, ("x",), ("y",)),))


def cuda(source: str) -> Any:
    return lambda shape, settings: Plan(
        (Kernel(HERE / source, "double_it", ((shape["n"] + 127) // 128, 1, 1), (128, 1, 1), ("x", "y", shape["n"])),)
    )


def sleep(x: Any) -> Any:
    time.sleep(3600)
    return 2 * x


def fail(x: Any) -> Any:
    raise RuntimeError("no such luck")


def make(name: str, plan: Any, device: Any = "cpu", **more: Any) -> Variant:
    return Variant(name, "double", (device,), name, plan, cost, **more)


VARIANTS = (
    make("plain", host("double_it"), rung=0),
    make("torch", call(lambda x: 2 * x), rung=1),
    make("tuned", host("double_it"), settings={"block": (1, 2, 4)}, rung=2),
    make("wrong", host("triple_it"), rung=3),
    make("forgets", host("double_all_but_one"), rung=4),
    make("strays", host("double_one_too_many"), rung=5),
    make("crashes", host("crash"), rung=6),
    make("raises", call(fail), rung=7),
    make("hangs", call(sleep), rung=8),
    make("broken", host("double_it", "broken.cpp"), rung=9),
    make("refuses", host("double_it"), supports=lambda shape: "only on Sundays", rung=10),
    make("lacks", host("double_it"), requires=(Requirement("no_such_module", "pip install no-such-module"),), rung=11),
    make("kernel", cuda("kernel.cu"), "cuda", rung=12),
    make("kernel_wrong", cuda("kernel_wrong.cu"), "cuda", rung=13),
    make("kernel_broken", cuda("kernel_broken.cu"), "cuda", rung=14),
)
