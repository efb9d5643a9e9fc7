"""What the host compiler is given in place of a CUDA source."""

from __future__ import annotations

from workbench.emulate.flags import wrap


def lines_behind(text, path):
    """Line numbers as the compiler counts them, by the #line directives: {text of a line: (file, number)}."""
    file, number, seen = "", 0, {}
    for line in text.splitlines():
        if line.startswith("#line "):
            _, count, name = line.split(" ", 2)
            file, number = name.strip('"'), int(count)
            continue
        seen[line.strip()] = (file, number)
        number += 1
    return seen


def test_lines_stay_where_they_were(tmp_path):
    header = tmp_path / "part.cuh"
    header.write_text("#pragma once\n\nint in_header;\n")
    source = tmp_path / "k.cu"
    source.write_text(
        '// first\n#include "part.cuh"\n\nextern "C" __global__ void k(const float *x, // a )\n'
        "                              int n) {\n  extern __shared__ float\n      tile[];\n  last(); }\n"
    )
    seen = lines_behind(wrap(source.read_text(), source), source)
    assert seen["int in_header;"] == (str(header), 3)
    assert seen["int n) {"] == (str(source), 5)
    assert seen["last(); }"] == (str(source), 8)


def test_kernels_get_an_entry_and_templates_none(tmp_path):
    text = """
extern "C" __global__ void __launch_bounds__(BLOCK(256), 2) first(const float *x) {}
extern "C" __launch_bounds__(128) __global__ void second(int n)
{ }
extern "C" __global__ void declared(int n);
template <int N> __global__ void general(int n) {}
// extern "C" __global__ void commented(int n) {}
extern "C" {
__global__ void third(float *y) {}
}
"""
    wrapped = wrap(text, tmp_path / "k.cu")
    assert [word.split(")")[0] for word in wrapped.split("WORKBENCH_ENTRY(")[1:]] == ["first", "second", "third"]


def test_a_header_that_two_branches_include_counts_in_both(tmp_path):
    (tmp_path / "h.cuh").write_text("#pragma once\nint once;\n")
    wrapped = wrap('#if A\n#include "h.cuh"\n#else\n#include "h.cuh"\n#endif\n', tmp_path / "k.cu")
    assert wrapped.count("int once;") == 2
    assert wrapped.count("#ifndef WORKBENCH_INCLUDED") == 2


def test_missing_header_is_left_to_the_compiler(tmp_path):
    assert '#include "nowhere.cuh"' in wrap('#include "nowhere.cuh"\n', tmp_path / "k.cu")
