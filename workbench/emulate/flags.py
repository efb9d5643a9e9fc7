"""How a CUDA source is compiled for the host: flags, include folders and the rewriting that g++ needs.

A build of an emulated library is::

    text = wrap(source.read_text(), source)          # written to a .cpp file in a build folder
    $CXX EMULATED_FLAGS -D... -I<EMULATED_INCLUDE> -I<source's folder> -I<source's folder>/../include file.cpp -o lib.so

The library's undefined symbols (threads, barriers, shared memory, the checks of `-fsanitize`) are those of the
emulator's runtime, which `workbench.emulate` compiles once and loads first. `wrap` reads the project headers that the
source includes and takes their text into its result: a cache's key must hold their content too, as well as that of
`EMULATED_SOURCES`.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from workbench.catalog import BUILTIN

HERE = Path(__file__).parent


def _cuda_include() -> tuple[Path, ...]:
    """The include folder of NVIDIA's runtime wheel (vector_types.h, cuda_bf16.h, cuda_fp16.h), newest CUDA first."""
    found = importlib.util.find_spec("nvidia")
    roots = [Path(p) for p in (found.submodule_search_locations or ())] if found else []
    folders = [
        f
        for root in roots
        for f in (*sorted(root.glob("cu[0-9]*/include"), reverse=True), root / "cuda_runtime/include")
    ]
    return tuple(f for f in folders if (f / "vector_types.h").exists())[:1]


EMULATED_INCLUDE: tuple[Path, ...] = (HERE / "include", *_cuda_include())
"""Folders to put on the include path with `-I`, the emulator's own first."""

EMULATED_SOURCES: tuple[Path, ...] = (*sorted((HERE / "include").glob("*.h")), Path(__file__))
"""Files whose content an emulated library depends on, beside its own source and headers."""

EMULATED_FLAGS: tuple[str, ...] = (
    "-std=c++20",
    "-O2",
    "-g1",  # lines, so that a fault names file and line
    "-march=native",
    "-shared",
    "-fPIC",
    "-fvisibility=hidden",  # kernels alone are exported; shared arrays are then addressed without a lookup by name
    "-fno-strict-aliasing",  # device code reinterprets vectors and shared memory freely
    "-fno-extern-tls-init",
    "-fno-threadsafe-statics",
    "-fsanitize=bounds,alignment",  # reported by the runtime's own handlers: no sanitiser library is needed
    "-fstack-clash-protection",  # a large frame meets the guard of its thread's stack
    "-nodefaultlibs",  # what is undefined is found in the runtime, loaded before
    "-w",
    "-DWORKBENCH_EMULATED=1",
)

