# SPDX-License-Identifier: BSD-3-Clause
"""TLS listeners of network load balancers: what real clients and servers say goes through as it is."""

import hashlib
import os
import re
import socket
import ssl

import pytest

from certificates import make_certificate
from http_target import pattern
from raw_port import socket_in
from test_alb_log import lines
from tls_server import serve_tls
from topology import CLIENT_V4, CLIENT_V6, wait_until

VIP, VIP6 = "198.18.1.10", "2001:db8:1::10"
ECHO, PROXY, SILENT = 9001, 9002, 9009

SERVICES = """
    [load_balancer shop]
    type = network
    address = 198.18.1.10
    access_logs.s3.enabled = true
    access_logs.s3.bucket = LOGS

    [load_balancer shop6]
    type = network
    address = 2001:db8:1::10

    [listener shop:443]
    protocol = TLS
    certificate = shop-rsa
    certificate = shop-ec
    certificate = other
    alpn_policy = HTTP2Optional
    default_action = forward web

    [listener shop6:443]
    protocol = TLS
    certificate = shop-ec
    default_action = forward web6

    [listener shop:80]
    protocol = TCP
    default_action = forward web

    [listener shop:9001]
    protocol = TLS
    certificate = shop-ec
    alpn_policy = HTTP1Only
    default_action = forward echo

    [listener shop6:9001]
    protocol = TLS
    certificate = shop-ec
    alpn_policy = HTTP2Only
    ssl_policy = ELBSecurityPolicy-TLS13-1-3-2021-06
    default_action = forward echo6

    [listener shop:9002]
    protocol = TLS
    certificate = shop-ec
    alpn_policy = HTTP2Preferred
    default_action = forward proxied

    [listener shop6:9002]
    protocol = TLS
    certificate = shop-ec
    default_action = forward proxied6

    [listener shop:9009]
    protocol = TLS
    certificate = shop-ec
    default_action = forward silent

    [listener shop:9443]
    protocol = TLS
    certificate = shop-ec
    default_action = forward tls

    [listener shop6:9443]
    protocol = TLS
    certificate = shop-ec
    default_action = forward tls6

    [listener shop:9446]
    protocol = TLS
    certificate = shop-ec
    alpn_policy = HTTP2Optional
    default_action = forward tls-http2

    [listener shop6:9446]
    protocol = TLS
    certificate = shop-ec
    alpn_policy = HTTP2Preferred
    default_action = forward tls6-http2

    [listener shop:9444]
    protocol = TLS
    certificate = shop-ec
    default_action = forward tls-proxied

    [listener shop:9445]
    protocol = TLS
    certificate = shop-ec
    default_action = forward tls-none

    [target_group tls]
    protocol = TLS
    target = 198.18.2.11:443

    [target_group tls6]
    protocol = TLS
    health_check.protocol = HTTPS
    target = [2001:db8:2::11]:443

    [target_group tls-http2]
    protocol = TLS
    target = 198.18.2.11:446

    [target_group tls6-http2]
    protocol = TLS
    target = [2001:db8:2::11]:446

    [target_group tls-proxied]
    protocol = TLS
    proxy_protocol_v2.enabled = true
    health_check.protocol = HTTPS
    target = 198.18.2.11:444

    [target_group tls-none]
    protocol = TLS
    target = 198.18.2.11:80

    [target_group web]
    protocol = TCP
    target = 198.18.2.11:80
    target = 198.18.2.12:80
    target = 198.18.2.13:80

    [target_group web6]
    protocol = TCP
    target = [2001:db8:2::11]:80
    target = [2001:db8:2::12]:80

    [target_group echo]
    protocol = TCP
    deregistration_delay.timeout_seconds = 1
    deregistration_delay.connection_termination.enabled = true
    target = 198.18.2.11:9001

    [target_group echo6]
    protocol = TCP
    target = [2001:db8:2::11]:9001

    [target_group proxied]
    protocol = TCP
    proxy_protocol_v2.enabled = true
    target = 198.18.2.11:9002

    [target_group proxied6]
    protocol = TCP
    proxy_protocol_v2.enabled = true
    target = [2001:db8:2::11]:9002

    [target_group silent]
    protocol = TCP
    health_check.enabled = false
    target = 198.18.2.11:9009
"""


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module")
def servers(lab):
    """An echo of bytes, and nginx behind PROXY headers."""
    target, directory = lab.targets[0], lab.directory / "t1"
    (directory / "behind.conf").write_text(f"""
daemon off;
master_process off;
pid {directory}/behind.pid;
error_log {directory}/behind.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {directory};
    proxy_temp_path {directory};
    fastcgi_temp_path {directory};
    uwsgi_temp_path {directory};
    scgi_temp_path {directory};
    server {{
        listen {PROXY} proxy_protocol;
        listen [::]:{PROXY} proxy_protocol;
        location / {{
            default_type text/plain;
            return 200 "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_addr $proxy_protocol_server_port";
        }}
    }}
}}
""")
    target.serve("behind", "nginx", "-e", f"{directory}/behind.log", "-c", f"{directory}/behind.conf",
                 ready=lambda: target.is_listening(PROXY))
    target.serve("echo-tcp", "socat", f"TCP6-LISTEN:{ECHO},ipv6only=0,reuseaddr,fork,backlog=128", "EXEC:cat",
                 ready=lambda: target.is_listening(ECHO))
    yield target
    target.stop("behind")
    target.stop("echo-tcp")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    directory = tmp_path_factory.mktemp("tls")
    return [make_certificate(directory, "shop-rsa", "shop.example", key="rsa"),
            make_certificate(directory, "shop-ec", "shop.example"),
            make_certificate(directory, "other", "other.example")]


