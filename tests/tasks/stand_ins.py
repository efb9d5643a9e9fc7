"""Archives of the same form as the packages', with generated contents: the tasks read them by the same loaders."""

from __future__ import annotations

import gzip
import hashlib
import io
import random
import tarfile
import wave
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Literal

import numpy as np
import pytest

from examples.tasks import cloze, language_model, mails, pixels, prompts, spoken_digits
from workbench.tasks.packages import Package

NOUNS = ("cat", "dog", "house", "tree", "river", "stone", "bird", "car", "road", "lamp", "door", "king")


def sentence(order: random.Random) -> list[tuple[str, str]]:
    one, two = order.sample(NOUNS, 2)
    return [("the", "at"), (one, "nn"), ("sees", "vbz"), ("the", "at"), (two, "nn"), (".", ".")]


def brown() -> bytes:
    order = random.Random(0)
    texts = {
        f"package/c{'abcdefghij'[place % 10]}{place:02d}": "\n\n".join(
            "\t" + " ".join(f"{word}/{tag}" for word, tag in sentence(order)) for _ in range(40)
        )
        for place in range(10)
    }
    return packed({**texts, "package/README.md": "no document"})


def spam() -> bytes:
    order = random.Random(0)
    texts = {}
    for number in range(240):
        kind, own = ("spam-1", "free money now") if number % 3 == 0 else ("easy-ham-2", "see the patch")
        words = own.split() + order.choices(NOUNS, k=6)
        order.shuffle(words)
        texts[f"package/data/{kind}/{number:05d}.txt"] = f"From: somebody\nSubject: it\n\n{' '.join(words)}\n"
    return packed({**texts, "package/data/file_list.json": "[]"})


def packed(texts: dict[str, str]) -> bytes:
    return tarred({name: text.encode("latin-1") for name, text in texts.items()}, "w:gz")


def tarred(files: dict[str, bytes], mode: Literal["w:gz", "w:xz"]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def deb(files: dict[str, bytes]) -> bytes:
    """An ar archive of three members, an odd one among them, as dpkg-deb makes it."""
    members = {"debian-binary": b"2.0\n", "control.tar.xz": b"odd", "data.tar.xz": tarred(files, "w:xz")}
    archive = b"!<arch>\n"
    for name, content in members.items():
        archive += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode() + content
        archive += b"\n" * (len(content) % 2)
    return archive


def sounds() -> bytes:
    """A tone per word, a fifth of a second each; and one that has no words."""
    files = {}
    for name, text in {**transcripts(), "beep": ""}.items():
        pitches = [300 * (1 + NOUNS.index(word)) for word in text.split()] or [1000]
        time = np.arange(prompts.RATE // 5) / prompts.RATE
        wanted = np.concatenate([np.sin(2 * np.pi * pitch * time) for pitch in pitches])
        buffer = io.BytesIO()
        with wave.open(buffer, "wb") as file:
            file.setparams((1, 2, prompts.RATE, len(wanted), "NONE", ""))
            file.writeframes((wanted * 2**14).astype("<i2").tobytes())
        files[f"./usr/share/asterisk{prompts.FOLDER}{name}.wav"] = buffer.getvalue()
    return deb(files)


def transcripts() -> dict[str, str]:
    order = random.Random(0)
    return {f"said/{number}": " ".join(order.sample(NOUNS, order.randint(2, 3))) for number in range(60)}


def transcript_file() -> bytes:
    lines = [
        "; Sounds",
        "",
        "beep: [a tone]",
        *(f"{name}: {text.capitalize()}." for name, text in transcripts().items()),
    ]
    return deb({f"./usr/share/doc{prompts.TRANSCRIPTS}": gzip.compress("\n".join(lines).encode(), mtime=0)})


def digits() -> bytes:
    random = np.random.default_rng(0)
    classes = np.arange(200) % 10
    images = random.integers(0, 4, (200, 64))
    images[np.arange(200), classes * 6] = 16
    table = "\n".join(",".join(map(str, [*image, digit])) for image, digit in zip(images, classes, strict=True))
    return zipped({pixels.MEMBER: gzip.compress(table.encode(), mtime=0)})


def recordings() -> bytes:
    random = np.random.default_rng(0)
    y = np.arange(60) % 10
    lengths = random.integers(4, 8, 60)
    frames = random.normal(size=(lengths.sum(), 13)).astype(np.float32)
    frames[np.arange(len(frames)), np.repeat(y, lengths)] += 4
    buffer = io.BytesIO()
    np.savez(buffer, X=frames, y=y, lengths=lengths)
    return zipped({spoken_digits.MEMBER: buffer.getvalue()})


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    return buffer.getvalue()


def descriptions(language: str) -> str:
    words = {"en": NOUNS, "de": [noun[::-1] for noun in NOUNS]}[language]
    stanzas = []
    for number in range(60):
        order = random.Random(number)
        said = [" ".join(["this", *(words[order.randrange(len(words))] for _ in range(3))]) for _ in range(3)]
        stanzas.append(
            f"Package: p{number}\nDescription-md5: {number:032x}\nDescription-{language}: {said[0]}\n"
            f" {said[1]}.\n .\n {said[2]}."
        )
    return "\n\n".join(stanzas) + "\n"


def index() -> str:
    """Two packages of a source each, with the descriptions above."""
    return "\n\n".join(
        f"Package: p{number}\n{f'Source: s{number // 2} (1.0)' if number % 2 else f'Source: s{number // 2}'}\n"
        f"Description-md5: {number:032x}\nSection: {('games', 'contrib/libs', 'text')[number % 3]}"
        for number in range(60)
    )


def lay(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Stand-ins in a cache of their own, pinned as the packages are. Kernels stay where they are compiled."""
    patch.setattr("workbench.tasks.packages.cache_folder", lambda: folder)
    data = folder / "task-data"
    data.mkdir(parents=True, exist_ok=True)
    for modules, name, content in archives():
        package: Package = getattr(modules[0], name)
        (data / package.file).write_bytes(content)
        for module in modules:
            patch.setattr(module, name, replace(package, sha256=hashlib.sha256(content).hexdigest()))
    for language in ("en", "de"):
        (data / f"package-descriptions-{language}.txt").write_text(descriptions(language))
    (data / "package-index.txt").write_text(index())


def archives() -> Iterator[tuple[tuple[ModuleType, ...], str, bytes]]:
    yield (mails,), "MAILS", spam()
    yield (language_model, cloze), "BROWN", brown()
    yield (pixels,), "DIGITS", digits()
    yield (spoken_digits,), "RECORDINGS", recordings()
    yield (prompts,), "SOUNDS", sounds()
    yield (prompts,), "TEXTS", transcript_file()
