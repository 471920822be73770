# SPDX-License-Identifier: BSD-3-Clause
"""README's first command: it works, also twice, and leaves nothing behind, whatever happens to it."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from topology import ROOT, namespaces, wait_until

OURS = r"weir-(client|lb|net|server|t\d+)"


def start(*arguments: str) -> subprocess.Popen:
    """In a session of its own, as from a terminal: Ctrl-C reaches all of it."""
    return subprocess.Popen([ROOT / "tools" / "quickstart", *arguments], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, start_new_session=True,
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))


def assert_nothing_is_left() -> None:
    assert namespaces(OURS) == []
    assert not Path("/run/weir/weir.sock").exists()
    assert not Path("/run/weir-lab/weir").exists()


@pytest.mark.parametrize("arguments", [[], [], ["--no-huge"]], ids=["first", "second", "no-huge"])
def test_quickstart(arguments):
    process = start(*arguments)
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 0, output
    assert output.endswith("quickstart: all traffic was answered\n")
    for shown in ("t1", "198.18.2.13:80", "healthy", "NewFlowCount", "dpdk-telemetry.py", "tools/weirctl"):
        assert shown in output
    assert_nothing_is_left()


def test_gateway():
    process = start("--type", "gateway")
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 0, output
    assert output.endswith("quickstart: all traffic was answered\n")
    for shown in ("300 of 300 were answered", "no flow was seen by two appliances", "198.18.2.13:6081", "healthy",
                  "ProcessedPackets", "weirctl trace"):
        assert shown in output
    assert_nothing_is_left()


def test_classic():
    process = start("--type", "classic")
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 0, output
    assert output.endswith("quickstart: all traffic was answered\n")
    for shown in ("5 times: t", "HTTPCode_Backend_2XX", '"GET http://198.18.1.10:80/ HTTP/1.1" "curl'):
        assert shown in output
    assert_nothing_is_left()


def test_application():
    process = start("--type", "application")
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 0, output
    assert output.endswith("quickstart: all traffic was answered\n")
    t1, t2, t3 = ([int(n) for n in re.search(rf"^{name} +(\d+) +(\d+) +(\d+)$", output, re.M).groups()]
                  for name in ("t1", "t2", "t3"))
    assert min(t1[0], t2[0], t1[1], t2[1]) >= 40 and t1[2] == t3[0] == t3[1] == 0
    assert 15 <= t2[2] <= 35
    for shown in ("HTTP/1.1 301", "HTTP/1.1 418", "This is a teapot.", "for each of the 302 requests",
                  "app/shop/", "RequestCount", "healthy"):
        assert shown in output
    assert_nothing_is_left()


def test_keep_and_clean():
    assert start("--keep").wait(120) == 0
    got = subprocess.run([ROOT / "tools/weirctl", "status"], text=True, capture_output=True)
    assert got.returncode == 0 and "shop6" in got.stdout
    assert start("--clean").wait(30) == 0
    assert_nothing_is_left()


@pytest.mark.parametrize("when", ["weir-lb", "weir-t3"])
def test_interrupted(when):
    process = start()
    wait_until("namespaces", lambda: when in namespaces(OURS), 60, 0.01)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) != 0
    assert_nothing_is_left()


def test_after_a_crash():
    process = start()
    wait_until("weir", lambda: Path("/run/weir/weir.sock").exists(), 60, 0.01)
    process.kill()
    process.wait()
    time.sleep(0.2)
    assert namespaces(OURS) != []
    process = start()
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 0, output
    assert "removed what an earlier run left: weir-client" in output
    assert_nothing_is_left()


def test_not_root():
    got = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c",
                          f"cd / && {ROOT}/tools/quickstart"], text=True, capture_output=True)
    assert got.returncode != 0
    assert "sudo tools/quickstart" in got.stderr