@pytest.fixture(scope="module")
def weir(lab, servers, start_module_weir, certificates, logs):
    serve_tls(lab, lab.targets[0], certificates[1])
    weir = start_module_weir(SERVICES.replace("LOGS", str(logs)) + "".join("\n" + c.section() for c in certificates),
                             dataplane="max_flows = 65536\nworkers = 2\nlcores = 0@0,1@1,2@0", healthy=False)
    wait_until("targets are healthy", lambda: list(weir.target_states().values()).count("healthy") == 15, 20)
    return weir


def curl(lab, *arguments, url):
    return lab.client.run("curl", "-skS", "-g", "-m", "10", *arguments, url).stdout


@pytest.mark.parametrize("address", [VIP, f"[{VIP6}]"], ids=["v4", "v6"])
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_curl(lab, weir, address, version):
    got = curl(lab, f"--tlsv{version}", "--tls-max", version, "--http1.1", "-i", url=f"https://{address}/")
    assert got.startswith("HTTP/1.1 200") and "nginx" in got, got


@pytest.fixture
def context():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def plain(lab, port=ECHO, address=VIP):
    s = socket_in(lab.client, socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    s.settimeout(15)
    s.connect((address, port))
    return s


def connect(lab, context, port=ECHO, address=VIP, **arguments):
    return context.wrap_socket(plain(lab, port, address), suppress_ragged_eofs=False, **arguments)


def metrics(weir, name="shop"):
    return weir.ask("metrics", load_balancer=name)


def is_closed(s):
    """The connection ends, whichever way, without another byte."""
    try:
        return s.recv(1) == b""
    except (ConnectionResetError, ssl.SSLError):
        return True


def test_balanced(lab, weir):
    names = {curl(lab, url=f"https://{VIP}/").split()[0] for _ in range(40)}
    assert names == {"t1", "t2", "t3"}
    assert curl(lab, url=f"http://{VIP}/").split()[0] in names  # a TCP listener of the same address


@pytest.mark.parametrize("address, client", [(VIP, CLIENT_V4), (VIP6, CLIENT_V6)], ids=["v4", "v6"])
def test_proxy_header(lab, weir, address, client):
    url = f"https://[{address}]:{PROXY}/" if ":" in address else f"https://{address}:{PROXY}/"
    for _ in range(5):
        got = curl(lab, "--http1.1", "-w", " %{local_port}", url=url).split()
        assert got == [client, got[4], address, str(PROXY), got[4]]


@pytest.mark.parametrize("sni, want", [("shop.example", "shop.example"), ("other.example", "other.example"),
                                       ("unknown.example", "shop.example")])
def test_certificate_by_name(lab, weir, sni, want):
    got = lab.client.try_run("timeout", "10", "openssl", "s_client", "-connect", f"{VIP}:443", "-servername", sni, input="")
    assert re.search(r"subject=CN = " + re.escape(want), got.stdout), got.stdout


@pytest.mark.parametrize("address, port, offered, agreed", [
    (VIP, ECHO, ["h2", "http/1.1"], "http/1.1"),            # HTTP1Only
    (VIP6, ECHO, ["http/1.1", "h2"], "h2"),                 # HTTP2Only
    (VIP, 443, ["h2", "http/1.1"], "http/1.1"),             # HTTP2Optional
    (VIP, PROXY, ["http/1.1", "h2"], "h2"),                 # HTTP2Preferred
    (VIP6, PROXY, ["h2", "http/1.1"], None),                # None
    (VIP, ECHO, ["h2"], None), (VIP, ECHO, ["x y"], None)])  # none in common
def test_alpn(lab, weir, context, address, port, offered, agreed):
    context.set_alpn_protocols(offered)
    with connect(lab, context, port, address) as s:
        assert s.selected_alpn_protocol() == agreed


def test_policy(lab, weir, context):
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, OSError)):
        connect(lab, context, ECHO, VIP6)
    with connect(lab, context) as s:
        assert s.version() == "TLSv1.2"


