# SPDX-License-Identifier: BSD-3-Clause
"""What happens at a limit, and at the end: full tables, no target, shutdown."""

import signal
import time

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from conftest import FRONT, GIVEN_BACK
from topology import wait_until

SERVICES = """
    [load_balancer shop]
    type = network
    address = 198.18.1.10

    [listener shop:80]
    protocol = TCP
    default_action = forward web

    [listener shop:53]
    protocol = UDP
    default_action = forward echo

    [target_group web]
    protocol = TCP
    {web}

    [target_group echo]
    protocol = UDP
    preserve_client_ip.enabled = false
    health_check.port = 80
    target = 198.18.2.11:5353
"""
WEB = "target = 198.18.2.11:80\n    target = 198.18.2.12:80"
MAC = "02:00:00:00:00:77"
ROUTER = "gateway = 198.18.1.77\nneighbor = 198.18.1.77 " + MAC + "\n"


def front_mac(weir) -> str:
    return weir.mac("front")


def slow_download(lab, seconds: int):
    """A download of a byte file at a byte rate that takes so long; the connection is up when it returns."""
    for target in lab.targets:
        (lab.directory / target.name / "files" / "slow").write_bytes(b"w" * 100_000 * seconds)
    return lab.client.start("curl", "-sS", "-o", "/dev/null", "-w", "%{size_download} %{http_code}", "--limit-rate",
                            "100k", "http://198.18.1.10/files/slow", stdout=-1, stderr=-1, text=True)


def test_full_flow_table(lab, start_weir, client_port):
    """New flows are refused and counted; old ones go on, and when they are gone new ones come in."""
    weir = start_weir(SERVICES.format(web=WEB), front=FRONT + ROUTER, dataplane="workers = 1\nmax_flows = 1024")
    download = slow_download(lab, 3)
    wait_until("download", lambda: weir.pool("flows")["in_use"] >= 1)
    ether = Ether(dst=front_mac(weir), src=MAC)
    frames = [bytes(ether / IP(src=f"203.0.113.{n % 250}", dst="198.18.1.10") / UDP(sport=1000 + n, dport=53) / Raw("q"))
              for n in range(3000)]
    for i in range(0, len(frames), 50):
        client_port.send(*frames[i:i + 50])
        time.sleep(0.005)
    wait_until(f"refusals: {weir.drops()}", lambda: weir.ask("drops")["flow_table_full"] > 500)
    pool = weir.pool("flows")
    assert pool["in_use"] <= pool["size"]
    assert pool["failures"] > 500
    metrics = weir.ask("metrics", load_balancer="shop")
    assert metrics["RejectedFlowCount"] == weir.ask("drops")["flow_table_full"]
    assert download.communicate(timeout=20)[0] == "300000 200"


def test_group_without_targets(lab, start_weir):
    """New flows are refused and counted."""
    weir = start_weir(SERVICES.format(web=""))
    assert lab.client.try_run("curl", "-s", "-m", "0.5", "http://198.18.1.10/").returncode != 0
    assert weir.ask("drops")["no_target"] == 1
    assert weir.ask("metrics", load_balancer="shop")["RejectedFlowCount"] == 1


def test_segment_of_no_flow_is_reset(lab, start_weir, client_port):
    """As ELB does for flows it has forgotten."""
    weir = start_weir(SERVICES.format(web=WEB), front=FRONT + "neighbor = 198.18.1.77 " + MAC + "\n")
    segment = (Ether(dst=front_mac(weir), src=MAC) / IP(src="198.18.1.77", dst="198.18.1.10") /
               TCP(sport=5000, dport=80, flags="PA", seq=1000, ack=2000) / Raw("late"))
    reset = client_port.ask(segment, lambda f: TCP in f and f[TCP].sport == 80)
    assert reset is not None and reset[TCP].flags == "R"
    assert (reset[TCP].seq, reset[IP].src, reset.dst) == (2000, "198.18.1.10", MAC)
    assert weir.ask("drops")["not_a_flow"] == 1


def test_sigterm_drains(lab, start_weir):
    """Existing flows may finish, new ones are refused, then weir ends with everything given back."""
    weir = start_weir(SERVICES.format(web=WEB), drain=4)
    download = slow_download(lab, 2)
    wait_until("download", lambda: weir.ask("flows")["flows"])
    weir.signal(signal.SIGTERM)
    wait_until("stopping", lambda: weir.ask("info")["state"] == "stopping")
    assert lab.client.try_run("curl", "-s", "-m", "1", "http://198.18.1.10/").returncode != 0
    assert download.communicate(timeout=20)[0] == "200000 200"
    assert weir.wait_exit(20) == 0
    assert GIVEN_BACK in weir.log


def test_second_sigterm_ends_at_once(lab, start_weir):
    """Also when the time to drain came with a reload."""
    weir = start_weir(SERVICES.format(web=WEB))
    text = weir.config_path.read_text()
    weir.config_path.write_text(text.replace("shutdown_drain_seconds = 0", "shutdown_drain_seconds = 600"))
    weir.reload()
    download = slow_download(lab, 5)
    wait_until("download", lambda: weir.ask("flows")["flows"])
    weir.signal(signal.SIGTERM)
    wait_until("stopping", lambda: weir.ask("info")["state"] == "stopping")
    begin = time.monotonic()
    weir.signal(signal.SIGTERM)
    assert weir.wait_exit(10) == 0
    assert "existing ones have 600 s" in weir.log
    assert time.monotonic() - begin < 2
    assert GIVEN_BACK in weir.log
    download.kill()
    download.wait()


def test_everything_is_given_back_while_running(lab, start_weir):
    """UDP and TCP flows end by themselves; buffers and ports are free again."""
    weir = start_weir(SERVICES.format(web=WEB))
    assert set(lab.http("http://198.18.1.10/", 30)) == {"t1", "t2"}
    assert weir.pool("flows")["in_use"] == weir.pool("source_ports")["in_use"] == 30
    wait_until("flows to end", lambda: weir.pool("flows")["in_use"] == 0, 90, 0.5)
    assert weir.pool("source_ports")["in_use"] == 0
    assert weir.pool("mbufs")["in_use"] == 0
    metrics = weir.ask("metrics", load_balancer="shop")
    assert (metrics["NewFlowCount"], metrics["ActiveFlowCount"]) == (30, 0)
