# SPDX-License-Identifier: BSD-3-Clause
"""Idle clients by the thousand: programs that connect and say nothing until they are told to go."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Sequence

from topology import ROOT, Namespace, end_process


class IdleClients:
    """Open when the block begins, by one program for each source address; gone when it ends."""

    def __init__(self, namespace: Namespace, address: str, connections: int, sources: Sequence[str],
                 port: int = 80, prefix: Sequence[str] = ()) -> None:
        share = -(-connections // len(sources))
        self._commands = [
            [*prefix, self.program(), address, str(port), str(min(share, connections - i * share)), source]
            for i, source in enumerate(sources)]
        self._namespace = namespace
        self._processes: list[subprocess.Popen] = []
        self.connections = self.failed = self.closed = 0
        self.seconds = 0.0

    @staticmethod
    def program() -> str:
        return str(Path(os.environ.get("WEIR_BUILD", ROOT / "build")) / "test" / "perf" / "http_idle")

    def __enter__(self) -> "IdleClients":
        try:
            for command in self._commands:
                self._processes.append(self._namespace.start(
                    *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
            for process in self._processes:
                said = self._read(process)
                self.connections += said["connections"]
                self.failed += said["failed"]
                self.seconds = max(self.seconds, said["seconds"])
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: Any) -> None:
        try:
            for process in self._processes:
                process.stdin.close()
            for process in self._processes:
                self.closed += self._read(process)["closed"]
        finally:
            self._end()

    @staticmethod
    def _read(process: subprocess.Popen) -> dict:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"http_idle ended with exit code {process.wait(5)}")
        return json.loads(line)

    def _end(self) -> None:
        for process in self._processes:
            end_process(process)