def test_resumption(lab, weir, context):
    """By whichever worker."""
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with connect(lab, context) as s:
        session = s.session
    for _ in range(6):
        with connect(lab, context, session=session) as s:
            assert s.session_reused


@pytest.mark.parametrize("address", [VIP, f"[{VIP6}]"], ids=["v4", "v6"])
def test_bulk(lab, weir, address):
    """
    20 MB there and back at once.  The client ends first: close_notify ends one direction alone, and what was sent
    before it comes back behind it.
    """
    sent = lab.directory / "bulk"
    sent.write_bytes(os.urandom(20_000_000))
    got = lab.client.run("sh", "-c", f"timeout 30 socat -t 20 - 'OPENSSL:{address}:{ECHO},verify=0' <{sent} | sha256sum").stdout
    assert got.split()[0] == hashlib.sha256(sent.read_bytes()).hexdigest()


def test_end_without_close_notify(lab, weir, context):
    """FIN alone is an end: what came before it arrives."""
    before = metrics(weir)["TCP_ELB_Reset_Count"]
    s = connect(lab, context)
    s.sendall(b"last words")
    assert s.recv(100) == b"last words"
    with socket.socket(fileno=s.detach()) as tcp:
        tcp.shutdown(socket.SHUT_WR)
        tcp.settimeout(10)
        while tcp.recv(4096):
            pass  # close_notify, then FIN
    assert metrics(weir)["TCP_ELB_Reset_Count"] == before


def test_slow_reader(lab, weir, context):
    """Who doesn't read the echo can't send without end, and gets all of it later."""
    with connect(lab, context) as s:
        s.settimeout(2)
        sent = 0
        block = os.urandom(65536)
        with pytest.raises((socket.timeout, TimeoutError, ssl.SSLWantWriteError)):
            while sent < 50_000_000:
                s.sendall(block)
                sent += len(block)
        assert sent < 30_000_000
        pool = weir.pool("spans") if any(p["name"] == "spans" for p in weir.ask("pools")["pools"]) else None
        assert pool is None or pool["in_use"] < pool["size"] // 2
        assert curl(lab, url=f"https://{VIP}/").startswith("t")
        s.settimeout(15)
        left = sent
        while left > 0:
            left -= len(s.recv(65536))


@pytest.mark.parametrize("payload", [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x00" * 64, b"\x16\x03\x01\xff\xff" + b"x" * 100,
                                     b"\x16\x03\x01\x00\x04\x01\x00\x00\x00"],
                         ids=["http", "zeros", "long", "hello"])
def test_garbage(lab, weir, payload):
    """What is no TLS ends with its connection, is counted, and reaches no target."""
    before = metrics(weir)
    flows = weir.ask("metrics", target_group="echo")["NewFlowCount"]
    with plain(lab) as s:
        s.sendall(payload)
        try:
            while s.recv(4096):
                pass
        except ConnectionResetError:
            pass
    wait_until("it is counted", lambda: metrics(weir)["ClientTLSNegotiationErrorCount"] ==
               before["ClientTLSNegotiationErrorCount"] + 1, 5)
    assert weir.ask("metrics", target_group="echo")["NewFlowCount"] == flows


def test_garbage_behind_the_handshake(lab, weir, context):
    s = connect(lab, context)
    with socket.socket(fileno=s.detach()) as tcp:
        tcp.settimeout(10)
        tcp.sendall(b"\x17\x03\x03\x00\x20" + b"x" * 32)
        try:
            while tcp.recv(4096):
                pass
        except ConnectionResetError:
            pass
    assert curl(lab, url=f"https://{VIP}/").startswith("t")


def test_client_resets(lab, weir, context):
    before = metrics(weir)["TCP_Client_Reset_Count"]
    s = connect(lab, context)
    s.sendall(b"x")
    assert s.recv(1) == b"x"
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    s.close()
    wait_until("it is counted", lambda: metrics(weir)["TCP_Client_Reset_Count"] == before + 1, 5)
    wait_until("the target's is gone", lambda: weir.ask("metrics", target_group="echo")["ActiveFlowCount"] == 0, 5)


