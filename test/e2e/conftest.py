# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures: a network for each module, a weir for each test with the configuration the test writes."""

from __future__ import annotations

import functools
import itertools
import os
import shutil
import sys
import textwrap
from pathlib import Path
from typing import Any, Callable, Iterator

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
    """Remove what runs that are gone have left: namespaces or files."""
    files = [path.name for path in DIRECTORY.glob("weir-e2e-*")]
    for pid in {name.split("-")[2] for name in namespaces(r"weir-e2e-\d+-.*") + files}:
        if not Path(f"/proc/{pid}").exists():
            remove_lab(f"weir-e2e-{pid}")


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Client, weir's namespace and three targets with nginx and UDP echo."""
    with Lab(f"weir-e2e-{os.getpid()}") as lab:
        lab.serve_http()
        lab.serve_udp_echo()
        yield lab


def write_ini(lab: Lab, body: str, dataplane: str = "workers = 1\nmax_flows = 65536", front: str = FRONT,
              back: str = BACK, more: str = "", drain: int = 0, instance: str | None = None) -> Path:
    """A configuration: [system], [dataplane] and two interfaces, and the test's own sections."""
    instance = instance or f"e2e-{os.getpid()}-{next(instances)}"
    directory = lab.directory / instance
    directory.mkdir(exist_ok=True)
    path = directory / "weir.ini"
    path.write_text("\n".join([
        f"[system]\ninstance = {instance}\nzone = zone-a\nstate_directory = {directory}\n"
        f"shutdown_drain_seconds = {drain}",
        f"[dataplane]\n{dataplane}", f"[interface front]\n{front}", f"[interface back]\n{back}",
        textwrap.dedent(more), textwrap.dedent(body)]))
    return path


def start_and_wait(lab: Lab, path: Path, healthy: bool, arguments: tuple[str, ...]) -> Weir:
    weir = Weir(lab.lb, path, path.parent.name, path.parent / "weir.log", arguments)
    weir.config_path = path
    try:
        weir.wait_ready()
        if healthy:
            weir.wait_healthy()
    except BaseException:
        print(weir.log)
        weir.stop()
        raise
    return weir


def end(weir: Weir) -> None:
    """A weir that still runs has to end with exit code 0 and everything given back."""
    already_ended = weir.process.poll() is not None
    code = weir.stop()
    print(f"--- log of {weir.instance}\n{weir.log}")
    if not already_ended:
        assert code == 0
        assert GIVEN_BACK in weir.log
    shutil.rmtree(weir.log_path.parent, ignore_errors=True)


@pytest.fixture
def write_config(lab: Lab) -> Callable[..., Path]:
    return functools.partial(write_ini, lab)


def starter(lab: Lab) -> Iterator[Callable[..., Weir]]:
    """start(body, healthy, arguments, **parts of write_ini): a weir that forwards; end() afterwards."""
    running: list[Weir] = []

    def start(body: str, healthy: bool = True, arguments: tuple[str, ...] = (), **parts: Any) -> Weir:
        weir = start_and_wait(lab, write_ini(lab, body, **parts), healthy, arguments)
        running.append(weir)
        return weir

    yield start
    for weir in running:
        end(weir)


@pytest.fixture
def start_weir(lab: Lab) -> Iterator[Callable[..., Weir]]:
    yield from starter(lab)


@pytest.fixture(scope="module")
def start_module_weir(lab: Lab) -> Iterator[Callable[..., Weir]]:
    """For modules whose tests only look at one weir: two cannot share the devices."""
    yield from starter(lab)


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
