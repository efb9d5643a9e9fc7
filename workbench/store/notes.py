"""What a person wrote about a run: a note and tags, in a file beside its records, which stay as they are."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from workbench.durable import write_whole
from workbench.foreign import reading
from workbench.problem import Problem

FILE = "notes.json"
TAG = re.compile(r"[\w.:/+-]{1,40}")
MOST = 2000
"""Characters of a note."""


@dataclass(frozen=True)
class Notes:
    text: str = ""
    tags: tuple[str, ...] = ()


def read_notes(run: Path) -> Notes:
    """Those of a run's folder, empty where there are none. Problem for a file that holds something else."""
    file = run / FILE
    try:
        content = file.read_text()
    except FileNotFoundError:
        return Notes()
    except (OSError, UnicodeDecodeError):
        content = ""
    with reading(file, "no notes of a run", "workbench note writes it again"):
        plain = json.loads(content)
        text, tags = plain["text"], tuple(plain["tags"])
        if not isinstance(text, str) or not all(isinstance(tag, str) for tag in tags):
            raise ValueError("text and tags are not text")
        return Notes(text, tags)


def write_notes(run: Path, notes: Notes) -> None:
    """Written whole or not at all. Problem for a tag that is no word, and for a note that is no note any more."""
    for tag in notes.tags:
        if not TAG.fullmatch(tag):
            raise Problem(f"--tags {tag}: a tag is one word of letters, digits and . : / + - _", exit_status=2)
    if len(notes.text) > MOST:
        raise Problem(f"a note of {len(notes.text)} characters: write {MOST} at most", exit_status=2)
    write_whole(run / FILE, (json.dumps(asdict(notes), ensure_ascii=False) + "\n").encode())
