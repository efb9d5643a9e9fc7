"""What this CPU gives at most, measured in the same run: its memory and its caches, exponentials, multiply-adds, matrix
products.

Bytes are counted as read plus written by the program. What a cache adds on its own is not counted: an ordinary store
first reads the line it is about to overwrite, so that a plain copy moves 3 bytes for the 2 that it is credited with,
a plain triad 4 for 3. Non-temporal stores move what is counted.

All but the product run in C++ (ceilings_cpu.cpp) on as many threads as OpenMP would take; the arrays of memory on huge
pages and several times the size of the last cache, those of a cache half its size and gone over again and again. The
kinds are measured in turn, round after round, so that a neighbour's load hits all of them alike.

In a round each thread works in short bursts and waits for no other: where another process has a core, threads that meet
at a barrier all wait for the one that lost it, and a rate of the whole call says how often that happened. The rate of a
round is that of the machine, all threads together, during the best of its bursts. Each ceiling is its best round, for
load makes none faster; the median, of rounds that nothing disturbed where there are any, stands beside it as
`NAME_median`. Rounds go on for a while where a kind has had no quiet one.
"""

from __future__ import annotations

import ctypes
import itertools
import mmap
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.measure.caches import LEVELS, cache_bytes, last_cache_bytes
from workbench.measure.ceilings import MEMORY, Measured, at_level
from workbench.measure.observer import around
from workbench.measure.surroundings import Surroundings, most_common
from workbench.problem import Problem

SOURCE = Path(__file__).with_suffix(".cpp")
CACHE_MULTIPLE = 4
"""Each array is at least this many times the last cache: what stays in it from round to round is then no matter."""
LEAST_ARRAY_BYTES = 64 << 20
SHARE_OF_MEMORY = 16
"""An array takes at most a sixteenth of the memory that is free."""
LEAST_ROUNDS = 5
BURSTS = 16
"""Of a thread, in one round."""
BURST_SECONDS = 2.5e-4
"""About how long a burst of arithmetic lasts, or of reading a cache; copies take twice or three times as long. Well
under the milliseconds for which a thread keeps its core, well over the time that two looks at the clock take."""
AGAIN = 3
"""How many times their seconds rounds go on at most for the sake of kinds that have had no quiet one."""
MOST_SECONDS = 20.0
"""When fewer rounds than LEAST_ROUNDS have to do: where threads wait for each other at each call."""
PART_BYTES = 4 << 20
"""Of each array of memory, per thread: what one burst goes over. It then lasts a millisecond or less, which on a busy
machine finds a moment when nobody else runs. A thread's share of an array of the last cache that is larger is cut into
pieces of about as much, a burst each."""
PARTS_A_ROUND = 4
"""Bursts of memory in a round, which goes over the next parts each time. No part comes again before all others have,
whatever kind of round went over it: what one kind has just read, the next would find in the cache."""
PRODUCT_SHARE = 0.25
"""Of the time: what goes to the matrix product."""
PRODUCT_SIZE = 2048
"""M = N = K of the matrix product."""


