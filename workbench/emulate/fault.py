"""What the emulator reports: a kernel did what it must not, and which thread did it."""

from __future__ import annotations

from workbench.declare import Dim3


class EmulationFault(Exception):
    """A kernel's error found under emulation.

    kind    one of the words listed in docs/emulation.md ("stray_read", "divergent_barrier"…)
    kernel  the function's name
    block   index (x, y, z) of the block, or None where it is not known (a canary found written after the launch)
    thread  index (x, y, z) of the thread in its block, or None where it is not known
    text    what happened, with the buffer, the place in the source and the numbers
    """

    def __init__(self, kind: str, kernel: str, block: Dim3 | None, thread: Dim3 | None, text: str) -> None:
        self.kind, self.kernel, self.block, self.thread, self.text = kind, kernel, block, thread, text
        who = [f"kernel {kernel}"] if kernel else []
        who += [f"block {block}"] if block is not None else []
        who += [f"thread {thread}"] if thread is not None else []
        super().__init__(f"{kind}: {', '.join(who)}: {text}" if who else f"{kind}: {text}")

    def __reduce__(self) -> tuple[type[EmulationFault], tuple[object, ...]]:
        return type(self), (self.kind, self.kernel, self.block, self.thread, self.text)