_COMMENTS = re.compile(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/', re.S)
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"\n]+)"[^\n]*$', re.M)
_KERNEL = re.compile(r'(?:extern\s*"C"\s*)?(?:static\s+|inline\s+)?\b__global__\b')
_ATTRIBUTES = ("__launch_bounds__", "__cluster_dims__", "__block_size__", "__maxnreg__", "__attribute__", "alignas")
_EXTERN_SHARED = re.compile(
    r"^(?P<indent>[ \t]*)(?P<before>[^\n;{}]*?[;{}][ \t]*|)"
    r"extern\s+(?:(?:__align__|alignas)\s*\([^()]*(?:\([^()]*\))?[^()]*\)\s*)?__shared__\s+"
    r"(?:(?:__align__|alignas)\s*\([^()]*(?:\([^()]*\))?[^()]*\)\s*)?(?P<type>[\w:<>,\s]+?)\s+"
    r"(?:(?:__align__|alignas)\s*\([^()]*(?:\([^()]*\))?[^()]*\)\s*)?(?P<name>\w+)\s*\[\s*\]\s*;",
    re.M,
)


def wrap(source_text: str, source_path: Path) -> str:
    """The text to compile in place of `source_text`, a .cu file that stands at `source_path`.

    It includes the emulator's header first, takes in the project's own headers ("quoted" includes found beside the
    source or in ../include), turns each `extern __shared__ T name[]` into a pointer to the running block's dynamic
    shared memory, and adds to every __global__ function an entry through which the runtime calls it with arguments
    of its own types. `#line` keeps messages and faults at the lines of the original files.
    """
    path = Path(source_path).resolve()
    folders = (path.parent, path.parent.parent / "include", BUILTIN / "include")
    return '#include "emulated_cuda.h"\n' + _rewritten(source_text, path, folders)


def _rewritten(text: str, path: Path, folders: tuple[Path, ...], within: tuple[Path, ...] = ()) -> str:
    text = _with_entries(_with_dynamic_shared(text))
    return f'#line 1 "{path}"\n' + _with_headers(text, path, folders, (*within, path))


def _blank_comments(text: str) -> str:
    """The text with comments turned to spaces, every other character where it was."""

    def blank(match: re.Match[str]) -> str:
        word = match.group()
        return word if word.startswith('"') else re.sub(r"[^\n]", " ", word)

    return _COMMENTS.sub(blank, text)


def _with_headers(text: str, path: Path, folders: tuple[Path, ...], within: tuple[Path, ...]) -> str:
    """Takes project headers in, each guarded so that it counts once, whichever branch of an #if asks for it first."""

    def replace(match: re.Match[str]) -> str:
        for folder in (path.parent, *folders):
            header = (folder / match[1]).resolve()
            if header.is_file():
                break
        else:
            return match.group()  # the compiler will say what is missing
        if header in within:
            return ""
        guard = "WORKBENCH_INCLUDED_" + re.sub(r"\W", "_", str(header))
        body = re.sub(r"^[ \t]*#[ \t]*pragma[ \t]+once", "", header.read_text(encoding="utf-8"), flags=re.M)
        line = text.count("\n", 0, match.start()) + 2
        body = _rewritten(body, header, folders, within)
        return f'#ifndef {guard}\n#define {guard}\n{body}\n#endif\n#line {line} "{path}"'

    return _INCLUDE.sub(replace, text)


def _with_dynamic_shared(text: str) -> str:
    code = _blank_comments(text)
    pieces, done = [], 0
    for match in _EXTERN_SHARED.finditer(code):
        kind, name = " ".join(match["type"].split()), match["name"]
        if match["indent"] or match["before"]:  # in a function: a pointer that can live in a register
            new = f"{kind} *const {name} = reinterpret_cast<{kind} *>(emulated_dynamic_shared);"
        else:  # at file scope: bound when the library is loaded, read at every use
            new = f"static {kind} *const &{name} = reinterpret_cast<{kind} *const &>(emulated_dynamic_shared);"
        lines = "\n" * code.count("\n", match.start(), match.end())
        pieces += [text[done : match.start()], match["indent"], match["before"], new, lines]
        done = match.end()
    return "".join([*pieces, text[done:]])


def _with_entries(text: str) -> str:
    """Declares each kernel in front of its definition and registers its entry there, within the same #if."""
    code = _blank_comments(text)
    pieces, done = [], 0
    for match in _KERNEL.finditer(code):
        if code[: match.start()].rstrip().endswith(">"):
            continue  # a template: what is launched is an extern "C" function
        found = _signature(code, match.end())
        if found is None:
            continue
        name, head, parameters = found
        declared = re.sub(r"\s+", " ", f"{match.group()} {head}{name}{parameters}")
        pieces += [text[done : match.start()], f"{declared}; WORKBENCH_ENTRY({name}) "]
        done = match.start()
    return "".join([*pieces, text[done:]])


def _signature(code: str, start: int) -> tuple[str, str, str] | None:
    """Name, what stands before it, and parenthesised parameters of the function definition behind `start`."""
    at = start
    while match := re.compile(r"\s*(?:[\w:]+|\*|&|<[^<>(){};]*>)").match(code, at):
        word = match.group().strip()
        after = re.compile(r"\s*").match(code, match.end())
        opening = after.end() if after else match.end()
        if opening < len(code) and code[opening] == "(":
            closing = _closing(code, opening)
            if word not in _ATTRIBUTES:
                behind = code[closing:].lstrip()
                head = code[start : match.end() - len(word)]
                return (word, head, code[opening:closing]) if behind.startswith("{") else None
            at = closing
        else:
            at = match.end()
    return None


def _closing(code: str, opening: int) -> int:
    """The position behind the parenthesis that closes the one at `opening`."""
    depth = 0
    for at in range(opening, len(code)):
        depth += (code[at] == "(") - (code[at] == ")")
        if depth == 0:
            return at + 1
    return len(code)
