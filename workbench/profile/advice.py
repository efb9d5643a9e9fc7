"""The workbench's own advice: sentences about a record, made by rules that live with what they know about.

A folder of kernels may hold an `advice.py` that exports ADVICE, a sequence of functions

    rule(facts) -> a sentence, or None where it does not apply

What a rule knows of gates, scans or anything else stays there; here is only what it is told:

    operation, variant, backend, factors, settings, pass, shape    as in the record
    bytes {declared, least, counted}, launches {declared, counted}
    dram_read_bytes, dram_write_bytes, multiprocessors, l2_bytes    None where missing
    figures     the figures of metrics.json that the launches give
    ceilings    those of the run
    variants    the operation's variants in the order of the ladder: {name, rung, devices, factors, idea}
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.catalog import BUILTIN, Catalog
from workbench.problem import Problem
from workbench.profile.metrics import combined
from workbench.store.launch import Launch
from workbench.store.record import Record
from workbench.user_modules import spec_of

Facts = Mapping[str, Any]
AdviceRule = Callable[[Facts], str | None]


def advise(record: Record, launches: Sequence[Launch], ceilings: Mapping[str, float], catalog: Catalog) -> list[str]:
    """What the rules of the catalogue's folders say about one record. Works on a record without launches too:
    rules that need counters then keep silent."""
    known = facts(record, launches, ceilings, catalog)
    sentences = (rule(known) for root in catalog.roots for rule in rules_of(root))
    return [sentence for sentence in sentences if sentence]


def facts(
    record: Record, launches: Sequence[Launch], ceilings: Mapping[str, float], catalog: Catalog
) -> dict[str, Any]:
    """Everything a rule is told about a record."""
    figures = combined(launches)
    read, written = figures.get("dram_read_bytes"), figures.get("dram_write_bytes")
    counted = read + written if read is not None and written is not None else record.counted.bytes
    variants = [v for v in catalog.variants.get(record.operation, []) if v.pass_ == record.pass_]
    return {
        "operation": record.operation,
        "variant": record.variant,
        "backend": record.backend,
        "factors": dict(record.factors),
        "settings": dict(record.settings),
        "pass": record.pass_,
        "shape": dict(record.shape),
        "bytes": {"declared": record.declared.bytes, "least": record.least.bytes, "counted": counted},
        "launches": {
            "declared": record.declared.launches,
            "counted": len(launches) if launches else record.counted.launches,
        },
        "dram_read_bytes": read,
        "dram_write_bytes": written,
        "multiprocessors": _device(launches, "device__attribute_multiprocessor_count"),
        "l2_bytes": _device(launches, "device__attribute_l2_cache_size"),
        "figures": figures,
        "ceilings": dict(ceilings),
        "variants": [
            {
                "name": v.name,
                "key": v.key,
                "rung": v.rung,
                "devices": v.devices,
                "factors": dict(v.factors),
                "idea": v.idea,
            }
            for v in variants
        ],
    }


def _device(launches: Sequence[Launch], attribute: str) -> float | None:
    return next((value for launch in launches if (value := launch.number(attribute)) is not None), None)


@functools.cache
def rules_of(root: Path) -> tuple[AdviceRule, ...]:
    """The rules of a folder of kernels; none where it has no advice.py."""
    file = root / "advice.py"
    if not file.is_file():
        return ()
    try:
        module = importlib.import_module("kernel_variants.advice") if root == BUILTIN else _load(file)
        rules = tuple(module.ADVICE)
    except Problem:
        raise
    except Exception as error:  # whatever a user's file raises is a problem of that file
        raise Problem(f"{file}: {type(error).__name__}: {error}; it exports ADVICE, a sequence of functions") from error
    return rules


def _load(file: Path) -> Any:
    name = f"workbench_advice_{abs(hash(file))}"
    specification = spec_of(name, file)
    if specification is None or specification.loader is None:
        raise Problem(f"{file}: cannot be imported; it exports ADVICE, a sequence of functions")
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    specification.loader.exec_module(module)
    return module
