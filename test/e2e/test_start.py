# SPDX-License-Identifier: BSD-3-Clause
"""What weir says and how it exits when it cannot or should not start."""

import os
import re
import subprocess

import pytest

from topology import ROOT
from weir_process import Weir, binary

WEB = """
    [load_balancer shop]
    type = network
    address = 198.18.1.10

    [listener shop:80]
    protocol = TCP
    default_action = forward web

    [target_group web]
    protocol = TCP
    target = 198.18.2.11:80
"""


def weir(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([binary(), *arguments], text=True, capture_output=True, timeout=30)


def refusal(lab, path, *arguments: str) -> tuple[int, str]:
    """Exit code and last line of a weir that does not start."""
    process = Weir(lab.lb, path, path.parent.name, path.parent / "weir.log", arguments)
    code = process.wait_exit()
    return code, process.log.strip().splitlines()[-1]


def test_version():
    version = re.search(r"version: '(\S+)'", (ROOT / "meson.build").read_text())[1]
    got = weir("--version")
    assert got.returncode == 0
    assert re.fullmatch(rf"weir {re.escape(version)}, DPDK \S+\n", got.stdout)


def test_no_config_given():
    got = weir()
    assert got.returncode == 1
    assert "--config" in got.stderr


def test_config_missing(tmp_path):
    got = weir("--config", str(tmp_path / "none.ini"))
    assert got.returncode == 1
    assert "none.ini" in got.stderr


def test_config_is_a_pipe(tmp_path):
    """Nobody writes to it: weir must not wait, least of all on a reload."""
    os.mkfifo(tmp_path / "weir.ini")
    got = subprocess.run([binary(), "--config", tmp_path / "weir.ini", "--check"], text=True, capture_output=True,
                         timeout=5)
    assert got.returncode == 1
    assert "weir.ini:0: it is not a regular file" in got.stderr


@pytest.mark.parametrize("sample", sorted((ROOT / "conf").glob("*.ini")), ids=lambda p: p.name)
def test_samples_are_valid(sample):
    got = weir("--config", str(sample), "--check")
    assert got.returncode == 0, got.stderr
    assert got.stdout.startswith("configuration is valid:")
    assert len(got.stdout.splitlines()) == 1


def test_all_errors_are_listed(write_config):
    path = write_config("""
        [load_balancer shop]
        type = networks
        address = 198.18.1.300

        [listener shop:80]
        protocol = TCP
        default_action = forward nowhere

        [target_group web]
        protocol = TCP
        target = 198.18.2.11
        health_check.interval_seconds = 1
        colour = blue
    """)
    lines = path.read_text().splitlines()

    def line_of(text: str) -> int:
        return 1 + next(i for i, line in enumerate(lines) if line.startswith(text))

    for arguments in (("--check",), ()):
        got = weir("--config", str(path), *arguments)
        assert got.returncode == 1
        for text in ("type = networks", "address = 198.18.1.300", "default_action = forward nowhere",
                     "target = 198.18.2.11", "health_check.interval_seconds = 1", "colour = blue"):
            key = text.split(" ")[0]
            assert re.search(rf"weir\.ini:{line_of(text)}: \[.*\] {re.escape(key)}\b", got.stderr), \
                f"{text} is not among the errors:\n{got.stderr}"


def test_not_root(write_config):
    path = write_config(WEB)
    path.parent.chmod(0o755)
    got = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", str(binary()),
                          "--config", str(path)], text=True, capture_output=True, timeout=30)
    assert got.returncode == 2
    assert "must run as root" in got.stderr
    assert len(got.stderr.strip().splitlines()) == 1


def test_port_missing(lab, write_config):
    path = write_config(WEB, front="device = net_af_packet0,iface=nowhere\naddress = 198.18.1.1/24\n")
    code, line = refusal(lab, path)
    assert code == 2
    assert "net_af_packet0" in line


def test_pci_device_missing(lab, write_config):
    path = write_config(WEB, front="device = 0000:ff:1f.7\naddress = 198.18.1.1/24\n")
    code, line = refusal(lab, path)
    assert code == 2
    assert "0000:ff:1f.7" in line


def test_fewer_cpus_than_workers(lab, write_config):
    code, line = refusal(lab, write_config(WEB, dataplane="workers = 16"))
    assert code == 2
    assert "workers = 16" in line and "lcores" in line


def test_telemetry_directory_not_writable(lab, write_config, tmp_path):
    """A file system of its own, read-only, where EAL wants its directory."""
    path = write_config(WEB)
    script = ("mount -t tmpfs -o ro tmpfs /var/run/dpdk 2>/dev/null || "
              "{ mkdir -p /var/run/dpdk && mount -t tmpfs -o ro tmpfs /var/run/dpdk; }; "
              f"exec {binary()} --config {path}")
    got = lab.lb.try_run("unshare", "--mount", "sh", "-c", script, timeout=30)
    assert got.returncode == 2
    assert "/var/run/dpdk" in got.stderr.strip().splitlines()[-1]
    assert "Read-only" in got.stderr


def test_control_socket_directory_missing(lab, write_config):
    path = write_config("[management]\ncontrol_socket = /proc/nowhere/weir.sock\n" + WEB)
    code, line = refusal(lab, path)
    assert code == 2
    assert "/proc/nowhere" in line


def test_same_instance_twice(lab, start_weir, write_config):
    first = start_weir(WEB)
    second = write_config(WEB, instance=first.instance)
    process = Weir(lab.lb, second, first.instance, second.parent / "second.log")
    assert process.wait_exit() == 2
    assert first.ask("info")["state"] == "running"
    assert first.ask("info")["pid"] == first.pid


def test_without_huge_pages(lab, start_weir):
    start_weir(WEB, dataplane="workers = 1\nhugepages = off")
    assert lab.http("http://198.18.1.10/", 20) == ["t1"] * 20


def test_many_buffers_in_small_pages(start_weir):
    """The references to buffers need room too."""
    start_weir(WEB, dataplane="workers = 1\nhugepages = off\nmbufs = 400000", healthy=False)


def test_configuration_directory(lab, start_weir, write_config):
    """--config DIRECTORY reads every *.ini in it."""
    path = write_config(WEB)
    text = path.read_text()
    split = text.index("[load_balancer")
    (path.parent / "a.ini").write_text(text[:split])
    (path.parent / "b.ini").write_text(text[split:])
    path.unlink()
    got = weir("--config", str(path.parent), "--check")
    assert got.returncode == 0, got.stderr
    assert "1 load balancers, 1 listeners, 1 target groups, 1 targets" in got.stdout
