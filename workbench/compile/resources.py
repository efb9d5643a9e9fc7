"""What each kernel of a cubin takes: registers and stack (cuobjdump), shared memory, spills and barriers (ptxas)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from workbench.compile.toolkit import run_tool

_FUNCTION = re.compile(r"^\s*Function (\S+):\s*$")
_FIELD = re.compile(r"([A-Z]+)(?:\[\d+\])?:(\d+)")
_PTXAS_ENTRY = re.compile(r"Compiling entry function '([^']+)'")
_PTXAS_SPILLS = re.compile(r"(\d+) bytes spill stores, (\d+) bytes spill loads")
_PTXAS_USED = re.compile(r"Used \d+ registers, used (\d+) barriers(?:.*?(\d+) bytes smem)?")


@dataclass(frozen=True)
class Resources:
    """One kernel's needs: registers and stack a thread, static shared memory and barriers a block. Sizes in bytes."""

    registers: int
    shared_bytes: int
    stack_bytes: int
    spill_store_bytes: int
    """What a thread's spill instructions write, counted in the code: in a loop they write it every time around."""
    spill_load_bytes: int
    barriers: int


@dataclass
class _Said:
    """What ptxas -v says of one kernel and of the functions that it calls."""

    shared_bytes: int = 0
    spill_store_bytes: int = 0
    spill_load_bytes: int = 0
    barriers: int = 0


def read_resources(cubin: Path, log: str) -> dict[str, Resources]:
    """Kernel name → its resources. `log` is what ptxas -v said when the cubin was made.

    Shared memory is ptxas's figure: from sm_90 on cuobjdump adds the 1 KiB that the driver reserves for a block.
    """
    said = _parse_ptxas(log)
    found: dict[str, Resources] = {}
    name: str | None = None
    for line in run_tool("cuobjdump", "--dump-resource-usage", str(cubin)).splitlines():
        function = _FUNCTION.match(line)
        if function:
            name = function[1]
            continue
        fields = {key: int(value) for key, value in _FIELD.findall(line)}
        if name in said and "REG" in fields:
            own = said[name]
            found[name] = Resources(
                registers=fields["REG"],
                shared_bytes=own.shared_bytes,
                stack_bytes=fields["STACK"],
                spill_store_bytes=own.spill_store_bytes,
                spill_load_bytes=own.spill_load_bytes,
                barriers=own.barriers,
            )
            name = None
    return found


def _parse_ptxas(log: str) -> dict[str, _Said]:
    found: dict[str, _Said] = {}
    current: _Said | None = None
    for line in log.splitlines():
        entry = _PTXAS_ENTRY.search(line)
        if entry:
            current = found[entry[1]] = _Said()
        elif current is not None:
            spills, used = _PTXAS_SPILLS.search(line), _PTXAS_USED.search(line)
            if spills:
                current.spill_store_bytes += int(spills[1])
                current.spill_load_bytes += int(spills[2])
            if used:
                current.barriers = int(used[1])
                current.shared_bytes = int(used[2] or 0)
    return found
