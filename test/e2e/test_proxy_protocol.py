# SPDX-License-Identifier: BSD-3-Clause
"""PROXY protocol v2 towards nginx, HAProxy and a server that speaks first, with real kernels on both sides."""

import collections

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from conftest import BACK
from raw_port import RawPort
from topology import CLIENT_V4, CLIENT_V6, PYTHON, ROOT, wait_until

VIP, VIP6 = "198.18.1.10", "2001:db8:1::10"
HAND, MAC = "198.18.2.99", "02:00:00:00:00:99"
PORTS = {"nginx": 8001, "haproxy": 8002, "python": 8003}
SERVER = str(ROOT / "test/e2e/proxy_server.py")


def services(preserve: str) -> str:
    text = f"[load_balancer shop]\ntype = network\naddress = {VIP}\n[load_balancer shop6]\ntype = network\naddress = {VIP6}\n"
    groups = [(name, port, "TCP", "" if name == "python" else "health_check.protocol = HTTP\n") for name, port in PORTS.items()]
    groups.append(("udp", 8004, "UDP", "health_check.enabled = false\n"))
    groups.append(("hand", 8005, "TCP", "health_check.enabled = false\n"))
    for name, port, protocol, more in groups:
        for suffix, target in (("", "198.18.2.11"), ("6", "[2001:db8:2::11]")):
            if name == "hand":
                target = HAND
                if suffix:
                    continue
            text += (f"[listener shop{suffix}:{port}]\nprotocol = {protocol}\ndefault_action = forward {name}{suffix}\n"
                     f"[target_group {name}{suffix}]\nprotocol = {protocol}\nproxy_protocol_v2.enabled = true\n"
                     f"preserve_client_ip.enabled = {preserve}\n{more}target = {target}:{port}\n")
    return text


@pytest.fixture(scope="module")
def servers(lab):
    target, directory = lab.targets[0], lab.directory / "t1"
    (directory / "proxy.conf").write_text(f"""
daemon off;
master_process off;
pid {directory}/proxy.pid;
error_log {directory}/proxy.log;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    client_body_temp_path {directory};
    proxy_temp_path {directory};
    fastcgi_temp_path {directory};
    uwsgi_temp_path {directory};
    scgi_temp_path {directory};
    server {{
        listen 8001 proxy_protocol backlog=4096;
        listen [::]:8001 proxy_protocol backlog=4096;
        location / {{
            default_type text/plain;
            return 200 "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_addr $proxy_protocol_server_port";
        }}
    }}
}}
""")
    (directory / "haproxy.cfg").write_text("""
global
    maxconn 8192
defaults
    mode http
    timeout client 30s
    timeout server 30s
    timeout connect 5s
frontend proxied
    bind :::8002 v4v6 accept-proxy
    http-request return status 200 content-type text/plain lf-string "%ci %cp %fi %fp"
""")
    target.serve("proxy-nginx", "nginx", "-e", f"{directory}/proxy.log", "-c", f"{directory}/proxy.conf",
                 ready=lambda: target.is_listening(8001))
    target.serve("proxy-haproxy", "haproxy", "-q", "-f", f"{directory}/haproxy.cfg",
                 ready=lambda: target.is_listening(8002))
    target.serve("proxy-python", PYTHON, SERVER, "tcp", "8003", ready=lambda: target.is_listening(8003))
    target.serve("proxy-udp", PYTHON, SERVER, "udp", "8004", ready=lambda: target.is_listening(8004, udp=True))
    yield target
    for kind in ("nginx", "haproxy", "python", "udp"):
        target.stop(f"proxy-{kind}")


@pytest.fixture(params=["false", "true"], ids=["full_nat", "nat"])
def weir(request, lab, servers, start_weir):
    return start_weir(services(request.param), dataplane="workers = 2\nlcores = 0@0,1@1,2@0\nmax_flows = 65536",
                      healthy=False, back=BACK + f"neighbor = {HAND} {MAC}\n")


def test_health_checks(weir):
    """Checks by HTTP begin with a header of nobody (LOCAL), without which these servers answer nothing."""
    wait_until("targets are healthy", lambda: list(weir.target_states().values()).count("healthy") == 6, 20)


@pytest.mark.parametrize("server", ["nginx", "haproxy"])
@pytest.mark.parametrize("vip, client", [(VIP, CLIENT_V4), (VIP6, CLIENT_V6)], ids=["v4", "v6"])
def test_curl(lab, weir, server, vip, client):
    """Each connection's own client port arrives; none has segments that belong to no flow, but for late ones."""
    url = f"http://[{vip}]:{PORTS[server]}/" if ":" in vip else f"http://{vip}:{PORTS[server]}/"
    for _ in range(30):
        got = lab.client.run("curl", "-sS", "-g", "-m", "5", "-w", " %{local_port}", url).stdout.split()
        assert got == [client, got[4], vip, str(PORTS[server]), got[4]]
    drops = weir.drops()
    assert "handshake_other" not in drops and drops.get("not_a_flow", 0) < 10


