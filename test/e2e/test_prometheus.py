# SPDX-License-Identifier: BSD-3-Clause
"""Metrics over HTTP in Prometheus' text format, read by a parser that forgives nothing."""

import re
import subprocess
import time

import pytest

from conftest import BACK
from test_reload import management_ms, many_listeners
from weir_process import binary

SERVICES = """
    [management]
    address = {address}

    [load_balancer shop]
    type = network
    address = 198.18.1.10

    [listener shop:80]
    protocol = TCP
    default_action = forward web

    [target_group web]
    protocol = TCP
    target = 198.18.2.11:80
    target = 198.18.2.12:80
    target = 198.18.2.13:80
"""

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\\\|\\"|\\n)*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{((?:{LABEL}(?:,{LABEL})*)?)\}})? (-?[0-9]+(?:\.[0-9]+)?)")

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parse(text: str) -> Samples:
    """Version 0.0.4: HELP and TYPE once, then all samples of the family, each series once."""
    assert text.endswith("\n")
    samples: Samples = {}
    families: dict[str, str] = {}
    family = None
    helped = None
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            _, _, helped, words = line.split(" ", 3)
            assert re.fullmatch(NAME, helped) and helped not in families and words
            continue
        if line.startswith("# TYPE "):
            _, _, family, kind = line.split(" ")
            assert family == helped and kind in ("gauge", "counter")
            assert (kind == "counter") == family.endswith("_total"), family
            families[family] = kind
            continue
        match = SAMPLE.fullmatch(line)
        assert match, line
        name, labels, value = match.groups()
        assert name == family, f"{name} among {family}"
        pairs = re.findall(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"', labels or "")
        assert len(dict(pairs)) == len(pairs), line
        series = (name, frozenset(pairs))
        assert series not in samples, line
        assert float(value) >= 0, line
        samples[series] = float(value)
    return samples


def value(samples: Samples, name: str, **labels: str) -> float:
    found = [v for (n, pairs), v in samples.items() if n == name and set(labels.items()) <= pairs]
    assert found, f"{name} {labels}"
    return sum(found)


def get(lab, url: str, *options: str) -> subprocess.CompletedProcess:
    return lab.lb.try_run("curl", "-sS", "-m", "10", *options, url)


def scrape(lab, url: str) -> Samples:
    got = get(lab, url, "-f")
    assert got.returncode == 0, got.stderr
    return parse(got.stdout)


@pytest.mark.parametrize("address", ["127.0.0.1:9127", "[::1]:9200"])
def test_metrics(lab, start_weir, address):
    weir = start_weir(SERVICES.format(address=address))
    before = scrape(lab, f"http://{address}/metrics")
    lab.http("http://198.18.1.10/", 20)
    lab.client.try_run("curl", "-s", "-m", "1", "http://198.18.1.10:81/")
    after = scrape(lab, f"http://{address}/metrics")
    listener = {"load_balancer": "shop", "listener": "shop:80", "protocol": "TCP"}

    def grown(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    assert grown("elb_new_flow_count_total", **listener) == 20
    assert grown("elb_target_new_flow_count_total", target_group="web") == 20
    assert grown("elb_processed_packets_total", **listener) > 100
    assert grown("elb_processed_bytes_total") == grown("elb_target_processed_bytes_total")
    assert grown("weir_drops_total", reason="no_listener") >= 1
    assert grown("weir_interface_receive_packets_total", interface="front") > 100
    assert value(after, "elb_healthy_host_count", target_group="web") == 3
    assert value(after, "elb_unhealthy_host_count", target_group="web") == 0
    assert value(after, "elb_target_state", target="198.18.2.12:80", state="healthy") == 1
    assert value(after, "weir_info", instance=weir.instance, zone="zone-a", steering="single") == 1
    assert value(after, "weir_pool_in_use", pool="flows") >= 0
    assert value(after, "weir_interface_up", interface="back") == 1
    metrics = weir.ask("metrics", load_balancer="shop")
    assert value(after, "elb_new_flow_count_total") == metrics["NewFlowCount"]


def test_http(lab, start_weir):
    weir = start_weir(SERVICES.format(address="127.0.0.1:9127"))
    head = get(lab, "http://127.0.0.1:9127/metrics", "-D", "-", "-o", "/dev/null").stdout
    assert "200 OK" in head and "Content-Type: text/plain; version=0.0.4" in head
    assert "200 OK" in get(lab, "http://127.0.0.1:9127/metrics", "-I").stdout
    assert "404" in get(lab, "http://127.0.0.1:9127/", "-D", "-").stdout
    refused = get(lab, "http://127.0.0.1:9127/metrics", "-D", "-", "-d", "x=y").stdout
    assert "405" in refused and "Allow: GET, HEAD" in refused
    for rubbish in ("GARBAGE\r\n\r\n", "GET /metrics HTTP/1.1\r\n\r\n", "GET " + "a" * 100000):
        lab.lb.try_run("sh", "-c", 'printf %s "$1" | timeout 1 socat - TCP:127.0.0.1:9127', "sh", rubbish)
    # Clients that are silent: further ones are served once those have been cut off, weir is as before.
    silent = lab.lb.start("/usr/bin/python3", "-c", SILENT)
    try:
        assert weir.ask("info")["state"] == "running"
        assert set(lab.http("http://198.18.1.10/", 10)) <= {"t1", "t2", "t3"}
    finally:
        silent.kill()
        silent.wait()
    assert scrape(lab, "http://127.0.0.1:9127/metrics")


SILENT = """
import socket, time
held = [socket.create_connection(("127.0.0.1", 9127)) for _ in range(40)]
time.sleep(60)
"""


def test_large_page(lab, start_weir):
    """10,000 targets: made in pieces, none of which keeps the management core long."""
    weir = start_weir(SERVICES.format(address="127.0.0.1:9127") + many_listeners(1000, 10),
                      back=BACK + "gateway = 198.18.2.254\nneighbor = 198.18.2.254 02:00:00:00:00:fe\n",
                      healthy=False)
    before = weir.ask("info")["longest_turn_microseconds"]
    samples = scrape(lab, "http://127.0.0.1:9127/metrics")
    assert len([1 for name, _ in samples if name == "elb_target_state"]) == 10003
    assert weir.ask("info")["longest_turn_microseconds"] < max(before, 50_000)
    # Who asks and does not read costs nothing, and is cut off.
    lazy = lab.lb.start("/usr/bin/python3", "-c", LAZY)
    try:
        time.sleep(1)
        begin = management_ms(weir)
        time.sleep(3)
        assert management_ms(weir) - begin < 1000
        assert scrape(lab, "http://127.0.0.1:9127/metrics")
    finally:
        lazy.kill()
        lazy.wait()


LAZY = """
import socket, time
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
s.connect(("127.0.0.1", 9127))
s.sendall(b"GET /metrics HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
time.sleep(60)
"""


def test_address_in_use(lab, start_weir, write_config):
    """An address that was asked for must be had; the default one need not."""
    taken = lab.lb.start("socat", "TCP-LISTEN:9127,bind=127.0.0.1,reuseaddr,fork", "PIPE")
    try:
        lab.lb.run("sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do ss -ltn | grep -q :9127 && exit; sleep 0.2; done; exit 1")

        path = write_config(SERVICES.format(address="127.0.0.1:9127"))
        got = lab.lb.try_run(str(binary()), "--config", str(path))
        assert got.returncode == 2
        assert "[management] address 127.0.0.1:9127: Address already in use" in got.stderr
        weir = start_weir(SERVICES.replace("[management]", "").replace("address = {address}", ""))
        assert "no metrics on 127.0.0.1:9127" in weir.log
    finally:
        taken.kill()
        taken.wait()


def test_off(lab, start_weir):
    start_weir(SERVICES.format(address="off"))
    assert get(lab, "http://127.0.0.1:9127/metrics").returncode == 7  # refused
