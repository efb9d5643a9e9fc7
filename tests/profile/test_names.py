"""What kernels are called, and what keeps two of them apart: template arguments, device, process, own ranges."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.profile import own_report
from tests.profile.own_report import Made, report
from tests.profile.test_forms import TIME
from workbench.profile.import_report import import_as_run, names_of
from workbench.profile.kernel_names import labels, short_name, slug, told_apart
from workbench.profile.launches import own_range
from workbench.profile.read import read_launches
from workbench.profile.upload import figures_table, store_upload
from workbench.show.pictures.occupancy import by_kernel, limiter_colours
from workbench.store.counters import read_counters
from workbench.views.counters import kernels, launches_of
from workbench.views.filter import Filter
from workbench.views.query import read_records
from workbench.views.runs import list_summaries


@pytest.mark.parametrize(
    ("kernel", "name"),
    [
        ("void run<main::{lambda(int)#1}>(main::{lambda(int)#1})", "run"),
        ("main::{lambda(int)#1}::operator()(int) const", "main::lambda1::operator()"),
        ("bool Foo::operator<(Foo const&) const", "Foo::operator<"),
        ("Foo::operator bool() const", "Foo::operator bool"),
        ("Foo::operator->() const", "Foo::operator->"),
        ("void ns::operator<< <int>(int)", "ns::operator<<"),
        ("auto foo<int>(int) -> decltype(x)", "foo"),
        ("void k<&bar(int)>(int*)", "k"),
        ("gemm[abi:cxx11](int)", "gemm"),
        ("Functor<(a > b)>::operator()<int>(int)", "Functor::operator()"),
        ("std::enable_if<(sizeof(T1)>(4)), void>::type foo<double>(T1)", "foo"),
        ("typename A<B>::type const& C<D>::run<E>(int) const &", "C::run"),
        ("const float *get<int>(int)", "get"),
        ("kernel(int (*)[3])", "kernel"),
        ("__main__::add[abi:v1,cw51cXTL](Array<float, 1, C>)", "__main__::add"),
        ("julia_vadd_1234(CuDeviceArray<Float32, 1, 1>)", "julia_vadd_1234"),
        ("triton_poi_fused_add_0", "triton_poi_fused_add_0"),
        ("void cub::DeviceScanKernel<cub::A, (int)3>(cub::B) [clone .kd]", "cub::DeviceScanKernel"),
        ("volcano<", "volcano"),
        ("<<<>>>", "<<<>>>"),
    ],
)
def test_short_names(kernel: str, name: str) -> None:
    assert short_name(kernel) == name and slug(kernel)


def test_names_are_as_long_as_tells_them_apart() -> None:
    found = told_apart(["void f<(int)32>(int)", "void f<(int)16>(int)", "g(int)", "g(float)", "h<int>(int)"])
    assert list(found.values()) == ["f<(int)32>", "f<(int)16>", "g(int)", "g(float)", "h"]
    long = told_apart([f"f<{'x' * 100}, {n}>(int)" for n in range(2)])
    assert len(set(long.values())) == 2 and max(map(len, long.values())) < 60
    kernel = {"kernel": "k(int)"}
    assert labels([{**kernel, "device": "0"}, {**kernel, "device": "1"}, {"kernel": "j", "device": "0"}]) == [
        "k on device 0", "k on device 1", "j",
    ]  # fmt: skip


INSTANCES = [
    Made("gemm", f"void gemm<{kind}>(float *)", metrics={TIME: time, "device__attribute_device_index": 1.0})
    for kind, time in (("float", 300.0), ("__half", 100.0), ("float", 500.0))
]  # fmt: skip


def written(tmp_path: Path, data: bytes) -> Path:
    file = tmp_path / "made.ncu-rep"
    file.write_bytes(data)
    return file


def test_instances_of_a_template_have_names_of_their_own_everywhere(tmp_path: Path) -> None:
    imported = import_as_run(written(tmp_path, report(INSTANCES)), tmp_path / "profiles")
    assert [record.variant for record in imported.records] == ["gemm_float", "gemm_half"]
    assert list(names_of(imported.records).values()) == ["gemm<float>", "gemm<__half>"]
    assert set(read_counters(imported.run).kernel) == {"void gemm<float>(float *)", "void gemm<__half>(float *)"}
    assert imported.records[0].factors["device"] == "1"


def test_names_that_only_signs_tell_apart_make_different_variants(tmp_path: Path) -> None:
    made = [Made("f", f"void f<{kind}>(int)", metrics={TIME: 1.0}) for kind in ("int *", "int&", "int")]
    records = import_as_run(written(tmp_path, report(made)), tmp_path / "profiles").records
    assert [record.variant for record in records] == ["f_int", "f_int_2", "f_int_3"]


def test_shares_of_a_report_are_of_the_whole_report(tmp_path: Path) -> None:
    import_as_run(written(tmp_path, report(INSTANCES)), tmp_path / "profiles")
    runs = list_summaries(tmp_path / "profiles")
    records = read_records(runs, Filter()).frame
    found = kernels(records, launches_of(runs, records))
    assert dict(zip(found["kernel"], found["share"], strict=True)) == pytest.approx(
        {"gemm<float>": 800 / 900, "gemm<__half>": 100 / 900}
    )


def test_the_process_of_a_launch_is_read_from_the_report(tmp_path: Path) -> None:
    names = [TIME]
    data = b"NVR\0" + own_report._sized(own_report._number(1, own_report.VERSION))
    data += own_report._block(0, own_report._text(1, TIME), b"", 1)
    for process in (10, 11, 10):
        made = Made("k", "k(int)", metrics={TIME: 5.0})
        data += own_report._block(1, b"", own_report._sized(own_report._result(made, names, process)), process)
    file = written(tmp_path, data)
    assert [launch.process for launch in read_launches(file)] == ["10", "11", "10"]
    imported = import_as_run(file, tmp_path / "profiles")
    assert list(names_of(imported.records).values()) == ["k on process 10", "k on process 11"]


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("aten::mm, seq = 123, op_id = 456", "aten::mm"),
        ("aten::add, op_id = 4, input_op_ids = [(3, 0)]", "aten::add"),
        ("layer 3", "layer 3"),
        ("seq of things", "seq of things"),
    ],
)
def test_running_numbers_of_torch_make_no_range_of_their_own(name: str, kept: str) -> None:
    assert own_range(name) == kept


def test_ranges_with_colons_and_of_the_whole_process(tmp_path: Path) -> None:
    push = "thread Domain:Push/Pop_Range:PL_Type:PL_Value:CLR_Type:Color:Msg_Type:Msg"
    start = "Id:Domain:Start/Stop_Range:PL_Type:PL_Value:CLR_Type:Color:Msg_Type:Msg"
    rest = ":none" * 6
    text = f'"ID","Kernel Name","{push}","{start}","{TIME}"\n"","","","","ns"\n'
    inner = f'1  ""<default domain>:aten::mm, seq = 5{rest}"" ""mine:step{rest}"" '
    text += f'"0","k","{inner}","0:mine:training{rest}","5"\n'
    (launch,) = read_launches(written(tmp_path, text.encode()))
    assert launch.own_ranges == ("training", "aten::mm", "step")


def test_a_file_is_stored_once_and_shown_again(tmp_path: Path) -> None:
    data = report(INSTANCES)
    first = store_upload("a.ncu-rep", data, tmp_path / "profiles", None)
    again = store_upload("b.ncu-rep", data, tmp_path / "profiles", None)
    assert (first.already, again.already) == (False, True)
    assert (again.run, again.count, again.metrics) == (first.run, 3, first.metrics)
    pd.testing.assert_frame_equal(figures_table(again)[0], figures_table(first)[0])
    assert [path.name for path in (tmp_path / "profiles").iterdir()] == ["imported-a"]
    (tmp_path / "profiles/imported-a/counters.parquet").write_bytes(b"broken")
    assert not store_upload("b.ncu-rep", data, tmp_path / "profiles", None).already, "what is broken is no copy"


def test_limits_that_tie_are_drawn_and_named() -> None:
    facts = pd.DataFrame(
        {
            "variant": ["a", "b", "c"], "kernel": ["a", "b", "c"], "arch": "sm_80", "registers": 40,
            "block_threads": 64, "occupancy_theoretical": [0.5, 0.6, 0.7], "shared_bytes": 0,
            "occupancy_limiter": ["registers and warps", "warps", None],
        }
    )  # fmt: skip
    bars = [trace for trace in by_kernel(facts).data if trace.type == "bar"]
    assert sorted(y for bar in bars for y in bar.y) == ["a", "b", "c"]
    tied = next(bar for bar in bars if "registers and warps" in bar.name)
    assert (tied.marker.color, tied.marker.pattern.fgcolor) == limiter_colours("registers and warps")


class Asked(dict[str, str]):
    """Factors that count how often they are looked into."""

    count = 0

    def get(self, name: str, default: str = "") -> str:  # type: ignore[override]
        Asked.count += 1
        return super().get(name, default)


def test_names_of_many_launches_of_one_kernel_take_as_much_work_each() -> None:
    factors = [Asked(kernel="void k<int>()", process=str(n)) for n in range(1000)]
    assert labels(factors)[-1] == "k on process 999"
    assert Asked.count < 20 * len(factors), "each is held against its kernel once, not against every other"
