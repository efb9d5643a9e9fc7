"""One variant that works, and one for every way to fail."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pickle
import signal
import sys
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


def channels() -> list[int]:
    """Every socket of this process: the one to the coordinator is among them."""
    found = []
    for entry in os.scandir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if str(Path(entry.path).readlink()).startswith("socket:"):
                found.append(int(entry.name))
    return found


def half_a_message(x: Any) -> Any:
    for channel in channels():
        os.write(channel, b"\x00\x00\x7f\xff{")
    time.sleep(3600)


def half_a_message_and_stop(x: Any) -> Any:
    for channel in channels():
        os.write(channel, b"\x00\x00\x00\x05{")
    os.kill(os.getpid(), signal.SIGSTOP)


def garbage(x: Any) -> Any:
    for channel in channels():
        os.write(channel, b"\x00\x00\x00\x05hello")
    return 2 * x


def forged_pickle(x: Any) -> Any:
    body = pickle.dumps(Path("/nowhere"))
    for channel in channels():
        os.write(channel, len(body).to_bytes(4, "big") + body)
    return 2 * x


def forged_answer(x: Any) -> Any:
    body = b'{"call": 1, "kind": "value", "value": null}'
    for channel in channels():
        os.write(channel, len(body).to_bytes(4, "big") + body)
    return 2 * x


def closes_descriptors(x: Any) -> Any:
    os.closerange(3, 256)
    return 2 * x


def prints(x: Any) -> Any:
    """Four megabytes an evaluation, in Python, in C and to the descriptor, to both."""
    line = "x" * 1023
    for _ in range(1000):
        print(line)
        print(line, file=sys.stderr)
        ctypes.CDLL(None).puts(line.encode())
        os.write(1, line.encode())
    return 2 * x


def dies_speaking(x: Any) -> Any:
    os.write(2, b"the last\nwords\x1b[31m")
    os._exit(3)


done: list[bool] = []


def leaves_children(x: Any) -> Any:
    """A child, one in a session of its own, and one whose parent is gone; each holds every descriptor. At first only:
    the others would be too many."""
    for how in () if done else ("child", "session", "daemon"):
        if os.fork() == 0:
            if how != "child":
                os.setsid()
            if how != "daemon" or os.fork() == 0:
                time.sleep(3600)
            os._exit(0)
    done.append(True)
    return 2 * x


def leaves_children_and_dies(x: Any) -> Any:
    leaves_children(x)
    ctypes.string_at(0)


def stops_its_server(x: Any) -> Any:
    if b"execute.server" in Path(f"/proc/{os.getppid()}/cmdline").read_bytes():
        os.kill(os.getppid(), signal.SIGKILL)
    return 2 * x


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise ValueError("not even that")


def raises_unspeakable(x: Any) -> Any:
    raise Unspeakable


def exits(x: Any) -> Any:
    sys.exit(7)


def changes_its_input(x: Any) -> Any:
    y = 2 * x
    x /= x.norm()
    return y


def rounds_up(x: Any) -> Any:
    ctypes.CDLL("libm.so.6").fesetround(0x800)
    return 2 * x


def wrong_shape(x: Any) -> Any:
    return (2 * x).reshape(1, -1)


ODD = (
    half_a_message, half_a_message_and_stop, garbage, forged_pickle, forged_answer, closes_descriptors, prints,
    dies_speaking, leaves_children, leaves_children_and_dies, stops_its_server, raises_unspeakable, exits,
    changes_its_input, rounds_up, wrong_shape,
)  # fmt: skip


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
    *(make(function.__name__, call(function), rung=100 + place) for place, function in enumerate(ODD)),
    make("kernel", cuda("kernel.cu"), "cuda", rung=12),
    make("kernel_wrong", cuda("kernel_wrong.cu"), "cuda", rung=13),
    make("kernel_broken", cuda("kernel_broken.cu"), "cuda", rung=14),
)
