"""A variant in a process of its own, and what the coordinator finds by itself about its answers and times.

What a worker says of its own answers and times counts for nothing here: outputs are compared in this process, with
references that no worker can reach, and blocks are timed by this process's clock as well.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from workbench.check.case import InputSet
from workbench.check.case_memory import CaseMemory, answer_layout
from workbench.check.compare_outputs import Comparison, compare_outputs, tolerances
from workbench.declare import Device, Setting
from workbench.execute.bound import Violation
from workbench.execute.failures import WorkerCrashed
from workbench.execute.sealed import Block as Memory
from workbench.execute.worker import Worker
from workbench.measure.plausible import LONG_ENOUGH_S, Timed, against_the_wall, against_unseen, most_flushing_s
from workbench.measure.surroundings import Surroundings
from workbench.measure.variant_timer import Assignment, Block, Facts, Trial, working_set_bytes
from workbench.sweep.records import Candidate

TRIALS = 2
"""Evaluations on other sets' inputs once timing is over: two in succession, for what is right every other time."""
UNSEEN = 2
LONGER_BLOCKS = 3
LARGE = 256 << 20
"""Bytes of a set from which on it is tried on unseen inputs once instead of UNSEEN times, and takes no memory once it
has been handed over and compared."""


@dataclass
class VariantProcess:
    """See above. The samples that `samples` returns are what is timed; everything else is for the verdict."""

    candidate: Candidate
    case: CaseMemory
    swapped: tuple[InputSet, ...]
    """What is written into the timed sets' buffers in turn; those that are timed come first."""
    timed: int
    device: Device
    timeout_s: float
    worker: Worker = field(init=False)
    worst: Comparison | None = None
    blocks: list[Timed] = field(default_factory=list)
    hot_blocks: list[Timed] = field(default_factory=list)
    surroundings: list[Surroundings] = field(default_factory=list)
    """Of each block."""
    hot_surroundings: list[Surroundings] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._layout = answer_layout(self.case.operation, self.case.shape)
        self._memory = Memory(self._layout.nbytes)
        self._answer = self._memory.view()

    @contextlib.contextmanager
    def opened(self, assignment: Assignment) -> Iterator[VariantProcess]:
        """With the worker. Problem where none can be started."""
        files = (self.case.inputs_block.descriptor, self._memory.descriptor)
        self.worker = Worker("workbench.measure.variant_timer:VariantTimer", assignment, files=files)
        try:
            yield self
        finally:
            self.close()

    def close(self) -> None:
        self.worker.close()
        self._memory.close()

    def bind(self, settings: dict[str, Setting]) -> None:
        self.worker.call("bind", settings, timeout_s=self.timeout_s, returns=None)

    def warm_up(self, seconds: float) -> float:
        """The seconds of an evaluation, as the worker found them."""
        found: float = self.worker.call("warm_up", seconds, timeout_s=self.timeout_s + seconds, returns=float)
        return found

    def facts(self) -> Facts:
        """What a record's time holds beside the samples."""
        found: Facts = self.worker.call("facts", timeout_s=self.timeout_s, returns=Facts)
        return found

    # ------------------------------------------------------------------------------------------------- answers

    def judge(self, input_set: InputSet) -> Comparison:
        """Compares what was handed over with the set's reference; the worst so far is kept."""
        found = self._compare(input_set)
        if self.worst is None or found.excess > self.worst.excess:
            self.worst = found
        return found

    def _compare(self, input_set: InputSet) -> Comparison:
        """What was handed over against the set's reference; nothing of it is kept."""
        outputs = self.case.reference(input_set)
        got = {name: self._layout.array(self._answer, name) for name in outputs}
        found = compare_outputs(got, outputs, tolerances(self.case.operation, self.case.shape)).at(input_set.label)
        self._give_back()
        return found

    def require_inputs(self, input_set: InputSet) -> None:
        """Raises Violation where the inputs handed over are not the set's any more."""
        in_place = [t.name for t in self.case.operation.tensors(self.case.shape) if t.role == "in_place"]
        for name, given in self.case.inputs(input_set).items():
            if name in in_place:
                continue
            if not np.array_equal(_bytes(self._layout.array(self._answer, name)), _bytes(given)):
                raise Violation(
                    f"changed its input {name} ({input_set.label}): an evaluation leaves its inputs as they are"
                )

    def prepare(self, settings: dict[str, Setting]) -> Comparison:
        """Binds the timed sets with these settings; the first one's comparison, which is no part of `worst`."""
        self.worker.call("prepare", settings, timeout_s=self.timeout_s, returns=None)
        return self._compare(self.swapped[0])

    def verify(self) -> None:
        """Compares what the timed evaluations have left, in every set; then single evaluations on other inputs in the
        same buffers. Raises one of FAILURES."""
        for index in range(self.timed):
            self.worker.call("hand_over", index, timeout_s=self.timeout_s, returns=None)
            self.require_inputs(self.swapped[index])
            self.judge(self.swapped[index])
        held = list(range(self.timed))
        for turn in range(TRIALS):
            index = (turn + 1) % self.timed
            held[index] = (held[index] + 1) % len(self.swapped)
            input_set = self.swapped[held[index]]
            self._block(0.0, Trial("given", index, self.case.input_sets.index(input_set)))
            self.judge(input_set)

    # --------------------------------------------------------------------------------------------------- times

    def samples(self, seconds: float) -> list[float]:
        """A block of samples, as a Series wants it."""
        block, timed = self._timed_block(seconds)
        self.blocks.append(timed)
        self.surroundings.append(block.surroundings)
        return block.samples_s

    def hot_samples(self, seconds: float) -> list[float]:
        """The same of evaluations that find their data in the caches."""
        block, timed = self._hot_block(seconds)
        self.hot_blocks.append(timed)
        self.hot_surroundings.append(block.surroundings)
        return block.samples_s

    def _timed_block(self, seconds: float) -> tuple[Block, Timed]:
        start = time.perf_counter()
        block = self._block(seconds)
        waited_s = time.perf_counter() - start
        evaluations = len(block.samples_s) * block.repeats
        # On a busy machine the threads that flush wait for cores as well.
        most_s = most_flushing_s(self.working_set_bytes, evaluations) + (block.surroundings.waited_s or 0.0)
        flushing_s = min(block.flushing_s, most_s)
        return block, Timed(seconds, waited_s, tuple(block.samples_s), block.repeats, flushing_s)

    def _hot_block(self, seconds: float) -> tuple[Block, Timed]:
        start = time.perf_counter()
        block = self._asked("hot_samples", seconds)
        return block, Timed(seconds, time.perf_counter() - start, tuple(block.samples_s), block.repeats)

    @property
    def working_set_bytes(self) -> int:
        return working_set_bytes(self.case.operation, self.case.shape)

    def implausible(self, median_s: float, least_s: float | None) -> str | None:
        """Why the median of its samples cannot be its time; None where nothing speaks against it. Raises one of
        FAILURES: it evaluates the variant on inputs that it has never seen."""
        if least_s is not None and median_s < least_s:
            return f"{median_s:.3g} s an evaluation; no machine moves its bytes in less than {least_s:.3g} s"
        # Each kind for itself: honest ones of one kind would speak for the other.
        kinds = ((self.blocks, self._timed_block), (self.hot_blocks, self._hot_block))
        found = next(filter(None, (self._against_the_wall(*kind) for kind in kinds)), None)
        return found or self._against_unseen(median_s)

    def _against_the_wall(self, blocks: Sequence[Timed], take: Callable[[float], tuple[Block, Timed]]) -> str | None:
        """See `against_the_wall`. Blocks that were too short to tell are followed by longer ones, whose samples count
        for nothing else: one of them that keeps to the clock is enough, on a busy machine the others may not."""
        found = against_the_wall(blocks, self.device)
        if found or not blocks or max(block.waited_s for block in blocks) >= LONG_ENOUGH_S:
            return found
        longer: list[Timed] = []
        for _ in range(LONGER_BLOCKS):
            longer.append(take(LONG_ENOUGH_S)[1])
            found = against_the_wall(longer, self.device)
            if found is None:
                return None
        return found

    def _against_unseen(self, median_s: float) -> str | None:
        large = sum(t.nbytes for t in self.case.operation.tensors(self.case.shape)) > LARGE
        unseen, again = [], []
        for turn in range(1 if large else UNSEEN):
            index = turn % self.timed
            unseen += self._block(0.0, Trial("rolled", index, 997 * (turn + 1))).samples_s
            again += self._block(0.0, Trial("again", index)).samples_s
        return against_unseen(median_s, unseen, again)

    def _give_back(self) -> None:
        """Memory of what has been compared, where it is much: variants wait for each other with theirs filled."""
        if self._layout.nbytes > LARGE:
            self._memory.clear()

    def _block(self, seconds: float, trial: Trial | None = None) -> Block:
        return self._asked("samples", seconds, trial)

    def _asked(self, *call: Any) -> Block:
        block: Block = self.worker.call(*call, timeout_s=self.timeout_s, returns=Block)
        if not block.samples_s or not all(math.isfinite(s) and s > 0 for s in block.samples_s) or block.repeats < 1:
            raise WorkerCrashed("sent samples that are no times")
        return block


def _bytes(array: Any) -> Any:
    return np.ascontiguousarray(array).view(np.uint8)
