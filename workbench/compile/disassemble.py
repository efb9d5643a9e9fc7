"""Cubins → their machine code as text, many at a time.

nvdisasm takes 0.4 s to start and a few milliseconds a kernel, so the code of all kernels of an architecture is handed
to it as one. What it prints is cut apart again and kept beside each cubin:

    .kernel NAME BYTES
    /*0000*/ instruction ;
    .L_1:
    /*0010*/ @P0 BRA .L_1 ;
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from workbench.compile import cache
from workbench.compile.cubin import kernel_code
from workbench.compile.toolkit import run_tool
from workbench.problem import Problem
from workbench.temporary import temporary_folder

_INSTRUCTION = re.compile(r"^\s*/\*([0-9a-f]{4,})\*/\s+(.*?)\s*;")
_BRANCH = re.compile(r"((?:@!?U?P\w+\s+)?(?:BRA|JMP|BSSY|CALL)\b.*?)0x([0-9a-f]+)$")


def sass_path(cubin: Path) -> Path:
    """Where the text of a cubin is kept."""
    return cubin.with_suffix(".sass")


def disassemble(cubins: Iterable[Path], arch: str) -> None:
    """Writes the text of every cubin that has none yet. All are of one architecture.

    Raises Problem when nvdisasm is missing or prints something else than it used to.
    """
    missing = [path for path in dict.fromkeys(cubins) if cache.read_text(sass_path(path)) is None]
    if not missing:
        return
    code = {path: kernel_code(path) for path in missing}
    with temporary_folder() as folder:
        joined = folder / "code.bin"
        joined.write_bytes(b"".join(text for kernels in code.values() for text in kernels.values()))
        printed = run_tool("nvdisasm", "-ndf", "-b", arch.replace("sm_", "SM"), str(joined))
    lines = [(int(match[1], 16), match[2]) for match in map(_INSTRUCTION.match, printed.splitlines()) if match]
    at, start = 0, 0
    for path, kernels in code.items():
        blocks = []
        for name, text in kernels.items():
            end = start + len(text)
            own = []
            while at < len(lines) and lines[at][0] < end:
                own.append((lines[at][0] - start, lines[at][1]))
                at += 1
            if 16 * len(own) != len(text):
                raise Problem(
                    f"nvdisasm gave {len(own)} instructions for the {len(text)} bytes of {name}; report its version"
                )
            blocks.append(f".kernel {name} {len(text)}\n" + _labelled(own, start, len(text)))
            start = end
        cache.write_text(sass_path(path), "".join(blocks))


def _labelled(instructions: list[tuple[int, str]], start: int, size: int) -> str:
    """The instructions with branch targets, absolute in the joined code, as labels of this kernel."""
    targets: dict[int, str] = {}
    texts = []
    for address, text in instructions:
        branch = _BRANCH.match(text)
        to = int(branch[2], 16) - start if branch else -1
        if branch and 0 <= to < size:
            text = branch[1] + targets.setdefault(to, f".L_{len(targets) + 1}")
        texts.append((address, text))
    lines = []
    for address, text in texts:
        if address in targets:
            lines.append(f"{targets[address]}:")
        lines.append(f"        /*{address:04x}*/ {text} ;")
    return "\n".join(lines) + "\n"
