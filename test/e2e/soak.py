# SPDX-License-Identifier: BSD-3-Clause
"""
Mixed traffic with reloads every second and flapping targets, for WEIR_SOAK_SECONDS (default 20):
no crash, nothing leaks, counters add up.  Run by tools/check soak; a short run is in test_soak.py.
"""

from __future__ import annotations

import os
import re
import subprocess
import time

SECONDS = int(os.environ.get("WEIR_SOAK_SECONDS", "20"))

BODY = """
    [load_balancer shop]
    type = network
    address = 198.18.1.10

    [load_balancer shop6]
    type = network
    address = 2001:db8:1::10

    [listener shop:80]
    protocol = TCP
    default_action = forward web

    [listener shop:53]
    protocol = UDP
    default_action = forward echo

    [listener shop6:80]
    protocol = TCP
    default_action = forward web6

    [target_group web]
    protocol = TCP
    deregistration_delay.timeout_seconds = 2
    deregistration_delay.connection_termination.enabled = true
    health_check.interval_seconds = 5
    health_check.timeout_seconds = 2
    target = 198.18.2.11:80
    target = 198.18.2.12:80
    target = 198.18.2.13:80

    [target_group web6]
    protocol = TCP
    preserve_client_ip.enabled = true
    target = [2001:db8:2::11]:80

    [target_group echo]
    protocol = UDP
    preserve_client_ip.enabled = false
    health_check.port = 80
    target = 198.18.2.11:5353
    target = 198.18.2.13:5353
"""

TCP_LOAD = """
import signal, socket, sys, time
ended = []
signal.signal(signal.SIGTERM, lambda *_: ended.append(1))
good = bad = 0
while not ended:
    try:
        with socket.create_connection((sys.argv[1], 80), 2) as s:
            s.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
            answer = b""
            while part := s.recv(4096):
                answer += part
        if answer.startswith(b"HTTP/1.1 200"):
            good += 1
        else:
            bad += 1
    except OSError:  # a stopped target refuses at once: don't count it a thousand times a second
        bad += 1
        time.sleep(0.05)
print("good:", good, "bad:", bad)
"""

UDP_LOAD = """
import signal, socket, sys, time
ended = []
signal.signal(signal.SIGTERM, lambda *_: ended.append(1))
good = bad = 0
while not ended:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(1)
        try:
            s.connect((sys.argv[1], 53))
            for n in range(20):
                s.send(b"x" * 500)
                s.recv(2048)
                good += 1
        except OSError:
            bad += 1
    time.sleep(0.005)
print("good:", good, "bad:", bad)
"""


def start_load(lab, script: str, address: str) -> subprocess.Popen:
    return lab.client.start("/usr/bin/python3", "-c", script, address, stdout=subprocess.PIPE, text=True)


def end_load(process: subprocess.Popen) -> tuple[int, int]:
    process.terminate()
    output = process.communicate(timeout=20)[0]
    good, bad = re.search(r"good: (\d+) bad: (\d+)", output).groups()
    return int(good), int(bad)


def assert_counters_add_up(weir) -> None:
    """Every packet that came in or was made left, was dropped, or was handed on."""
    def difference() -> int:
        rows = weir.ask("lcores")["lcores"]
        total = {key: sum(row[key] for row in rows) for key in rows[0] if key not in ("worker", "lcore")}
        into = (total["received"] + total["originated"] + total["answered"] + total["from_management"]
                + total["taken_over"])
        out = (total["transmitted"] + total["drops"] + total["to_management"] + total["handed_over"]
               + total["consumed"])
        return into - out

    # Packets in flight make single looks differ; nothing may differ for long.
    looks = []
    for _ in range(20):
        looks.append(difference())
        if looks[-1] == 0:
            return
        time.sleep(0.1)
    raise AssertionError(f"counters never add up: {looks}")


def soak(lab, start_weir, seconds: int, dataplane: str) -> None:
    weir = start_weir(BODY, dataplane=dataplane)
    loads = [start_load(lab, TCP_LOAD, "198.18.1.10"), start_load(lab, TCP_LOAD, "198.18.1.10"),
             start_load(lab, TCP_LOAD, "2001:db8:1::10"), start_load(lab, UDP_LOAD, "198.18.1.10")]
    end, n = time.monotonic() + seconds, 0
    text = weir.config_path.read_text()
    while time.monotonic() < end:
        n += 1
        target = "target = 198.18.2.13:80\n"
        weir.config_path.write_text(text.replace(target, "") if n % 2 else text)
        weir.reload()
        if n % 10 == 4:
            lab.targets[1].stop("http")
        if n % 10 == 8:
            lab.serve_http(lab.targets[1])
        time.sleep(1)
    if not lab.targets[1].is_listening(80):
        lab.serve_http(lab.targets[1])
    weir.config_path.write_text(text)
    weir.reload()
    results = [end_load(load) for load in loads]
    for good, bad in results:
        assert good > 20 * seconds and bad * 20 < good, results
    info = weir.ask("info")
    assert info["reloads"] == n + 1 and info["reloads_refused"] == 0
    time.sleep(1)
    assert_counters_add_up(weir)
    assert weir.pool("probes")["in_use"] <= weir.pool("targets")["in_use"]
    active = sum(t["ActiveFlowCount"] for t in weir.ask("target_health")["targets"])
    assert active == sum(lb["ActiveFlowCount"] for lb in weir.ask("load_balancers")["load_balancers"])


def test_soak_one_worker(lab, start_weir):
    soak(lab, start_weir, SECONDS, "workers = 1")


def test_soak_two_workers_on_one_queue(lab, start_weir):
    soak(lab, start_weir, SECONDS, "lcores = 0@0,1@1,2@1\nworkers = 2")
