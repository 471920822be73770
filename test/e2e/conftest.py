# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures: a network for each module, a weir for each test with the configuration the test writes."""

from __future__ import annotations

import itertools
import os
import shutil
import sys
import textwrap
from pathlib import Path
from typing import Callable, Iterator

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from raw_port import RawPort  # noqa: E402
from topology import DIRECTORY, Lab, namespaces, remove_lab  # noqa: E402
from weir_process import Weir  # noqa: E402

instances = itertools.count(1)

FRONT = """\
device = net_af_packet0,iface=weir-front
address = 198.18.1.1/24
address = 2001:db8:1::1/64
"""
BACK = """\
device = net_af_packet1,iface=weir-back
address = 198.18.2.1/24
address = 2001:db8:2::1/64
"""

GIVEN_BACK = "every packet buffer, flow and port was given back"


def pytest_sessionstart() -> None:
    """Remove what runs that are gone have left."""
    for name in namespaces(r"weir-e2e-\d+-.*"):
        pid = name.split("-")[2]
        if not Path(f"/proc/{pid}").exists():
            remove_lab(f"weir-e2e-{pid}")


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Client, weir's namespace and three targets with nginx and UDP echo."""
    with Lab(f"weir-e2e-{os.getpid()}") as lab:
        lab.serve_http()
        lab.serve_udp_echo()
        yield lab


@pytest.fixture
def write_config(lab: Lab) -> Callable[..., Path]:
    """Write a configuration: [system], [dataplane] and two interfaces, and the test's own sections."""

    def write(body: str, dataplane: str = "workers = 1", front: str = FRONT, back: str = BACK,
              system: str = "", more: str = "", instance: str | None = None) -> Path:
        instance = instance or f"e2e-{os.getpid()}-{next(instances)}"
        directory = lab.directory / instance
        directory.mkdir(exist_ok=True)
        path = directory / "weir.ini"
        parts = [f"[system]\ninstance = {instance}\nzone = zone-a\nstate_directory = {directory}\n"
                 f"shutdown_drain_seconds = 0\n{system}",
                 f"[dataplane]\nmax_flows = 65536\n{dataplane}\n",
                 f"[interface front]\n{front}\n", f"[interface back]\n{back}\n",
                 textwrap.dedent(more), textwrap.dedent(body)]
        path.write_text("\n".join(parts))
        return path

    return write


@pytest.fixture
def start_weir(lab: Lab, write_config: Callable[..., Path]) -> Iterator[Callable[..., Weir]]:
    """
    Start weir with a configuration written as by `write_config` and wait until it forwards and all its
    targets are healthy.  After the test it has to end with exit code 0 and everything given back.
    """
    running: list[Weir] = []

    def start(body: str, healthy: bool = True, arguments: tuple[str, ...] = (), **parts: str) -> Weir:
        path = write_config(body, **parts)
        weir = Weir(lab.lb, path, path.parent.name, path.parent / "weir.log", arguments)
        weir.config_path = path
        running.append(weir)
        weir.wait_ready()
        if healthy:
            weir.wait_healthy()
        return weir

    yield start
    for weir in running:
        already_ended = weir.process.poll() is not None
        code = weir.stop()
        print(f"--- log of {weir.instance}\n{weir.log}")
        if not already_ended:
            assert code == 0
            assert GIVEN_BACK in weir.log
        shutil.rmtree(weir.log_path.parent, ignore_errors=True)


@pytest.fixture
def client_port(lab: Lab) -> Iterator[RawPort]:
    """Frames by hand at the client's device."""
    port = RawPort(lab.client)
    yield port
    port.close()


def pytest_sessionfinish() -> None:
    try:
        DIRECTORY.rmdir()
    except OSError:
        pass  # another run's lab is there
