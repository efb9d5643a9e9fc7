"""PTX text → functions, variables and statements, with scopes, labels and lines. Knows the grammar, no instruction."""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass, field

from workbench.problem import Problem

SIZES = {
    "b8": 1, "u8": 1, "s8": 1,
    "b16": 2, "u16": 2, "s16": 2, "f16": 2, "bf16": 2,
    "b32": 4, "u32": 4, "s32": 4, "f32": 4, "f16x2": 4, "bf16x2": 4, "tf32": 4,
    "b64": 8, "u64": 8, "s64": 8, "f64": 8,
}  # fmt: skip
"""Bytes of each type. Predicates have none."""
LARGEST = 1 << 30
"""No variable is larger, in bytes."""
DEEPEST = 64
"""No scope is deeper."""


def refuse(line: int, what: str) -> Problem:
    return Problem(f"PTX line {line}: {what}")


@dataclass
class Declared:
    """A variable: in shared, global, constant, local or parameter memory."""

    name: str
    space: str
    size: int
    """Bytes; 0 for an array of open size."""
    align: int
    external: bool = False
    initial: str = ""
    kind: str = "b8"
    line: int = 0


@dataclass(eq=False)
class Scope:
    """What a pair of braces encloses: its own registers, variables and labels."""

    parent: Scope | None = None
    registers: dict[str, str] = field(default_factory=dict)
    """Name → type."""
    ranges: list[tuple[str, int, str]] = field(default_factory=list)
    """(prefix, count, type) of `%r<100>`."""
    variables: dict[str, Declared] = field(default_factory=dict)
    labels: dict[str, Label] = field(default_factory=dict)
    targets: dict[str, list[str]] = field(default_factory=dict)
    """`.branchtargets` by their label."""

    def register_type(self, name: str) -> str | None:
        """The type of a register that this very scope declares."""
        if name in self.registers:
            return self.registers[name]
        for prefix, count, kind in self.ranges:
            number = name[len(prefix) :]
            if name.startswith(prefix) and number.isdecimal() and int(number) < count and str(int(number)) == number:
                return kind
        return None


@dataclass(eq=False)
class Label:
    name: str
    line: int


@dataclass
class Statement:
    """One instruction: opcode with its modifiers, operands as text."""

    opcode: str
    operands: list[str]
    scope: Scope
    line: int
    """Of the PTX."""
    text: str
    guard: str = ""
    guard_negated: bool = False
    source_file: int = 0
    source_line: int = 0


@dataclass
class Function:
    name: str
    entry: bool
    parameters: list[Declared]
    returns: list[Declared]
    line: int
    scope: Scope
    body: list[Statement | Label] | None = None
    """None: declared only."""


@dataclass
class Text:
    """A module's PTX, read."""

    functions: dict[str, Function] = field(default_factory=dict)
    variables: dict[str, Declared] = field(default_factory=dict)
    files: dict[int, str] = field(default_factory=dict)
    target: str = ""


