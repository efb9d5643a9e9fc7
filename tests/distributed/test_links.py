"""α and β of links: fitted to samples, read back, and what is modelled by them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.distributed.traced import ALPHA_S, BETA_S, recorded
from workbench.distributed import facts, links
from workbench.distributed.links import Links
from workbench.distributed.summary import summary
from workbench.distributed.timeline import link_rows
from workbench.problem import Problem


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    recorded(tmp_path / "training", ranks=4)
    return tmp_path / "training"


def read(folder: Path) -> Links:
    found = links.read(folder)
    assert found is not None
    return found


def test_what_samples_were_made_with_is_fitted(folder: Path) -> None:
    found = read(folder)
    for fit in found.fits.values():
        assert fit.alpha_s.value == pytest.approx(ALPHA_S) and fit.beta_s.value == pytest.approx(BETA_S)
        assert fit.alpha_s.low <= fit.alpha_s.value <= fit.alpha_s.high and fit.worst < 1e-9
        assert fit.bandwidth.value == pytest.approx(1e9)
    # Four ranks: two doublings, three others' pairs of states; three hops and a broadcast of two more.
    assert found.modelled_s("gather", 4, 1000) == pytest.approx(2 * ALPHA_S + 6000 * BETA_S)
    assert found.modelled_s("chain", 4, 1000) == pytest.approx(5 * ALPHA_S + 5000 * BETA_S)
    assert found.modelled_s("all_reduce", 4, 1000) == pytest.approx(4 * ALPHA_S + 1500 * BETA_S)
    assert found.modelled_s("all_reduce", 1, 1000) == 0
    assert all(measured == pytest.approx(modelled) for _, _, measured, modelled in found.carries())


def test_rounds_that_differ_widen_the_interval_and_no_figure_is_under_zero(folder: Path) -> None:
    data = json.loads((folder / links.FILE).read_text())
    for size, factors in (("1024", (1, 2, 3)), ("1048576", (1, 1, 1))):
        data["samples"]["send"][size] = [factor * 1e-3 for factor in factors]
    (folder / links.FILE).write_text(json.dumps(data))
    fit = read(folder).fits["send"]
    assert 0 < fit.alpha_s.low < fit.alpha_s.high
    assert fit.beta_s.low == fit.beta_s.value == 0, "fewer bytes took longer: bytes cost nothing that can be seen"
    assert fit.alpha_s.low <= fit.alpha_s.value <= fit.alpha_s.high
    assert link_rows(read(folder))["link_bandwidth"].isna().tolist() == [True, False, False]


def test_links_and_facts_are_in_the_summary(folder: Path) -> None:
    found = summary(folder)
    assert "links, all_gather over gloo: α 100 µs (100 µs – 100 µs) per hop, " in found.text()
    assert "carry by chain, by bytes of a state, measured (modelled): 1.02 kB 505 µs (505 µs), " in found.text()
    assert "These ranks share one machine's cores" in found.text()
    told = json.loads(json.dumps(found.as_dict()))
    assert told["links"]["fits"]["send"]["alpha_s"]["value"] == pytest.approx(ALPHA_S)
    assert told["facts"]["ranks"] == 4 and told["bubble"] == {"measured": None, "modelled": None}


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data["samples"].pop("chain"),
        lambda data: data["samples"]["send"].update({"1024": [0.0, 1.0, 1.0]}),
        lambda data: data["samples"]["send"].update({"1024": [1.0]}),
        lambda data: data["samples"]["send"].pop("1024"),
        lambda data: data.update(ranks=1),
        lambda data: data.update(samples=[]),
    ],
)
def test_links_that_are_none_are_one_line(folder: Path, change: object) -> None:
    data = json.loads((folder / links.FILE).read_text())
    change(data)  # type: ignore[operator]
    (folder / links.FILE).write_text(json.dumps(data))
    with pytest.raises(Problem, match=r"links\.json: corrupt, not the links of a training \(.+\); remove it") as end:
        links.read(folder)
    assert "\n" not in str(end.value)


@pytest.mark.parametrize("text", ["{", "[]", '{"training": {}}', '{"training": {"sizes": 3}, "passed": null}'])
def test_facts_that_are_none_are_one_line(folder: Path, text: str) -> None:
    (folder / facts.FILE).write_text(text)
    with pytest.raises(Problem, match=r"training\.json: corrupt, not the facts of a training"):
        facts.read(folder)


@pytest.mark.parametrize("text", ["3\n", "{}\n", '{"rank": 0, "attempt": 0, "step": "x", "seconds": 1, "loss": 1}\n'])
def test_lines_that_are_none_are_one_line(folder: Path, text: str) -> None:
    (folder / "rank-0.jsonl").write_text(text)
    with pytest.raises(Problem, match=r"rank-0\.jsonl: corrupt, not the lines of a rank"):
        summary(folder)
