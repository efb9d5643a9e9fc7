"""Traces that somebody made elsewhere, laid into the profiles folder so that they are shown as a training is."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from workbench.distributed.trace import traces
from workbench.durable import PART, sync, write_whole
from workbench.foreign import printable
from workbench.problem import Problem

LONGEST = 60


def store_traces(files: Sequence[tuple[str, bytes]], profiles: Path, name: str) -> Path:
    """The folder `name` with these traces (file name, content), one per rank; it appears as a whole. Raises Problem for
    a file that is no Chrome trace, for two of one rank, and for a name that is taken; nothing is stored then."""
    plain = re.sub(r"[^\w.-]", "-", name, flags=re.ASCII).strip(".-")[:LONGEST] or "traces"
    target = profiles / plain
    if target.exists():
        raise Problem(f"{printable(target)} is there already: choose another name", exit_status=2)
    part = profiles / f"{PART}{os.getpid()}-{plain}"
    names: dict[str, str] = {}
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        for place, (given, content) in enumerate(files):
            end = ".json.gz" if content[:2] == b"\x1f\x8b" else ".json"
            named = re.search(r"rank[-_]?(\d{1,9})", given)
            file = part / f"trace-{named.group(1) if named else place}{end}"
            if str(file) in names:
                raise Problem(f"{printable(given)}: of the rank that {names[str(file)]} is of; one trace per rank")
            names[str(file)] = printable(given)
            write_whole(file, content)
        if not any(len(trace.whole) for trace in traces(part)):
            raise Problem(f"{', '.join(names.values())}: no event with a duration; trace again")
        part.rename(target)
        sync(profiles)
    except Problem as problem:
        text = str(problem)
        for file_name, given in names.items():
            text = text.replace(file_name, given).replace(Path(file_name).name, given)
        raise Problem(text, problem.exit_status) from None
    except OSError as error:
        raise Problem(f"{printable(target)}: cannot be stored ({error.strerror}); free some space") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return target
