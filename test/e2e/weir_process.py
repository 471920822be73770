# SPDX-License-Identifier: BSD-3-Clause
"""weir as a child process: start it, wait until it forwards, ask it, end it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from topology import ROOT, Namespace, end_process, wait_until

sys.path.insert(0, str(ROOT / "tools"))

from weir_control import call  # noqa: E402


def binary() -> Path:
    """The weir under test: $WEIR_BINARY, or the one in build/."""
    return Path(os.environ.get("WEIR_BINARY", ROOT / "build" / "app" / "weir"))


class WeirFailed(RuntimeError):
    """weir ended although it should run; the text has its log."""


class Weir:
    """One weir, in a namespace."""

    def __init__(self, ns: Namespace, config: Path, instance: str, log: Path,
                 arguments: tuple[str, ...] = (), control_socket: str | None = None,
                 environment: dict[str, str] | None = None) -> None:
        self.log_path = log
        self.instance = instance
        self.control_socket = control_socket or f"/run/weir/{instance}.sock"
        with open(log, "ab") as out:
            self.process: subprocess.Popen = ns.start(
                str(binary()), "--config", str(config), *arguments, stdin=subprocess.DEVNULL,
                stdout=out, stderr=out, start_new_session=True, env={**os.environ, **(environment or {})})

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait_ready(self, seconds: float = 30) -> "Weir":
        """Return when weir forwards; raise WeirFailed if it ends instead."""
        def ready() -> bool:
            if self.process.poll() is not None:
                raise WeirFailed(f"weir ended with exit code {self.process.returncode}:\n{self.log}")
            return "weir: ready" in self.log

        wait_until("weir: ready", ready, seconds)
        return self

    def ask(self, op: str, **args: Any) -> Any:
        """One operation of the control socket."""
        return call(self.control_socket, op, args)

    def mac(self, interface: str) -> str:
        return next(row["mac"] for row in self.ask("interfaces")["interfaces"] if row["name"] == interface)

    def target_states(self, target_group: str | None = None) -> dict[str, str]:
        """State of each target by "GROUP ADDRESS:PORT"."""
        args = {"target_group": target_group} if target_group else {}
        return {f"{t['target_group']} {t['target']}": t["state"]
                for t in self.ask("target_health", **args)["targets"]}

    def wait_healthy(self, seconds: float = 30) -> "Weir":
        """Return when every target is healthy."""
        wait_until("all targets healthy",
                   lambda: set(self.target_states().values()) <= {"healthy"}, seconds, 0.1)
        return self

    def pool(self, name: str) -> dict[str, int]:
        return next(p for p in self.ask("pools")["pools"] if p["name"] == name)

    def drops(self) -> dict[str, int]:
        """Reasons that occurred."""
        return {k: v for k, v in self.ask("drops").items() if v}

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def reload(self) -> None:
        """SIGHUP, and wait until weir has answered it either way."""
        def count() -> int:
            info = self.ask("info")
            return info["reloads"] + info["reloads_refused"]

        before = count()
        self.signal(signal.SIGHUP)
        wait_until("reload", lambda: count() > before, 10, 0.02)

    def stop(self, seconds: float = 20) -> int:
        """SIGTERM; the exit code. A weir that doesn't end is killed: exit code -9."""
        return end_process(self.process, seconds)

    def wait_exit(self, seconds: float = 20) -> int:
        """The exit code of a weir that ends by itself."""
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        return end_process(self.process)
