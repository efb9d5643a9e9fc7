"""The tables of rungs in each folder of kernel_variants: made of the declarations and of the sources' head comments."""

from __future__ import annotations

import re
from pathlib import Path

from workbench.catalog import BUILTIN, Catalog
from workbench.declare import FORWARD, Operation, Shape, Variant
from workbench.steps import distinct_sources

BEGIN, END = "<!-- rungs: begin (python -m docs.generate) -->", "<!-- rungs: end -->"
_HEAD = re.compile(r"\A(?://.*\n)+")
_IMPROVES = re.compile(r"^Improves(?: \(([^)]*)\))?: (.+?)(?=^Improves|^$|\Z)", re.MULTILINE | re.DOTALL)


def folders(catalog: Catalog) -> dict[Path, Operation]:
    """README of each folder with kernels of its own, or that has one → its operation."""
    return {
        BUILTIN / name / "README.md": operation
        for name, operation in catalog.operations.items()
        if any((BUILTIN / name).glob("[0-9]*.c*")) or (BUILTIN / name / "README.md").exists()
    }


def table(catalog: Catalog, operation: Operation) -> str:
    """Markdown: a table per pass with a row per rung, at the operation's own sizes in float32. Peers are no rungs."""
    return "\n\n".join(_table(catalog, one) for one in operation.each_pass())


def _table(catalog: Catalog, operation: Operation) -> str:
    shape = Shape.of("float32", **operation.axes)
    sizes = " ".join(f"{axis}={size}" for axis, size in operation.axes.items())
    least = operation.least(shape).bytes
    if operation.pass_ == FORWARD:
        lines = [
            f"Bytes and launches are what each rung *declares* at {sizes}, float32; bytes over the least that any "
            "algorithm must move.",
            "",
            "| rung | variant | source | idea | bytes ÷ least | launches | what must improve |",
            "|---:|---|---|---|---:|---:|---|",
        ]
    else:
        lines = [
            f"**{operation.pass_.capitalize()}** (`--pass {operation.pass_}`): {operation.equation}. Kept are the "
            "bytes that the forward pass keeps for it, over the same least.",
            "",
            "| rung | variant | source | idea | bytes ÷ least | kept ÷ least | launches | what must improve |",
            "|---:|---|---|---|---:|---:|---:|---|",
        ]
    for variant in catalog.select([operation.name], passes=[operation.pass_]):
        if variant.factors.get("peer") == "yes":
            continue
        cost = variant.cost(shape, variant.default_settings())
        files = [f"[{path.name}]({_link(path, operation)})" for path in sources(variant, operation)]
        kept = "" if operation.pass_ == FORWARD else f"| {cost.kept_bytes / least:.2f} "
        lines.append(
            f"| {variant.rung} | `{variant.name}` | {', '.join(files)} | {variant.idea} | {cost.bytes / least:.2f} "
            f"{kept}| {cost.launches:,} | {improves(variant, operation)} |"
        )
    return "\n".join(lines)


def sources(variant: Variant, operation: Operation) -> list[Path]:
    """The sources of a variant in the order of its first launches, at the operation's small sizes."""
    plan = variant.plan(Shape.of("float32", **operation.small), variant.default_settings())
    return list(dict.fromkeys(step.source for step in distinct_sources(plan)))


def improves(variant: Variant, operation: Operation) -> str:
    """The first sentence of what a rung's source promises: `Improves (NAMES): …` in the head comment, or `Improves: …`
    in that of the file which has the rung's number. Empty where its sources are those of other rungs."""
    for source in sources(variant, operation):
        head = _HEAD.match(source.read_text())
        text = re.sub(r"^// ?", "", head[0], flags=re.MULTILINE) if head else ""
        promises = dict(_IMPROVES.findall(text))
        named = [promise for names, promise in promises.items() if variant.name in names.split(", ")]
        if source.name.startswith(f"{variant.rung}_"):
            named.append(promises.get("", ""))
        if named:
            return re.split(r"\.(?: (?=[A-Z])|$)", " ".join(named[0].split()))[0]
    return ""


def readme(text: str, made: str) -> str:
    """A folder's README with everything between its two marks made anew."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{made}\n{END}{after}"


def _link(path: Path, operation: Operation) -> str:
    return path.name if path.parent.name == operation.name else f"../{path.parent.name}/{path.name}"
