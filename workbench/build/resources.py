"""What each kernel of a cubin takes: registers, shared memory, stack (cuobjdump), spills and barriers (ptxas)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from workbench.build.toolkit import run_tool

_FUNCTION = re.compile(r"^\s*Function (\S+):\s*$")
_FIELD = re.compile(r"([A-Z]+)(?:\[\d+\])?:(\d+)")
_PTXAS_FUNCTION = re.compile(r"Compiling entry function '([^']+)'")
_PTXAS_SPILLS = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
_PTXAS_BARRIERS = re.compile(r"used (\d+) barriers")


@dataclass(frozen=True)
class Resources:
    """One kernel's needs: registers and stack a thread, static shared memory a block. Sizes in bytes."""

    registers: int
    shared_bytes: int
    stack_bytes: int
    local_bytes: int
    spill_store_bytes: int | None = None
    """Bytes that a thread's spill instructions write (static count of the code); None when ptxas did not say."""
    spill_load_bytes: int | None = None
    barriers: int | None = None


def read_resources(cubin: Path, log: str) -> dict[str, Resources]:
    """Kernel name → its resources. `log` is what ptxas -v said when the cubin was made."""
    said = parse_ptxas(log)
    found: dict[str, Resources] = {}
    name: str | None = None
    for line in run_tool("cuobjdump", "--dump-resource-usage", str(cubin)).splitlines():
        function = _FUNCTION.match(line)
        if function:
            name = function[1]
        elif name is not None:
            fields = {key: int(value) for key, value in _FIELD.findall(line)}
            if "REG" in fields:
                stores, loads, barriers = said.get(name, (None, None, None))
                found[name] = Resources(
                    fields["REG"], fields["SHARED"], fields["STACK"], fields["LOCAL"], stores, loads, barriers
                )
                name = None
    return found


def parse_ptxas(log: str) -> dict[str, tuple[int | None, int | None, int | None]]:
    """ptxas -v's log → kernel name → (bytes of spill stores, bytes of spill loads, barriers)."""
    found: dict[str, tuple[int | None, int | None, int | None]] = {}
    name: str | None = None
    for line in log.splitlines():
        function = _PTXAS_FUNCTION.search(line)
        if function:
            name = function[1]
            found[name] = (None, None, None)
        elif name is not None:
            stores, loads, barriers = found[name]
            spills, used = _PTXAS_SPILLS.search(line), _PTXAS_BARRIERS.search(line)
            if spills and stores is None:
                stores, loads = int(spills[2]), int(spills[3])
            if used:
                barriers = int(used[1])
            found[name] = (stores, loads, barriers)
    return found
