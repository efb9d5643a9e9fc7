"""Runs → table → choice → the variant run on torch tensors."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from kernel_variants.modules import MinGRU, kernels
from workbench.cli import make_app
from workbench.declare import Setting, Shape
from workbench.dispatch import choose, prepare
from workbench.dispatch.choose import TABLE
from workbench.dispatch.run import Tensors
from workbench.dispatch.table import COMMITTED, Entry, read_table, write_table
from workbench.execute.this_machine import device_name
from workbench.problem import Problem

PROFILES = Path(__file__).parents[2] / "profiles"


def entry(T: int, variant: str, **more: object) -> Entry:
    values = {
        "operation": "gated_scan", "pass_": "forward", "device": "cpu", "machine": device_name("cpu"),
        "dtype": "float32", "sizes": {"B": 4, "T": T, "H": 64}, "variant": variant, "settings": {"slice": 512},
        "median_s": 1e-3, "low_s": 9e-4, "high_s": 1.1e-3, "run": f"run-{T}",
    }  # fmt: skip
    return Entry(**{**values, **more})  # type: ignore[arg-type]


def test_the_nearest_shape_in_log_space_is_taken_and_none_far_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "table.json"
    write_table(table, (entry(256, "simd", tie=("streaming",)), entry(4096, "streaming"), entry(900, "x", machine="y")))
    monkeypatch.setenv(TABLE, str(table))

    def at(T: int) -> str | None:
        found = choose("gated_scan", "forward", "cpu", "float32", {"B": 4, "T": T, "H": 64})
        return None if found is None else found.variant

    assert [at(T) for T in (31, 32, 256, 1000, 1100, 32768, 32769)] == [
        None, "simd", "simd", "simd", "streaming", "streaming", None,
    ]  # fmt: skip
    assert choose("gated_scan", "backward", "cpu", "float32", {"B": 4, "T": 256, "H": 64}) is None
    assert choose("gated_scan", "forward", "cpu", "bfloat16", {"B": 4, "T": 256, "H": 64}) is None
    forward, backward = MinGRU(8, 64).chosen(4, 256)
    assert (
        str(forward) == "gated_scan forward: simd (slice=512), from run run-256 at B=4 T=256 H=64, tied with streaming"
    )
    assert "walk_backward, fallback" in str(backward)


def test_a_file_that_is_no_table_is_one_line(tmp_path: Path) -> None:
    for text in ("", "[]", '{"format": 2, "entries": []}', '{"format": 1, "entries": [{"run": 3}]}'):
        broken = tmp_path / f"{len(text)}.json"
        broken.write_text(text)
        with pytest.raises(Problem, match=r"not a dispatch table .*workbench dispatch --export"):
            read_table(broken)


def test_the_command_writes_what_the_committed_runs_measured(tmp_path: Path) -> None:
    out = tmp_path / "table.json"
    committed = [entry for file in sorted(COMMITTED.glob("*.json")) for entry in read_table(file)]
    runs = sorted({entry.run for entry in committed})  # others may lie beside them: who sweeps has runs of their own
    done = CliRunner().invoke(make_app(), ["dispatch", *runs, "--export", str(out), "--profiles", str(PROFILES)])
    assert done.exit_code == 0, done.output
    written = {(e.operation, e.dtype, tuple(e.sizes.items())): e for e in read_table(out)}
    best = written["scan", "float32", (("B", 4), ("T", 1024), ("H", 512))]
    assert (best.variant, best.run, best.tie) == ("streaming", "cpu-epyc-2-cores", ())
    assert written["scan", "float32", (("B", 1), ("T", 128), ("H", 256))].tie == ("simd",)
    assert sorted(committed, key=str) == sorted(read_table(out), key=str)
    assert json.loads(out.read_text())["format"] == 1


def test_an_empty_folder_of_runs_is_a_problem(tmp_path: Path) -> None:
    done = CliRunner().invoke(make_app(), ["dispatch", "--profiles", str(tmp_path)])
    assert isinstance(done.exception, Problem)
    assert "no run has timed anything" in str(done.exception)


@pytest.mark.parametrize("variant", ["simd", "streaming"])
def test_a_variant_of_the_catalogue_gives_what_the_walk_gives(variant: str) -> None:
    B, T, H = 3, 70, 37
    kv, h0 = torch.randn(B, T, 2, H), torch.randn(B, H)
    h, h_last = torch.empty(B, T, H), torch.empty(B, H)
    run = prepare("gated_scan", variant, (("slice", 512),), Shape.of("float32", B=B, T=T, H=H), "cpu")
    run({"kv": kv, "h0": h0, "h": h, "h_last": h_last})
    expected, expected_last = kernels.gated_scan(kv, h0, None, torch.zeros(B, T, dtype=torch.uint8), False, False)
    assert torch.equal(h, expected)
    assert torch.equal(h_last, expected_last)


def test_a_layer_falls_back_where_the_table_names_what_it_cannot_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "table.json"
    write_table(table, (entry(256, "eager", settings={}), entry(4096, "gone")))
    monkeypatch.setenv(TABLE, str(table))
    for T in (256, 4096):
        assert MinGRU(8, 64).chosen(4, T)[0].variant == "walk"
        assert MinGRU(8, 64, batch_first=True)(torch.randn(4, T, 8))[0].shape == (4, T, 64)


def test_a_layer_s_backward_pass_runs_what_was_measured_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x, weights = torch.randn(4, 256, 8), torch.randn(4, 256, 64)
    layer = MinGRU(8, 64, batch_first=True)

    def gradient() -> torch.Tensor:
        layer.zero_grad()
        (layer(x)[0] * weights).sum().backward()
        return layer.weight_ih_l0.grad.clone()

    taken: list[tuple[str, str]] = []

    def recorded(
        operation: str, variant: str, settings: tuple[tuple[str, Setting], ...], shape: Shape, device: str, pass_: str
    ) -> Callable[[Tensors], None]:
        run = prepare(operation, variant, settings, shape, device, pass_)

        def note(tensors: Tensors) -> None:
            taken.append((variant, pass_))
            run(tensors)

        return note

    monkeypatch.setattr(kernels, "prepare", recorded)
    table = tmp_path / "table.json"
    write_table(table, ())
    monkeypatch.setenv(TABLE, str(table))
    own = gradient()
    assert taken == [] and layer.chosen(4, 256)[1].variant == "walk_backward"
    measured = tmp_path / "measured.json"
    write_table(measured, (entry(256, "streaming", pass_="backward"),))
    monkeypatch.setenv(TABLE, str(measured))
    assert torch.equal(gradient(), own)
    assert taken == [("streaming", "backward")]
    assert str(layer.chosen(4, 256)[1]).startswith("gated_scan backward: streaming (slice=512), from run run-256")
    made_of_calls = tmp_path / "calls.json"
    write_table(made_of_calls, (entry(256, "autograd", pass_="backward", settings={}),))
    monkeypatch.setenv(TABLE, str(made_of_calls))
    assert torch.equal(gradient(), own) and len(taken) == 1


def test_a_variant_made_of_library_calls_is_refused() -> None:
    with pytest.raises(Problem, match="a plan with a Call cannot run on cpu tensors"):
        prepare("gated_scan", "eager", (), Shape.of("float32", B=1, T=2, H=3), "cpu")
