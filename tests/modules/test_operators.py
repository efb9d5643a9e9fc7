"""The passes to torch: operators that it may trace, batch and time, and no more than their memory and imports."""

from __future__ import annotations

import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from kernel_variants.modules import fresh, kernels, passes


def arguments() -> dict[str, tuple[object, ...]]:
    B, T, H = 2, 9, 8
    kv, h0, h = torch.randn(B, T, 2, H), torch.randn(B, H), torch.randn(B, T, H)
    a, marks, w = torch.rand(B, T, H), torch.zeros(B, T, dtype=torch.uint8), torch.randn(H)
    grad = {n: x.clone().requires_grad_() for n, x in {"kv": kv, "h0": h0, "a": a, "b": h, "w": w}.items()}
    return {
        "scan": (grad["a"], grad["b"], grad["h0"], marks, False),
        "scan_backward": (a, h, None, None, h, h0, True),
        "gated_scan": (grad["kv"], grad["h0"], grad["w"], None, False, True),
        "gated_scan_backward": (kv, h, h0, None, marks, h, h0, False, False),
    }


@pytest.mark.parametrize("name", list(passes.SCHEMAS))
def test_torch_takes_them_for_operators(name: str) -> None:
    torch.library.opcheck(getattr(torch.ops.scan_workbench, name).default, arguments()[name])


class Seen(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(str(func))
        return func(*args, **(kwargs or {}))


def test_without_gradients_it_is_the_same_operator_to_all_who_look() -> None:
    """The values are the same, and modes, profilers, tracers and vmap see it, though it is passed by where none is."""
    kv = torch.randn(2, 5, 2, 33)
    right = passes.gated_scan(kv.clone().requires_grad_())
    with torch.no_grad(), Seen() as seen:
        found = passes.gated_scan(kv)
    assert seen.names == ["scan_workbench.gated_scan.default"]
    assert all(torch.equal(a, b) for a, b in zip(found, right, strict=True)) and right[0].requires_grad
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        each = torch.func.vmap(lambda one: passes.gated_scan(one)[0])(kv[:, None])
    assert torch.equal(each[:, 0], right[0])
    with torch.no_grad(), torch.profiler.profile() as profile:
        passes.gated_scan(kv)
    assert "scan_workbench::gated_scan" in {event.key for event in profile.key_averages()}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(lambda given: passes.gated_scan(given)[0], kv, check_trace=False)
        assert torch.equal(traced(-kv), passes.gated_scan(-kv)[0])
        assert all(torch.equal(a, b) for a, b in zip(passes.gated_scan(kv), right, strict=True))


def test_where_nobody_looks_no_operator_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    def operator(*_: object) -> None:
        raise AssertionError

    kv = torch.randn(2, 5, 2, 33)
    right = passes.gated_scan(kv)
    monkeypatch.setitem(passes._FUNCTIONS, operator, kernels.gated_scan)
    with torch.no_grad():
        found = passes.called(operator, kv, None, None, None, False, False)
    assert all(torch.equal(a, b) for a, b in zip(found, right, strict=True))


@pytest.mark.skipif(not Path("/sys/kernel/mm/transparent_hugepage").exists(), reason="no huge pages to ask for")
def test_what_is_large_asks_for_huge_pages_and_what_is_small_does_not() -> None:
    """In a process of its own: what is small gets memory that a large tensor of another test has asked for."""
    code = f"from {__name__} import what_asks_for_huge_pages; what_asks_for_huge_pages()"
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def what_asks_for_huge_pages() -> None:
    """By the flag of the mapping that a tensor's middle lies in."""

    def asks(tensor: Tensor) -> bool:
        middle, mapping = tensor.data_ptr() + tensor.nbytes // 2, (0, 0)
        for line in Path("/proc/self/smaps").read_text().splitlines():
            if re.match("[0-9a-f]+-[0-9a-f]+ ", line):
                mapping = tuple(int(end, 16) for end in line.split()[0].split("-"))
            elif line.startswith("VmFlags:") and mapping[0] <= middle < mapping[1]:
                return "hg" in line.split()
        raise AssertionError("its memory is in no mapping")

    like = torch.empty(0)
    assert asks(fresh.fresh(like, (1, fresh.FRESH_FROM // 4)))
    assert not asks(fresh.fresh(like, (1, fresh.FRESH_FROM // 8)))
    assert fresh.fresh(like, (2, 3), torch.bfloat16).dtype == torch.bfloat16
    kv = torch.randn(1, 1024, 2, 8192)
    h, _ = kernels.gated_scan(kv, None, None, None, False, False)
    assert asks(h) and not asks(kv)


def test_importing_the_layers_does_not_import_the_compiler() -> None:
    """torch's own takes as long to import as torch."""
    code = "import sys, kernel_variants.modules; print('torch' in sys.modules, 'torch._dynamo' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]


def test_double_backward_is_refused_in_words() -> None:
    kv = torch.randn(1, 4, 2, 3, requires_grad=True)
    h, _ = passes.gated_scan(kv)
    (dkv,) = torch.autograd.grad(h.square().sum(), kv, create_graph=True)
    with pytest.raises(RuntimeError, match="no double backward"):
        torch.autograd.grad(dkv.sum(), kv)
