"""A function run by several ranks of one machine, each a process, over gloo."""

from __future__ import annotations

import multiprocessing
import os
import socket
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.multiprocessing import start_processes

# Ranks are forked from one process that has imported what takes seconds.
multiprocessing.set_forkserver_preload(
    ["torch", "torch._dynamo", "workbench.distributed.loop", "tests.distributed.mixer"]
)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _rank(
    rank: int, size: int, port: int, joined: bool, function: Callable[..., Any], arguments: tuple[Any, ...], out: str
) -> None:
    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo"}
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(size), "TORCHELASTIC_USE_AGENT_STORE": "True"}
    if joined:
        dist.init_process_group("gloo", timeout=timedelta(seconds=120))
    torch.save(function(rank, size, *arguments), Path(out) / str(rank))
    if joined:
        dist.destroy_process_group()


def on_ranks(size: int, function: Callable[..., Any], *arguments: Any, folder: Path, joined: bool = True) -> list[Any]:
    """What `function(rank, size, *arguments)` returned on each rank. Raises where any rank raised.

    The ranks' store is this process's, as it is torchrun's where that starts them; `joined`: in one process group.
    """
    folder.mkdir(parents=True, exist_ok=True)
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    start_processes(
        _rank, (size, store.port, joined, function, arguments, str(folder)), nprocs=size, start_method="forkserver"
    )
    return [torch.load(folder / str(rank)) for rank in range(size)]