def array_bytes(last_cache: int, free_bytes: int) -> int:
    """Bytes of each of the three arrays, whole lines."""
    wanted = max(LEAST_ARRAY_BYTES, CACHE_MULTIPLE * last_cache)
    return min(wanted, free_bytes // SHARE_OF_MEMORY) // 64 * 64


def measure_cpu_ceilings(seconds: float = 4.0) -> Measured:
    """Ceilings of all cores together, float32 throughout, in about `seconds` (and at least five rounds):

    - `read_bytes_per_s`, `copy_bytes_per_s`, `copy_nt_bytes_per_s`, `triad_bytes_per_s`, `triad_nt_bytes_per_s`:
      memory, with ordinary and with non-temporal stores, bytes read plus written. Where the compiler knows no
      non-temporal store (GCC on ARM), the two of a pair do the same. The same of each cache, as `l1_copy_bytes_per_s`.
    - `exp_per_s`: exponentials, inline, over all of float32's range, to about one unit in the last place, on data
      that stays in L1. `exp_libm_per_s`: the same by calls of the C library's vector expf (glibc's libmvec), missing
      where there is none.
    - `fma_flops_per_s`: independent multiply-adds, two operations each.
    - `matmul_flops_per_s`: torch's matrix product; missing where there is no torch.

    Each has its `…_median`. Raises Problem where there is no C++ compiler.
    """
    library = _library()
    threads = threads_of_openmp()
    kinds = _memory(library, threads) | _caches(library, threads) | _arithmetic(library, threads)
    rounds = _rounds(kinds, seconds * (1 - PRODUCT_SHARE))
    # Apart from the rest: a product takes as long as all of them, and torch's OpenMP, where it is not the same one,
    # leaves threads that spin for a while on the same cores.
    rounds |= _rounds(_product(), seconds * PRODUCT_SHARE)
    typical = {name: statistics.median(rate for rate, _ in _quiet(found) or found) for name, found in rounds.items()}
    return Measured(
        {name: max(rate for rate, _ in found) for name, found in rounds.items()}
        | {f"{name}_median": value for name, value in typical.items()},
        tuple(name for name, found in rounds.items() if not _quiet(found)),
        tuple(most_common([met.disturbances() for found in rounds.values() for _, met in found])),
    )


_Kind = Callable[[], float]
"""Does a round and returns its rate: bytes, exponentials or operations per second."""
_Round = tuple[float, Surroundings]
"""The rate of one round, and what else the machine did meanwhile."""


def _quiet(found: list[_Round]) -> list[_Round]:
    return [one for one in found if not one[1].disturbances()]


def _is_short(rounds: int, spent_s: float) -> bool:
    return rounds < LEAST_ROUNDS and spent_s < MOST_SECONDS


def _rounds(kinds: Mapping[str, _Kind], seconds: float) -> dict[str, list[_Round]]:
    """The rounds of every kind, in turn until the time is up; of those without a quiet one for longer."""
    found: dict[str, list[_Round]] = {name: [] for name in kinds}
    begin = time.perf_counter()
    rounds, wanted, most = 0, list(kinds), AGAIN * seconds
    while wanted and (_is_short(rounds, time.perf_counter() - begin) or time.perf_counter() - begin < most):
        for name in wanted:
            found[name].append(around(kinds[name]))
        rounds += 1
        if rounds >= LEAST_ROUNDS and time.perf_counter() - begin >= seconds:
            wanted = [name for name in wanted if not _quiet(found[name])]
    return found


def _library() -> ctypes.CDLL:
    from workbench.compile import HOST, Unit, build_or_raise

    unit = Unit(SOURCE, "float32", (), HOST)
    binary = build_or_raise([unit], f"{SOURCE.name} does not compile, so there are no ceilings", Problem)[unit]
    library = ctypes.CDLL(str(binary.path))
    library.exponentials_a_round.restype = ctypes.c_longlong
    library.flops_a_round.restype = ctypes.c_longlong
    library.exponential_of.argtypes, library.exponential_of.restype = [ctypes.c_float], ctypes.c_float
    return library


def threads_of_openmp() -> int:
    """As many as OpenMP takes for the variants: OMP_NUM_THREADS, else the cores that this process may use."""
    named = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    return int(named) if named.isdecimal() and int(named) > 0 else len(os.sched_getaffinity(0))


class _Bursts(ctypes.Structure):
    """How the work of each thread is cut up, and the nanoseconds in which each burst began and ended."""

    _fields_ = (
        ("rounds", ctypes.c_longlong), ("count", ctypes.c_longlong), ("pieces", ctypes.c_longlong),
        ("stamps", ctypes.c_void_p),
    )  # fmt: skip
    kept: NDArray[np.int64]
    """What `stamps` points to: it lives for as long as whoever was given the bursts."""


class _Stamped:
    """The stamps of `threads` threads, and what the C++ functions take to write them."""

    def __init__(self, threads: int, rounds: int, count: int = BURSTS, pieces: int = 1) -> None:
        self.stamps = np.zeros((threads, count, 2), dtype=np.int64)
        self.bursts = _Bursts(rounds, count, pieces, self.stamps.ctypes.data)
        self.bursts.kept = self.stamps
        self.threads = ctypes.c_longlong(threads)

    def arguments(self) -> tuple[Any, Any]:
        return self.threads, ctypes.byref(self.bursts)


def rate_of(stamps: NDArray[np.int64], amount: float) -> float:
    """What all threads did per second during the best burst, `amount` in each of their bursts; of those that overlap
    it in part, that part. `stamps`: threads x bursts x (begin, end), nanoseconds, each thread's in order."""
    ends = stamps.reshape(len(stamps), -1).astype(np.float64)
    done = amount * np.repeat(np.arange(stamps.shape[1] + 1), 2)[1:-1]
    begin, end = ends[:, ::2].ravel(), ends[:, 1::2].ravel()
    work = sum(np.interp(end, own, done) - np.interp(begin, own, done) for own in ends)
    return float(np.max(work / np.maximum(end - begin, 1.0))) * 1e9


def _memory(library: ctypes.CDLL, threads: int) -> dict[str, _Kind]:
    import psutil

    nbytes = array_bytes(last_cache_bytes(), psutil.virtual_memory().available)
    part = min(nbytes, threads * PARTS_A_ROUND * PART_BYTES) // 64 * 64
    nbytes = nbytes // part * part
    maps = _filled(library, nbytes, part, threads)
    places = itertools.cycle(range(0, nbytes, part))
    found = _bandwidths(library, maps, part, _Stamped(threads, 1, PARTS_A_ROUND, PARTS_A_ROUND), places)
    return {at_level(MEMORY, name): kind for name, kind in found.items()}


def _caches(library: ctypes.CDLL, threads: int) -> dict[str, _Kind]:
    """Those of every cache that is well larger than the ones before it: three arrays that fill half of it together."""
    found: dict[str, _Kind] = {}
    sizes, smaller = cache_bytes(), 0
    for level in LEVELS:
        size = sizes.get(level, 0)
        nbytes = size // 2 // 3 // 64 * 64
        if 3 * nbytes > smaller:
            pieces = max(1, nbytes // threads // PART_BYTES)
            rounds = 1  # found with one thread, which takes the others' share as well: nothing then waits for another
            while pieces == 1 and _alone_s(library, nbytes, rounds) < BURST_SECONDS * threads:
                rounds *= 2
            stamped = _Stamped(threads, rounds, BURSTS if pieces == 1 else pieces, pieces)
            kinds = _bandwidths(library, _filled(library, nbytes, nbytes, threads), nbytes, stamped)
            found |= {at_level(level, name): kind for name, kind in kinds.items()}
        smaller += size
    return found


def _alone_s(library: ctypes.CDLL, nbytes: int, rounds: int) -> float:
    maps = _filled(library, nbytes, nbytes, 1)
    kind = _bandwidths(library, maps, nbytes, _Stamped(1, rounds, 3))["read"]
    return nbytes * rounds / kind()


def _filled(library: ctypes.CDLL, nbytes: int, part: int, threads: int) -> list[mmap.mmap]:
    """Three arrays, each `part` filled by the threads that will go over it: pages lie near them."""
    maps = [_huge(nbytes) for _ in range(3)]
    n, workers = ctypes.c_longlong(part // 4), ctypes.c_longlong(threads)
    for one in maps:
        for place in range(0, nbytes, part):
            library.fill(ctypes.c_void_p(_address(one) + place), ctypes.c_float(0.5), n, workers)
    return maps


def _address(mapping: mmap.mmap) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(mapping))


def _bandwidths(
    library: ctypes.CDLL,
    maps: Sequence[mmap.mmap],
    part: int,
    stamped: _Stamped,
    places: Iterator[int] | None = None,
) -> dict[str, _Kind]:
    """Rounds over the first `part` bytes of three arrays, or over as many from the next of `places` at each; rates are
    bytes read plus written. Kinds that are given the same iterator never follow each other over one part."""
    n, bursts = ctypes.c_longlong(part // 4), stamped.bursts
    a, b, c = map(_address, maps)
    following = places or itertools.repeat(0)

    def calling(name: str, *arrays: int) -> _Kind:
        function = getattr(library, name)
        amount = len(arrays) * part * bursts.rounds / len(stamped.stamps) / bursts.pieces

        def call() -> float:
            place = next(following)
            function(*(ctypes.c_void_p(array + place) for array in arrays), n, *stamped.arguments())
            assert maps  # the memory lives on in it
            return rate_of(stamped.stamps, amount)

        return call

    return {
        "read": calling("read", b),
        "copy": calling("copy", b, a),
        "copy_nt": calling("copy_nt", b, a),
        "triad": calling("triad", b, c, a),
        "triad_nt": calling("triad_nt", b, c, a),
    }


def _huge(nbytes: int) -> mmap.mmap:
    """Anonymous memory that asks for huge pages, as the variants' buffers do."""
    mapping = mmap.mmap(-1, nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        mapping.madvise(mmap.MADV_HUGEPAGE)
    return mapping


def _arithmetic(library: ctypes.CDLL, threads: int) -> dict[str, _Kind]:
    exponentials, flops = library.exponentials_a_round(), library.flops_a_round()
    kinds = {
        "exp_per_s": _repeated(library.exponentials, exponentials, threads),
        "fma_flops_per_s": _repeated(library.multiply_adds, flops, threads),
    }
    if library.exponentials_libm(*_Stamped(1, 1, 1).arguments()):
        kinds["exp_libm_per_s"] = _repeated(library.exponentials_libm, exponentials, threads)
    return kinds


def _repeated(function: Callable[..., object], amount: int, threads: int) -> _Kind:
    """Bursts of enough rounds to last BURST_SECONDS, found with one thread: nothing then waits for another."""

    def calling(threads: int, rounds: int) -> _Kind:
        stamped = _Stamped(threads, rounds)

        def call() -> float:
            function(*stamped.arguments())
            return rate_of(stamped.stamps, float(amount * rounds))

        return call

    rounds = 64
    while amount * rounds / calling(1, rounds)() < BURST_SECONDS:
        rounds *= 2
    return calling(threads, rounds)


def _product() -> dict[str, _Kind]:
    try:
        import torch
    except ImportError:
        return {}
    x = torch.randn(PRODUCT_SIZE, PRODUCT_SIZE)
    y = torch.randn(PRODUCT_SIZE, PRODUCT_SIZE)
    out = torch.empty_like(x)

    def call() -> float:
        start = time.perf_counter()
        torch.matmul(x, y, out=out)
        return 2.0 * PRODUCT_SIZE**3 / (time.perf_counter() - start)

    return {"matmul_flops_per_s": call}