TALK = """
import hashlib, os, socket, sys, threading
address, n = sys.argv[1], int(sys.argv[2])
with socket.create_connection((address, 8003), 10) as s:
    s.settimeout(20)
    f = s.makefile("rb")
    said = f.readline().decode().split()  # nothing has been sent so far
    assert said == [s.getsockname()[0], str(s.getsockname()[1]), address, "8003", "1"], said
    data = os.urandom(n)
    threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR))).start()
    print("same" if f.read() == data else "other")
"""


@pytest.mark.parametrize("vip", [VIP, VIP6], ids=["v4", "v6"])
@pytest.mark.parametrize("size", [0, 1, 1000, 20_000_000])
def test_server_speaks_first(lab, weir, vip, size):
    assert lab.client.run(PYTHON, "-c", TALK, vip, str(size)).stdout == "same\n"


MANY = """
import concurrent.futures, socket, sys
def one(n):
    with socket.create_connection((sys.argv[1], 8003), 10) as s:
        f = s.makefile("rb")
        s.sendall(b"x" * n)
        s.shutdown(socket.SHUT_WR)
        said, rest = f.readline().split(), f.read()
        return said[1] == str(s.getsockname()[1]).encode() and rest == b"x" * n
with concurrent.futures.ThreadPoolExecutor(20) as pool:
    print(sum(pool.map(one, range(1000))))
"""


def test_many(lab, weir):
    assert lab.client.run(PYTHON, "-c", MANY, VIP).stdout == "1000\n"


ASK = """
import socket, sys
with socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.settimeout(3)
    s.connect((sys.argv[1], 8004))
    for n in range(20):
        s.send(b"question %d" % n)
        said, rest = s.recv(2048).split(b"\\n")
        want = f"{s.getsockname()[0]} {s.getsockname()[1]} {sys.argv[1]} 8004 2".encode()
        assert (said, rest) == (want, b"question %d" % n), said
print("good")
"""


@pytest.mark.parametrize("vip", [VIP, VIP6], ids=["v4", "v6"])
def test_datagrams(lab, weir, vip):
    assert lab.client.run(PYTHON, "-c", ASK, vip).stdout == "good\n"


def test_lost_headers(lab, weir):
    """A target that loses the header twice gets it again; what the client sends meanwhile is kept apart."""
    port = RawPort(lab.targets[0].ns)
    mac = weir.mac("back")
    client = lab.client.start(PYTHON, "-c", "import socket\nwith socket.create_connection(('198.18.1.10', 8005), 5) as s:\n"
                              "    s.sendall(b'hello')\n    print(s.recv(100))", stdout=-1, text=True)

    def wanted(frame) -> bool:
        return IP in frame and frame[IP].dst == HAND and TCP in frame

    def answer(to, **fields):
        port.send(Ether(dst=mac, src=MAC) / IP(src=HAND, dst=to[IP].src) /
                  TCP(sport=8005, dport=to[TCP].sport, window=60000, **fields))

    try:
        syn = port.receive(wanted)[0]
        first = syn[TCP].seq + 1
        answer(syn, flags="SA", seq=1000, ack=first)
        headers = collections.Counter()
        while headers[first] < 3:
            frame = port.receive(wanted)[0]
            if len(frame[TCP].payload) > 0:
                headers[frame[TCP].seq] += 1
                if frame[TCP].seq == first:
                    header = bytes(frame[TCP].payload)[:40]
                else:
                    assert frame[TCP].seq == first + 40 and bytes(frame[TCP].payload)[:5] == b"hello"
        assert header[:12] == b"\r\n\r\n\0\r\nQUIT\n"
        assert headers[first + 40] >= 1
        answer(syn, flags="A", seq=1001, ack=first + 20)  # half of it
        answer(syn, flags="PA", seq=1001, ack=first + 45)
        port.flush()
        port.send(Ether(dst=mac, src=MAC) / IP(src=HAND, dst=syn[IP].src) /
                  TCP(sport=8005, dport=syn[TCP].sport, window=60000, flags="PA", seq=1001, ack=first + 45) / b"welcome")
        assert client.communicate(timeout=10)[0] == "b'welcome'\n"
    finally:
        client.kill()
        port.close()