def test_nobody_listens(lab, weir, context):
    """The target refuses: the client is reset."""
    before = metrics(weir)["TCP_ELB_Reset_Count"]
    with connect(lab, context, SILENT) as s:
        assert is_closed(s)
    assert metrics(weir)["TCP_ELB_Reset_Count"] == before + 1


def test_target_resets(lab, weir, context):
    """RST of the target is RST to the client."""
    before = metrics(weir)["TCP_Target_Reset_Count"]
    target = lab.targets[0]
    listener = socket_in(target.ns, socket.AF_INET, socket.SOCK_STREAM)
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("198.18.2.11", SILENT))
        listener.listen()
        with connect(lab, context, SILENT) as s:
            got, _ = listener.accept()
            s.sendall(b"x")
            assert got.recv(1) == b"x"
            got.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            got.close()
            with socket.socket(fileno=s.detach()) as tcp:
                tcp.settimeout(10)
                with pytest.raises(ConnectionResetError):
                    while tcp.recv(1000):
                        pass  # a ticket
    assert metrics(weir)["TCP_Target_Reset_Count"] == before + 1


def test_many_at_once(lab, weir, context):
    waiting = [plain(lab) for _ in range(60)]
    for s in waiting:
        with context.wrap_socket(s) as tls:
            tls.sendall(b"me")
            assert tls.recv(2) == b"me"
    wait_until("all are gone", lambda: metrics(weir)["ActiveFlowCount_TLS"] == 0, 10)


def logged(logs, client_port, port):
    """The newest line of such a connection."""
    def found():
        return [f for f in lines(logs) if f[5:7] == [f"{CLIENT_V4}:{client_port}", f"{VIP}:{port}"]]
    wait_until("the line", lambda: len(found()) > 0, 10)
    return found()[-1]


def test_log(lab, weir, logs, context):
    context.set_alpn_protocols(["h2", "x y", "http/1.1"])
    with connect(lab, context, server_hostname="logged.example") as s:
        port = s.getsockname()[1]
        s.sendall(b"x" * 1000)
        left = 1000
        while left > 0:
            left -= len(s.recv(1000))
    f = logged(logs, port, ECHO)
    assert len(f) == 22 and f[:2] == ["tls", "2.0"] and f[3].startswith("net/shop/"), f
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", f[2]) and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", f[21])
    assert re.fullmatch(r"[0-9a-f]{16}", f[4]) and f[6] == f"{VIP}:{ECHO}", f
    assert int(f[7]) >= int(f[8]) >= 0 and f[9:12] == ["1000", "1000", "-"], f
    assert f[12:14] == ["shop-ec", "-"] and f[14:17] == ["TLS_AES_128_GCM_SHA256", "tlsv13", "x25519"], f
    assert f[17:20] == ["logged.example", "http/1.1", "-"] and f[20].strip('"') == 'h2,x%20y,http/1.1', f
    assert not any(f[6] == f"{VIP}:80" for f in lines(logs))  # TCP listeners don't log


def test_reload(lab, weir, context):
    """Connections live on when the configuration is read again, and when their listener goes."""
    text = weir.config_path.read_text()
    with connect(lab, context) as s, connect(lab, context, 443) as web:
        weir.reload()
        s.sendall(b"one")
        assert s.recv(3) == b"one"
        begin, end = text.index("[listener shop:9001]"), text.index("[listener shop6:9001]")
        try:
            weir.config_path.write_text(text[:begin] + text[end:])
            weir.reload()
            s.sendall(b"two")
            assert s.recv(3) == b"two"
            web.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert web.recv(100).startswith(b"HTTP/1.1 200")
            with pytest.raises(OSError):
                plain(lab).close()
        finally:
            weir.config_path.write_text(text)
            weir.reload()
    with connect(lab, context) as s:
        s.sendall(b"new")
        assert s.recv(3) == b"new"


def test_other_protocols(lab, weir, context):
    """A listener that turns to TLS and a group that turns from it: connections that live go on as they began."""
    text = weir.config_path.read_text()
    asked = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    tls_listener = re.sub(r"(listener shop:80]\s+protocol = )TCP", r"\1TLS\n    certificate = shop-ec", text)
    tcp_group = re.sub(r"(target_group tls]\s+protocol = )TLS", r"\1TCP", text)
    with plain(lab, port=80) as tcp, connect(lab, context, 9443) as tls:
        def go_on():
            for s in (tcp, tls):
                s.sendall(asked)
                assert s.recv(4096).startswith(b"HTTP/1.1 200")

        go_on()
        try:
            for changed, port, want in ((tls_listener, 80, b"HTTP/1.1 200"), (tcp_group, 9443, b"HTTP/1.1 400")):
                assert changed != text
                weir.config_path.write_text(changed)
                weir.reload()
                go_on()
                with connect(lab, context, port) as s:
                    s.sendall(asked)
                    assert s.recv(4096).startswith(want)
        finally:
            weir.config_path.write_text(text)
            weir.reload()
        with plain(lab, port=80) as s:
            s.sendall(asked)
            assert s.recv(4096).startswith(b"HTTP/1.1 200")


