"""A comparison as JUnit's XML, which every CI draws: a test case per pair."""

from __future__ import annotations

import re
import xml.etree.ElementTree as xml

from workbench.show.compare_text import ratio_text, summary, verdict_text
from workbench.views.compare import Comparison
from workbench.views.shapes import shape_text

NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold, however they are escaped."""


def as_junit(result: Comparison, a: str, b: str) -> bytes:
    """A pair that is slower beyond what is let pass is a failure; one of which that cannot be excluded is skipped, with
    the reason: it has failed nothing, and passed nothing either. Everything else passes. Times are B's, in seconds."""
    failed = [pair for pair in result.pairs if result.fails(pair)]
    open_ = [pair for pair in result.pairs if not result.fails(pair) and result.undecided(pair)]
    counts = {"tests": str(len(result.pairs)), "failures": str(len(failed)), "skipped": str(len(open_)), "errors": "0"}
    suite = xml.Element("testsuite", {"name": _text(f"{b} against {a}"), **counts})
    for pair in result.pairs:
        names = pair.variant_a if pair.variant_a == pair.variant_b else f"{pair.variant_a} → {pair.variant_b}"
        pass_ = "" if pair.pass_ == "forward" else f".{pair.pass_}"
        case = xml.SubElement(
            suite, "testcase", classname=_text(f"{pair.operation}{pass_}.{names}"), name=_text(shape_text(pair.shape)),
            time=f"{pair.median_b_s or 0:.9f}",
        )  # fmt: skip
        told = _text(" ".join(filter(None, (verdict_text(pair), ratio_text(pair), pair.reason))))
        if pair in failed:
            xml.SubElement(case, "failure", type="slower", message=told)
        elif pair in open_:
            xml.SubElement(case, "skipped", message=told)
    xml.SubElement(suite, "system-out").text = _text("\n".join((summary(result), *result.notes)))
    root = xml.Element("testsuites", counts)
    root.append(suite)
    xml.indent(root)
    return bytes(xml.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _text(words: str) -> str:
    return NOT_XML.sub("?", words)
