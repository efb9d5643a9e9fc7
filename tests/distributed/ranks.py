"""A function run by several ranks of one machine, each a process, over gloo."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _rank(rank: int, size: int, port: int, function: Callable[..., Any], arguments: tuple[Any, ...], out: str) -> None:
    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo"}
    dist.init_process_group("gloo", rank=rank, world_size=size, timeout=timedelta(seconds=120))
    try:
        torch.save(function(rank, size, *arguments), Path(out) / str(rank))
    finally:
        dist.destroy_process_group()


def on_ranks(size: int, function: Callable[..., Any], *arguments: Any, folder: Path) -> list[Any]:
    """What `function(rank, size, *arguments)` returned on each rank. Raises where any rank raised."""
    folder.mkdir(parents=True, exist_ok=True)
    multiprocessing.spawn(_rank, (size, free_port(), function, arguments, str(folder)), nprocs=size, join=True)
    return [torch.load(folder / str(rank)) for rank in range(size)]
