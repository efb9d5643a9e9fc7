"""The data file of limits and devices: complete, sourced, and in agreement with NVIDIA's own headers."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import get_args, get_origin, get_type_hints

import pytest

from workbench.compile import supported_archs
from workbench.compile.host import host_compiler
from workbench.compile.toolkit import include_folders
from workbench.devices import arch_limits, archs, device, devices, first_for_arch, for_arch
from workbench.problem import Problem

FIGURES = [
    "sms",
    "l2_bytes",
    "memory_bytes",
    "boost_clock_hz",
    "bandwidth_bytes_per_s",
    "fp32_flops_per_s",
    "tf32_flops_per_s",
    "bf16_flops_per_s",
]


def test_the_named_devices_are_there() -> None:
    of_2025 = {"b200", "rtx5090", "rtx5070", "gb10"}
    assert set(devices()) == {"h200", "h100", "a100", "rtx4090", "rtx3090", "rtx4060"} | of_2025


@pytest.mark.parametrize("name", list(devices()))
def test_each_figure_names_its_source_and_a_missing_one_says_so(name: str) -> None:
    known = devices()[name]
    for figure in FIGURES:
        assert known.sources.get(figure), f"{name}.{figure} has no source"
        if getattr(known, figure) is None:
            assert known.sources[figure].startswith("not confirmed")
    assert bool(known.measured) == ("measured" in known.sources)


def test_every_field_holds_what_its_annotation_says() -> None:
    """Nothing holds the data file to it when it is read: whoever divides by a text would find it."""
    for known in (*archs().values(), *devices().values()):
        for name, kind in get_type_hints(type(known)).items():
            value = getattr(known, name)
            if (base := get_origin(kind)) in (dict, tuple):
                inner = get_args(kind)[-1 if base is dict else 0]
                values = value.values() if base is dict else value
                assert isinstance(value, base) and all(type(one) is inner for one in values), (known, name)
            else:
                assert type(value) in (get_args(kind) or (kind,)), (known, name)


def test_partitions_of_l2_name_their_source() -> None:
    partitioned = {name: known for name, known in archs().items() if known.l2_partitions > 1}
    assert set(partitioned) == {"sm_80", "sm_90"} and all(known.l2_partitions_source for known in partitioned.values())


@pytest.mark.parametrize("name", list(devices()))
def test_rates_agree_with_sms_and_clock(name: str) -> None:
    """float32 = SMs x lanes x 2 x clock: a slip of a digit in any of the three shows here."""
    known = devices()[name]
    if known.boost_clock_hz is None or known.fp32_flops_per_s is None:
        assert name == "b200"
        return
    lanes = 64 if known.arch == "sm_80" else 128
    assert known.fp32_flops_per_s == pytest.approx(known.sms * lanes * 2 * known.boost_clock_hz, rel=0.01)


def test_special_function_rate_is_derived_from_the_clock() -> None:
    assert device("h200").special_per_s == 16 * 132 * 1.98e9
    assert device("b200").special_per_s is None  # its clock is not confirmed


def test_the_h200_carries_what_was_measured_on_one() -> None:
    assert device("h200").measured == {"copy_bytes_per_s": 4.3e12, "matmul_flops_per_s_bfloat16": 790e12}


def test_every_architecture_of_nvrtc_has_limits() -> None:
    assert set(supported_archs()) <= set(archs())


def test_limits_agree_with_nvidias_own_traits(tmp_path: Path) -> None:
    """The installed CCCL states the limits of each architecture as constants: compiled here and compared."""
    rows = "".join(f"show<cuda::arch_id::{name}>();\n" for name in archs())
    (tmp_path / "traits.cpp").write_text(
        f"""
        #include <cstdio>
        #include <cuda/devices>
        template <cuda::arch_id id> void show() {{
            constexpr auto t = cuda::arch_traits<id>();
            std::printf("sm_%d%d %d %d %d %d %d %d %d %d %d\\n", t.compute_capability_major, t.compute_capability_minor,
                        t.max_threads_per_block, t.max_threads_per_multiprocessor, t.max_blocks_per_multiprocessor,
                        t.max_registers_per_multiprocessor, t.max_registers_per_block,
                        (int)t.max_shared_memory_per_multiprocessor, (int)t.max_shared_memory_per_block_optin,
                        (int)t.max_shared_memory_per_block, (int)t.reserved_shared_memory_per_block);
        }}
        int main() {{ {rows} }}
        """
    )
    program = tmp_path / "traits"
    include = [f"-I{folder}" for folder in include_folders()]
    subprocess.run(
        [*host_compiler(), "-std=c++17", *include, str(tmp_path / "traits.cpp"), "-o", str(program)], check=True
    )
    lines = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(lines) == len(archs())
    for line in lines:
        name, *figures = line.split()
        limits = archs()[name]
        assert [int(figure) for figure in figures] == [
            limits.max_threads_per_block,
            limits.max_threads_per_sm,
            limits.max_blocks_per_sm,
            limits.registers_per_sm,
            limits.registers_per_block,
            limits.shared_bytes_per_sm,
            limits.shared_bytes_per_block,
            limits.shared_bytes_default,
            limits.shared_bytes_reserved,
        ], name


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("h200", "h200"),
        ("H100", "h100"),
        ("RTX 4090", "rtx4090"),
        ("NVIDIA H100 80GB HBM3", "h100"),
        ("NVIDIA GeForce RTX 3090", "rtx3090"),
        ("NVIDIA A100-SXM4-80GB", "a100"),
    ],
)
def test_a_device_is_found_by_its_name_or_the_drivers(word: str, name: str) -> None:
    assert device(word).name == name


@pytest.mark.parametrize("word", ["NVIDIA GeForce RTX 3090 Ti", "NVIDIA H100 PCIe", "NVIDIA A100-PCIE-40GB"])
def test_another_model_of_the_family_is_not_mistaken_for_it(word: str) -> None:
    with pytest.raises(Problem, match="unknown device"):
        device(word)


def test_an_unknown_device_or_architecture_names_the_nearest() -> None:
    with pytest.raises(Problem, match="unknown device h20: did you mean h200"):
        device("h20")
    with pytest.raises(Problem, match="unknown architecture sm_91: did you mean sm_90"):
        arch_limits("sm_91")


def test_devices_of_an_architecture() -> None:
    assert [known.name for known in for_arch("sm_90a")] == ["h200", "h100"]
    assert [known.name for known in for_arch("sm_120")] == ["rtx5090", "rtx5070"]
    assert for_arch("sm_87") == []


def test_an_architecture_without_a_device_names_the_nearest_that_has_one() -> None:
    assert first_for_arch("sm_121").name == "gb10"
    with pytest.raises(
        Problem, match=r"--arch sm_110a: no GPU of it is known.* nearest .* is the NVIDIA B200.*, sm_100"
    ):
        first_for_arch("sm_110a")