def test_deregistration(lab, weir, context):
    """A connection outlives its target's registration, unless the group says that it is to end."""
    text = weir.config_path.read_text()
    with connect(lab, context) as s, connect(lab, context, address=VIP6) as kept:
        for each in s, kept:
            each.sendall(b"one")
            assert each.recv(3) == b"one"
        try:
            weir.config_path.write_text("\n".join(line for line in text.split("\n") if not line.endswith(":9001")))
            weir.reload()
            s.sendall(b"two")
            assert s.recv(3) == b"two"
            assert is_closed(s)
            kept.sendall(b"two")
            assert kept.recv(3) == b"two"
        finally:
            weir.config_path.write_text(text)
            weir.reload()
    wait_until("healthy", lambda: list(weir.target_states().values()).count("healthy") == 15, 20)


def test_metrics(lab, weir, context):
    before = metrics(weir)
    with connect(lab, context) as s:
        s.sendall(b"x" * 500)
        assert s.recv(1) == b"x"
        now = metrics(weir)
        assert now["NewFlowCount_TLS"] == before["NewFlowCount_TLS"] + 1
        assert now["ActiveFlowCount_TLS"] == before["ActiveFlowCount_TLS"] + 1
    curl(lab, url=f"http://{VIP}/")
    wait_until("bytes both ways", lambda: metrics(weir)["ProcessedBytes_TLS"] == before["ProcessedBytes_TLS"] + 1000, 5)
    assert metrics(weir)["NewFlowCount"] == metrics(weir)["NewFlowCount_TLS"] + before["NewFlowCount"] - before["NewFlowCount_TLS"] + 1
    assert float(metrics(weir)["ConsumedLCUs_TLS"]) >= 0


@pytest.mark.parametrize("address", [VIP, f"[{VIP6}]"], ids=["v4", "v6"])
def test_tls_to_targets(lab, weir, address):
    """Decrypted and encrypted anew; the target's second connection resumes the session of the first."""
    said = [lab.client.run("curl", "-skS", "-g", "-m", "10", f"https://{address}:9443/").stdout.split() for _ in range(8)]
    assert all(protocol == "TLSv1.3" for protocol, *_ in said)
    assert "r" in [reused for _, reused, *_ in said[1:]], said
    got = lab.client.run("sh", "-c", f"curl -skS -g -m 20 'https://{address}:9443/files/big' | sha256sum").stdout
    assert got.split()[0] == hashlib.sha256(pattern(5_000_000)).hexdigest()


@pytest.mark.parametrize("address", [VIP, f"[{VIP6}]"], ids=["v4", "v6"])
@pytest.mark.parametrize("asked, spoken", [("--http1.1", "1.1"), ("--http2", "2"), ("--no-alpn", "1.1"), ("--http1.0", "1.1")])
def test_protocol_of_targets(lab, weir, logs, address, asked, spoken):
    """What was agreed on with the client is offered to the target: HTTP/2 goes through, and so does HTTP/1.1."""
    if address == VIP and asked == "--http2":  # HTTP2Optional: curl offers both, and HTTP/1.1 is preferred
        spoken = "1.1"
    said = curl(lab, asked, "-o", "/dev/null", "-w", "%{http_code} %{http_version} %{local_port}",
                url=f"https://{address}:9446/").split()
    assert said[:2] == ["200", spoken]
    if address != VIP:
        return
    agreed = {"--no-alpn": "-", "--http1.0": "http/1.0"}.get(asked, "http/1.1")
    assert logged(logs, said[2], 9446)[18:20] == [agreed, agreed]


def test_proxy_header_before_tls(lab, weir):
    assert lab.client.run("curl", "-skS", "-m", "10", f"https://{VIP}:9444/").stdout.split()[-1] == CLIENT_V4


def test_a_target_without_tls(lab, weir):
    def errors():
        return weir.ask("target_health", target_group="tls-none")["targets"][0]["TargetTLSNegotiationErrorCount"]
    before = errors()
    assert lab.client.try_run("curl", "-skS", "-m", "10", f"https://{VIP}:9445/").returncode != 0
    wait_until("it is counted", lambda: errors() == before + 1)
