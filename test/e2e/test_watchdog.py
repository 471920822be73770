# SPDX-License-Identifier: BSD-3-Clause
"""What systemd's watchdog is fed by, and that it goes hungry when one lcore stands still."""

import ctypes
import os
import socket
import time

import pytest

from topology import wait_until
from weir_process import Weir

SERVICES = """
    [load_balancer shop]
    type = network
    address = 198.18.1.10
"""
LIMIT_US = 400000
PTRACE_ATTACH, PTRACE_DETACH, WALL = 16, 17, 0x40000000
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


class Systemd:
    """Its end of NOTIFY_SOCKET."""

    def __init__(self, directory) -> None:
        self.path = str(directory / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.setblocking(False)
        self.got: list[str] = []

    def read(self) -> list[str]:
        while True:
            try:
                self.got += self.socket.recv(4096).decode().split("\n")
            except BlockingIOError:
                return self.got

    def meals(self) -> int:
        return self.read().count("WATCHDOG=1")


@pytest.fixture
def systemd(tmp_path):
    systemd = Systemd(tmp_path)
    yield systemd
    systemd.socket.close()


def worker_thread(weir) -> int:
    for task in os.listdir(f"/proc/{weir.pid}/task"):
        with open(f"/proc/{weir.pid}/task/{task}/comm") as comm:
            if comm.read().strip() in ("dpdk-worker1", "lcore-worker-1", "rte-worker-1"):
                return int(task)
    raise AssertionError([open(f"/proc/{weir.pid}/task/{t}/comm").read() for t in os.listdir(f"/proc/{weir.pid}/task")])


def test_stuck_worker(lab, write_config, systemd):
    config = write_config(SERVICES)
    weir = Weir(lab.lb, config, config.parent.name, config.parent / "weir.log", environment={
        "NOTIFY_SOCKET": systemd.path, "WATCHDOG_USEC": str(LIMIT_US)})
    try:
        weir.wait_ready()
        wait_until("systemd knows", lambda: "READY=1" in systemd.read())
        wait_until("it is fed", lambda: systemd.meals() >= 3)

        thread = worker_thread(weir)
        assert libc.ptrace(PTRACE_ATTACH, thread, None, None) == 0, os.strerror(ctypes.get_errno())
        os.waitpid(thread, WALL)
        try:
            time.sleep(LIMIT_US / 1e6)
            meals = systemd.meals()
            wait_until("the log says so", lambda: "lcore 1 has not turned for" in weir.log)
            assert systemd.meals() == meals
        finally:
            assert libc.ptrace(PTRACE_DETACH, thread, None, None) == 0
        wait_until("it turns again", lambda: "lcore 1 turns again" in weir.log)
        wait_until("it is fed again", lambda: systemd.meals() > meals)
    finally:
        assert weir.stop() == 0
    assert "STOPPING=1" in systemd.read()


def test_nobody_asks(lab, write_config, systemd):
    """Without WatchdogSec= nothing is sent."""
    config = write_config(SERVICES)
    weir = Weir(lab.lb, config, config.parent.name, config.parent / "weir.log",
                environment={"NOTIFY_SOCKET": systemd.path})
    try:
        weir.wait_ready()
        wait_until("systemd knows", lambda: "READY=1" in systemd.read())
        time.sleep(LIMIT_US / 1e6)
    finally:
        assert weir.stop() == 0
    assert systemd.meals() == 0
