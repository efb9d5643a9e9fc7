"""Honest variants, and one for every way to get a time without the work."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbench.declare import Call, Cost, Plan, Settings, Shape, Variant

TIMES = 16


def cost(shape: Shape, settings: Settings) -> Cost:
    return Cost(bytes=2 * shape["n"] * shape.element_bytes, special=TIMES * shape["n"])


def work(x: Any, y: Any) -> None:
    """The honest way."""
    y.copy_(x)
    for _ in range(TIMES):
        y.sin_()


def returned(x: Any) -> Any:
    """Honest too: a tensor of its own for every evaluation."""
    y = x.sin()
    for _ in range(TIMES - 1):
        y = y.sin()
    return y


calls = 0
known: dict[Any, Any] = {}


def zeros_after_ten(x: Any, y: Any) -> None:
    global calls
    calls += 1
    work(x, y) if calls <= 10 else y.zero_()


def every_second_call(x: Any, y: Any) -> None:
    global calls
    calls += 1
    if calls % 2:
        work(x, y)


def previous_result(x: Any) -> Any:
    previous = known.get("last")
    known["last"] = returned(x)
    return known["last"] if previous is None else previous


def memo_by_pointer(x: Any) -> Any:
    if x.data_ptr() not in known:
        known[x.data_ptr()] = returned(x)
    return known[x.data_ptr()]


def memo_by_content(x: Any) -> Any:
    key = tuple(x[:: x.numel() // 8].tolist())
    if key not in known:
        known[key] = returned(x)
    return known[key]


def watches_for_poison(x: Any, y: Any) -> None:
    if y[0] != y[0]:
        work(x, y)


def looks_at_the_stack(x: Any, y: Any) -> None:
    frame: Any = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name in ("samples", "warm_up", "_once"):
            return
        frame = frame.f_back
    work(x, y)


def lazy(x: Any) -> Any:
    """A tensor that is computed when somebody looks at it."""
    import torch

    class Lazy(torch.Tensor):
        def detach(self) -> Any:
            return returned(x)

    return torch.empty(0).as_subclass(Lazy)


def in_a_thread(x: Any, y: Any) -> None:
    threading.Thread(target=work, args=(x, y), daemon=True).start()


def in_a_thread_unless_poisoned(x: Any, y: Any) -> None:
    """Right whenever somebody waits for it."""
    if y[0] != y[0]:
        work(x, y)
    else:
        in_a_thread(x, y)


def slow_clock(x: Any, y: Any) -> None:
    real = known.setdefault("clock", time.perf_counter_ns)
    time.perf_counter_ns = lambda: real() // 20
    time.perf_counter = lambda: real() * 1e-9 / 20
    work(x, y)


def replaces_samples_of_the_class(x: Any, y: Any) -> None:
    from workbench.measure.clock_cpu import CpuClock

    CpuClock.samples = lambda self, seconds, *more: [1e-9] * 100  # type: ignore[method-assign]
    work(x, y)


def replaces_samples_of_the_object(x: Any, y: Any) -> None:
    for found in gc.get_objects():
        if type(found).__name__ == "CpuClock":
            found.samples = lambda seconds, *more: [1e-12] * 100
    work(x, y)


def replaces_what_the_timer_calls(x: Any, y: Any) -> None:
    """Knows the workbench's inside: its own samples, in good time, with the right answers left behind."""
    from workbench.measure import variant_timer

    def samples(clock: Any, seconds: float, repeats: int) -> list[float]:
        end = time.monotonic() + seconds
        clock._bound.run(clock.next)
        while time.monotonic() < end:
            clock._bound.run(clock.next)
            clock.next = (clock.next + 1) % clock._bound.sets
        return [1e-12] * 100

    variant_timer._SAMPLES["cpu"] = samples
    work(x, y)


def claims_a_twentieth(x: Any, y: Any) -> None:
    """Its own samples again, all of them real, and made smaller than they were."""
    from workbench.measure import variant_timer

    real = known.setdefault("samples", variant_timer._SAMPLES["cpu"])
    variant_timer._SAMPLES["cpu"] = lambda *call: [sample / 20 for sample in real(*call)]
    work(x, y)


def replaces_the_comparison(x: Any, y: Any) -> None:
    from workbench.check import compare_outputs as module
    from workbench.check.compare_outputs import Comparison

    for place in (module, *(m for name, m in sys.modules.items() if name.startswith("workbench."))):
        if hasattr(place, "compare_outputs") and callable(place.compare_outputs):
            place.compare_outputs = lambda *_: Comparison(0.0, "y")


def references() -> list[Path]:
    """Files of references that this process has mapped: those of its own case, never of somebody else's sweep."""
    mapped = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "want.y.npy" in line}
    return [Path(name) for name in mapped]


def reads_the_reference(x: Any, y: Any) -> None:
    import numpy as np
    import torch

    for file in references():
        y.copy_(torch.from_numpy(np.load(file).astype("float32")))


def overwrites_the_reference(x: Any, y: Any) -> None:
    import numpy as np

    for file in references():
        np.save(file, np.zeros(x.numel()))
    y.zero_()


def replaces_references_in_memory(x: Any, y: Any) -> None:
    for found in gc.get_objects():
        known = getattr(found, "__dict__", None)
        references = known.get("_references") if isinstance(known, dict) else None
        if isinstance(references, dict):
            for input_set in references:
                references[input_set] = {"y": y.numpy().astype("float64")}


def writes_to_every_descriptor(x: Any, y: Any) -> None:
    """Looks for what it was given: inputs and the block that takes answers, which it may fill, and nothing else."""
    for descriptor in range(3, 64):
        try:
            if "memfd" in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
                os.pwrite(descriptor, bytes(4 * x.numel()), 0)
        except OSError:
            pass


def changes_its_input(x: Any, y: Any) -> None:
    work(x, y)
    x.mul_(0.5)
    x.mul_(2.0).add_(1e-3)


def rounds_up(x: Any, y: Any) -> None:
    ctypes.CDLL("libm.so.6").fesetround(0x800)
    work(x, y)


def make(function: Callable[..., Any], rung: int) -> Variant:
    takes_output = function.__code__.co_argcount == 2
    call = Call(function, ("x", "y")) if takes_output else Call(function, ("x",), ("y",))
    return Variant(function.__name__, "sines", ("cpu",), "", lambda shape, settings: Plan((call,)), cost, rung=rung)


HONEST = (work, returned)
CHEATS = (
    zeros_after_ten, every_second_call, previous_result, memo_by_pointer, memo_by_content, watches_for_poison,
    looks_at_the_stack, lazy, in_a_thread, in_a_thread_unless_poisoned, slow_clock, replaces_samples_of_the_class,
    replaces_samples_of_the_object, replaces_what_the_timer_calls, claims_a_twentieth, replaces_the_comparison,
    reads_the_reference, overwrites_the_reference, replaces_references_in_memory, writes_to_every_descriptor,
    changes_its_input, rounds_up,
)  # fmt: skip
VARIANTS = (
    Variant("honest", "sines", ("cpu",), "", make(work, 0).plan, cost),
    *(make(function, rung) for rung, function in enumerate((returned, *CHEATS), 1)),
)
