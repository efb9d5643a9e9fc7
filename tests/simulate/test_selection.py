"""`workbench simulate --report FILE --selection FILE`: a report of one's own records held against the simulator."""

from __future__ import annotations

import json
import lzma
from pathlib import Path

from tests.warm import run

REPORTS = Path(__file__).parent / "reports" / "h200"
KEY = "gate.fused.b2-t300-d72-h136.bfloat16.normal.forward.cuda"
ITEM = {
    "key": KEY, "operation": "gate", "variant": "fused", "pass": "forward", "settings": {"block": 128},
    "axes": {"B": 2, "T": 300, "D": 72, "H": 136}, "dtype": "bfloat16",
}  # fmt: skip


def selection(folder: Path, *items: dict[str, object]) -> Path:
    path = folder / "selection.json"
    path.write_text(json.dumps({"run": "one", "kernels": "", "items": items}))
    return path


def report(folder: Path) -> Path:
    path = folder / "forward.ncu-rep"
    path.write_bytes(lzma.decompress((REPORTS / "forward.ncu-rep.xz").read_bytes()))
    return path


def test_launches_of_the_selection_are_compared(tmp_path: Path) -> None:
    made, chosen = str(report(tmp_path)), str(selection(tmp_path, ITEM))
    done = run("simulate", "--report", made, "--selection", chosen, "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    (launch,) = json.loads(done.stdout)["launches"]
    assert (launch["key"], launch["kernel"]) == (KEY, "gate_fused")
    assert launch["compared"] >= 30 and not launch["differences"]


def test_a_selection_of_other_records_says_so(tmp_path: Path) -> None:
    other = {**ITEM, "key": "gate.fused.b1-t1-d1-h1.bfloat16.normal.forward.cuda"}
    made, chosen = str(report(tmp_path)), str(selection(tmp_path, other))
    done = run("simulate", "--report", made, "--selection", chosen, folder=tmp_path)
    assert done.returncode == 1 and "none of its launches lies in the range of a record" in done.stderr


def test_a_selection_without_its_report_is_refused(tmp_path: Path) -> None:
    done = run("simulate", "scan/serial", "--selection", str(selection(tmp_path, ITEM)), folder=tmp_path)
    assert done.returncode == 2 and "--selection goes with --report" in done.stderr