_BLANK = re.compile(r"(?:\s+|//[^\n]*|/\*.*?\*/)*", re.S)
_WORD = re.compile(r"\.([\w:]+)")
_LINE = re.compile(r"[^\n]*")
_FILE = re.compile(r'\.file\s+(\d+)\s+"([^"]*)"')
_LOC = re.compile(r"\.loc\s+(\d+)\s+(\d+)")
_LABEL = re.compile(r"([$%\w]+)\s*:(?!:)")
_NAME = r"[A-Za-z_$%][\w$%]*"
_GUARD = re.compile(rf"@(!?)\s*({_NAME})\s+")
_OPCODE = re.compile(r"[a-z_][\w.:]*")
_PLAIN = re.compile(r'[^;{}"/]*;')
_BRACKET = re.compile(r"[{}\[\]()]")
_MARK = re.compile(r'"[^"\n]*"|//[^\n]*|/\*.*?\*/|[{};]', re.S)
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.S)
_VARIABLE = re.compile(
    rf"\.(?P<space>shared|global|const|local|param)\s*"
    rf"(?P<attributes>(?:\.(?:align\s+\d+|v[248]|attribute\s*\([^)]*\)|ptr)\s*)*)"
    rf"\.(?P<kind>\w+)\s*(?P<pointer>\.ptr[\s\w.]*?)?(?P<name>{_NAME})\s*(?P<sizes>(?:\[[^\]]*\]\s*)*)(?:=\s*(?P<initial>.*))?$",
    re.S,
)
_LINKAGE = ("visible", "extern", "weak", "common", "hidden")


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.breaks = [m.start() for m in re.finditer("\n", text)]
        self.made = Text()

    def line(self, at: int | None = None) -> int:
        return bisect.bisect_left(self.breaks, self.at if at is None else at) + 1

    def refuse(self, what: str) -> Problem:
        return refuse(self.line(), what)

    def skip(self) -> bool:
        """Past blanks and comments; False at the end."""
        found = _BLANK.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return self.at < len(self.text)

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.text, self.at)
        if found:
            self.at = found.end()
        return found

    def until(self, ends: str) -> str:
        """The text before the next of `ends` that stands outside of braces and quotes, which is not taken."""
        start, depth = self.at, 0
        for found in _MARK.finditer(self.text, start):
            mark = found[0]
            if mark in ends and depth == 0:
                self.at = found.start()
                return _COMMENT.sub(" ", self.text[start : self.at]).strip()
            if mark == "{":
                depth += 1
            elif mark == "}":
                depth -= 1
                if depth < 0:
                    break
        raise self.refuse(f"the text ends in the middle of `{self.text[start : start + 40].strip()}`")

    def module(self) -> Text:
        linkage: set[str] = set()
        while self.skip():
            word = _WORD.match(self.text, self.at)
            if word is None:
                raise self.refuse(
                    f"a directive was expected, not `{self.text[self.at : self.at + 30].splitlines()[0]}`"
                )
            name = word[1]
            if name in ("version", "target", "address_size"):
                line = self.take(_LINE)
                if name == "target" and line:
                    self.made.target = line[0].split(None, 1)[-1].split(",")[0].strip()
                if name == "address_size" and line and line[0].split()[1:] != ["64"]:
                    raise self.refuse("only 64-bit addresses are simulated")
            elif name == "file":
                if found := _FILE.match(self.text, self.at):
                    self.made.files[int(found[1])] = found[2]
                self.take(_LINE)
            elif name == "section":
                self.until("{")
                self.at += 1
                self.until("}")
                self.at += 1
            elif name in _LINKAGE:
                linkage.add(name)
                self.at = word.end()
                continue
            elif name in ("entry", "func"):
                self.function(name == "entry")
            elif name in ("global", "const", "shared", "local"):
                declared = self.variable(self.until(";"), "extern" in linkage)
                self.at += 1
                self.made.variables[declared.name] = declared
            elif name in ("pragma", "alias", "weak"):
                self.until(";")
                self.at += 1
            else:
                raise self.refuse(f"directive .{name} is not simulated")
            linkage.clear()
        return self.made

    def function(self, entry: bool) -> None:
        line = self.line()
        header = self.until("{;")
        lists = re.findall(r"\(([^()]*)\)", header)
        bare = re.sub(r"\([^()]*\)", " () ", header)
        found = re.match(rf"\.(?:entry|func)\s*(?:\.attribute\s*\(\)\s*)?(\(\))?\s*({_NAME})\s*(\(\))?", bare)
        if found is None:
            raise refuse(line, "the head of a function cannot be read")
        returns = self.parameters(lists[0]) if found[1] else []
        given = lists[1 if found[1] else 0] if found[3] else ""
        scope = Scope()
        function = Function(found[2], entry, self.parameters(given), returns, line, scope)
        for parameter in (*function.parameters, *returns):
            scope.variables[parameter.name] = parameter
        for cluster in re.findall(r"\.(reqnctapercluster|explicitcluster)", bare):
            raise refuse(line, f"clusters (.{cluster}) are not simulated")
        if self.text[self.at] == "{":
            self.at += 1
            function.body = self.body(scope)
        else:
            self.at += 1
        known = self.made.functions.get(function.name)
        if known is None or known.body is None:
            self.made.functions[function.name] = function

    def parameters(self, text: str) -> list[Declared]:
        found = []
        for part in text.split(","):
            if not part.strip():
                continue
            if part.strip().startswith(".reg"):
                raise self.refuse("functions with parameters in registers are not simulated")
            found.append(self.variable(part.strip(), False))
        return found

    def variable(self, text: str, external: bool) -> Declared:
        found = _VARIABLE.match(text)
        if found is None or found["kind"] not in SIZES:
            raise self.refuse(f"the declaration `{' '.join(text.split())[:80]}` cannot be read")
        size = SIZES[found["kind"]]
        vector = re.search(r"\.v([248])", found["attributes"])
        size *= int(vector[1]) if vector else 1
        align = re.search(r"\.align\s+(\d+)", found["attributes"])
        alignment = int(align[1]) if align else size
        if alignment < 1 or alignment & (alignment - 1) or alignment > 4096:
            raise self.refuse(f"an alignment of {alignment} bytes")
        for extent in re.findall(r"\[\s*([^\]]*?)\s*\]", found["sizes"]):
            if extent and not extent.isdecimal():
                raise self.refuse(f"the extent [{extent}] cannot be read")
            size *= int(extent or 0)
            if size > LARGEST:
                raise self.refuse(f"{found['name']} is larger than {LARGEST} bytes")
        return Declared(
            found["name"], found["space"], size, alignment, external, (found["initial"] or "").strip(), found["kind"],
            self.line(),
        )  # fmt: skip

    def body(self, outermost: Scope) -> list[Statement | Label]:
        items: list[Statement | Label] = []
        scopes = [outermost]
        source = (0, 0)
        while True:
            if not self.skip():
                raise self.refuse("the text ends inside of a function")
            mark = self.text[self.at]
            if mark == "{":
                if len(scopes) >= DEEPEST:
                    raise self.refuse(f"scopes nest deeper than {DEEPEST}")
                scopes.append(Scope(scopes[-1]))
                self.at += 1
            elif mark == "}":
                self.at += 1
                scopes.pop()
                if not scopes:
                    return items
            elif mark == ";":
                self.at += 1
            elif mark == "." and (location := _LOC.match(self.text, self.at)):
                source = (int(location[1]), int(location[2]))
                self.take(_LINE)
            elif mark == ".":
                self.directive(scopes[-1])
            elif label := _LABEL.match(self.text, self.at):
                self.at = label.end()
                self.skip()
                if self.text.startswith((".branchtargets", ".calltargets", ".callprototype"), self.at):
                    listed = self.until(";")
                    self.at += 1
                    scopes[-1].targets[label[1]] = [part.strip() for part in listed.split(None, 1)[-1].split(",")]
                    continue
                if label[1] in scopes[-1].labels:
                    raise self.refuse(f"label {label[1]} stands twice in one scope")
                made = Label(label[1], self.line())
                scopes[-1].labels[label[1]] = made
                items.append(made)
            else:
                items.append(self.statement(scopes[-1], *source))

    def directive(self, scope: Scope) -> None:
        line = self.line()
        text = self.until(";")
        self.at += 1
        if text.startswith(".reg"):
            found = re.match(r"\.reg\s*\.(\w+)\s+(.*)$", text, re.S)
            if found is None or (found[1] not in SIZES and found[1] != "pred"):
                raise refuse(line, f"the registers `{' '.join(text.split())[:60]}` are not simulated")
            for part in found[2].split(","):
                one = re.fullmatch(rf"\s*({_NAME})\s*(?:<\s*(\d+)\s*>)?\s*", part)
                if one is None:
                    raise refuse(line, f"the register `{part.strip()[:40]}` cannot be read")
                if one[2]:
                    scope.ranges.append((one[1], int(one[2]), found[1]))
                else:
                    scope.registers[one[1]] = found[1]
        elif re.match(r"\.(?:shared|local|param|global|const)\b", text):
            declared = self.variable(text, False)
            scope.variables[declared.name] = declared
        elif not re.match(r"\.(?:pragma|minnctapersm|maxntid|reqntid|maxnreg|noreturn)\b", text):
            raise refuse(line, f"directive `{text.split()[0] if text else '.'}` is not simulated")

    def statement(self, scope: Scope, source_file: int, source_line: int) -> Statement:
        line = self.line()
        plain = _PLAIN.match(self.text, self.at)  # nearly every one: no braces, quotes or comments to look past
        if plain:
            text, self.at = plain[0][:-1].strip(), plain.end()
        else:
            text = self.until(";")
            self.at += 1
        rest, guard, negated = text, "", False
        if found := _GUARD.match(text):
            guard, negated, rest = found[2], found[1] == "!", text[found.end() :]
        opcode = _OPCODE.match(rest)
        if opcode is None:
            raise refuse(line, f"`{text[:60]}` is no instruction")
        operands = split_operands(rest[opcode.end() :], line)
        text = " ".join(text.split())
        return Statement(opcode[0], operands, scope, line, text, guard, negated, source_file, source_line)


def split_operands(text: str, line: int) -> list[str]:
    """At the commas outside of brackets, braces and parentheses."""
    parts, depth, start = [], 0, 0
    if _BRACKET.search(text) is None:
        parts = [part.strip() for part in text.split(",")] if text.strip() else []
    else:
        for at, mark in enumerate(text):
            if mark in "{[(":
                depth += 1
            elif mark in "}])":
                depth -= 1
            elif mark == "," and depth == 0:
                parts.append(text[start:at].strip())
                start = at + 1
        if depth:
            raise refuse(line, f"brackets do not match in `{text.strip()[:60]}`")
        last = text[start:].strip()
        if last or parts:
            parts.append(last)
    if any(not part for part in parts):
        raise refuse(line, f"an operand is missing in `{text.strip()[:60]}`")
    return parts


def read_text(text: str) -> Text:
    """Reads a module. Raises Problem with the line of what cannot be read."""
    return _Reader(text).module()
