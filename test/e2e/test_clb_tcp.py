# SPDX-License-Identifier: BSD-3-Clause
"""TCP and SSL listeners of classic load balancers: real clients and servers, over both IP versions."""

import re
import socket
import ssl
import subprocess

import pytest

from certificates import make_certificate
from raw_port import socket_in
from test_alb_log import lines
from tls_server import serve_tls
from topology import CLIENT_V4, CLIENT_V6, wait_until

VIP, VIP6 = "198.18.1.10", "2001:db8:1::10"
INSTANCES, INSTANCES6 = ["198.18.2.11", "198.18.2.12", "198.18.2.13"], ["2001:db8:2::11", "2001:db8:2::12"]
ECHO, PROXY, SILENT, BANNER, SHAKEN = 9001, 9002, 9009, 9005, 9006
HEALTH = "health_check.interval_seconds = 5\nhealth_check.timeout_seconds = 2\nhealth_check.healthy_threshold = 2\n"


def listener(name, port, protocol="TCP", instance_port=80, *more):
    lines = [f"[listener {name}:{port}]", f"protocol = {protocol}", f"instance_port = {instance_port}", *more]
    return "\n".join(lines) + "\n\n"


def load_balancer(name, address, instances, *more):
    lines = [f"[load_balancer {name}]", "type = classic", f"address = {address}", HEALTH,
             *(f"instance = {i}" for i in instances), *more]
    return "\n".join(lines) + "\n\n"


def services(key, wrong_key, logs):
    """Two of all instances, and one of the first alone, where the servers are that others lack."""
    log = "access_logs.s3.enabled = true", f"access_logs.s3.bucket = {logs}"
    text = load_balancer("shop", VIP, INSTANCES, *log) + load_balancer("shop6", VIP6, INSTANCES6, *log)
    text += load_balancer("one", "198.18.1.11", INSTANCES[:1], "health_check.target = TCP:80") + \
        load_balancer("one6", "2001:db8:1::11", INSTANCES6[:1], "health_check.target = TCP:80")
    text += load_balancer("keys", "198.18.1.12", INSTANCES[:2], "health_check.target = SSL:443")
    text += listener("keys", 1, "TCP", 443, "instance_protocol = SSL", f"backend_public_key = {key}")
    text += listener("keys", 2, "TCP", 446, "instance_protocol = SSL", f"backend_public_key = {wrong_key}")
    text += listener("keys", 3, "TCP", 80)
    text += load_balancer("shakes", "198.18.1.13", INSTANCES[2:], f"health_check.target = SSL:{SHAKEN}")
    text += listener("shakes", 80)
    for name in ("shop", "shop6"):
        text += listener(name, 80) + listener(name, 443, "SSL", 80, "certificate = shop", "instance_protocol = TCP")
    for port, order in (448, "true"), (449, "false"):
        text += listener("one", port, "SSL", ECHO, "certificate = shop", "instance_protocol = TCP", f"ssl_policy = own{port}")
        text += f"[ssl_policy own{port}]\nprotocol = TLSv1\nprotocol = TLSv1.2\nserver_defined_cipher_order = {order}\n" \
            "cipher = ECDHE-ECDSA-AES256-SHA\ncipher = ECDHE-ECDSA-AES128-GCM-SHA256\n\n"
    for name in ("one", "one6"):
        text += listener(name, ECHO, "TCP", ECHO) + listener(name, BANNER, "TCP", BANNER)
        text += listener(name, PROXY, "TCP", PROXY, "proxy_protocol = true")
        text += listener(name, 444, "SSL", 444, "certificate = shop", "proxy_protocol = true")
        text += listener(name, 445, "TCP", 443, "instance_protocol = SSL", f"backend_public_key = {key}")
        text += listener(name, 446, "TCP", 446, "instance_protocol = SSL", f"backend_public_key = {wrong_key}")
        text += listener(name, SILENT, "TCP", SILENT) + listener(name, 447, "TCP", 80, "instance_protocol = TCP")
    return text


def public_key(certificate):
    path = certificate.key.with_suffix(".pub")
    subprocess.run(["openssl", "pkey", "-in", certificate.key, "-pubout", "-out", path], check=True)
    return path


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    directory = tmp_path_factory.mktemp("tls")
    return [make_certificate(directory, "shop", "shop.example"), make_certificate(directory, "other", "other.example")]


@pytest.fixture(scope="module")
def servers(lab, certificates):
    """An echo of bytes, one that speaks first, and nginx behind PROXY headers."""
    target, directory = lab.targets[0], lab.directory / "t1"
    (directory / "behind.conf").write_text(f"""
daemon off; master_process off; pid {directory}/behind.pid; error_log {directory}/behind.log;
events {{}}
http {{
    access_log off; client_body_temp_path {directory}; proxy_temp_path {directory};
    fastcgi_temp_path {directory}; uwsgi_temp_path {directory}; scgi_temp_path {directory};
    server {{
        listen {PROXY} proxy_protocol; listen [::]:{PROXY} proxy_protocol;
        location / {{
            return 200 "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_addr $proxy_protocol_server_port";
        }}
    }}
}}
""")
    target.serve("behind", "nginx", "-e", f"{directory}/behind.log", "-c", f"{directory}/behind.conf",
                 ready=lambda: target.is_listening(PROXY))
    for name, port, command in ("echo-tcp", ECHO, "EXEC:cat"), ("banner", BANNER, "SYSTEM:echo hello; cat"):
        target.serve(name, "socat", f"TCP6-LISTEN:{port},ipv6only=0,reuseaddr,fork,backlog=128", command,
                     ready=lambda port=port: target.is_listening(port))
    serve_tls(lab, target, certificates[0])
    shaken = f"openssl s_server -accept {SHAKEN} -tls1_3 -cert {certificates[0].certificate} -key {certificates[0].key} -www -state"
    lab.targets[2].serve("shaken", "sh", "-c", f"exec {shaken} > {directory}/shaken.log 2>&1",
                         ready=lambda: lab.targets[2].is_listening(SHAKEN))
    yield target
    lab.targets[2].stop("shaken")
    for name in "behind", "echo-tcp", "banner", "nginx-tls":
        target.stop(name)


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module")
def weir(lab, servers, certificates, logs, start_module_weir):
    key, wrong_key = (public_key(c) for c in certificates)
    weir = start_module_weir(services(key, wrong_key, logs) + certificates[0].section(),
                             dataplane="max_flows = 65536\nworkers = 2\nlcores = 0@0,1@1,2@0", healthy=False)
    wait_until("all have been checked", lambda: "initial" not in weir.target_states().values(), 20)
    return weir


def in_service(weir, group):
    return [t.split()[1] for t, state in weir.target_states(group).items() if state == "healthy"]


def curl(lab, *arguments, url):
    return lab.client.run("curl", "-skS", "-g", "-m", "10", *arguments, url).stdout


def connect(lab, address, port):
    s = socket_in(lab.client, socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    s.settimeout(15)
    s.connect((address, port))
    return s


def is_served(lab, address, port, request=b"GET / HTTP/1.0\r\n\r\n"):
    """Whether an answer comes; the end may be there before the request, or before connect() returns."""
    try:
        with connect(lab, address, port) as s:
            s.sendall(request)
            return s.recv(1) != b""
    except (ConnectionResetError, BrokenPipeError):
        return False


BOTH = pytest.mark.parametrize("address", [VIP, VIP6], ids=["v4", "v6"])
ONE = pytest.mark.parametrize("address", ["198.18.1.11", "2001:db8:1::11"], ids=["v4", "v6"])


def host(address):
    return f"[{address}]" if ":" in address else address


@BOTH
def test_instances_take_turns(lab, weir, address):
    got = lab.http(f"http://{host(address)}/", 40)
    assert set(got) == ({"t1", "t2"} if ":" in address else {"t1", "t2", "t3"})


@BOTH
def test_ssl_to_tcp(lab, weir, address):
    assert curl(lab, "--tlsv1.2", url=f"https://{host(address)}/").startswith("t")


@pytest.mark.parametrize("port, option, ciphers, want", [
    (448, "-tls1_2", "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-SHA", "Cipher is ECDHE-ECDSA-AES256-SHA"),
    (449, "-tls1_2", "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-SHA", "Cipher is ECDHE-ECDSA-AES128-GCM-SHA256"),
    (448, "-tls1", "ALL", "Cipher is ECDHE-ECDSA-AES256-SHA"),
    (448, "-tls1_1", "ALL", "Cipher is (NONE)"),
    (448, "-tls1_3", "ALL", "Cipher is (NONE)"),
    (448, "-tls1_2", "ECDHE-ECDSA-AES256-GCM-SHA384", "Cipher is (NONE)")])
def test_own_policy(lab, weir, port, option, ciphers, want):
    """Protocols and ciphers of an [ssl_policy], by its order or the client's."""
    got = lab.client.try_run("timeout", "10", "openssl", "s_client", "-connect", f"198.18.1.11:{port}", option,
                             "-cipher", f"{ciphers}:@SECLEVEL=0", input="")
    assert want in got.stdout, got.stdout


def test_policy(lab, weir):
    """ELBSecurityPolicy-2016-08: no TLS 1.3, and no application protocol is agreed on."""
    got = lab.client.try_run("timeout", "10", "openssl", "s_client", "-connect", f"{VIP}:443", "-alpn", "h2,http/1.1", input="")
    assert re.search(r"Protocol *: TLSv1.2", got.stdout) and "No ALPN negotiated" in got.stdout, got.stdout
    got = lab.client.try_run("timeout", "10", "openssl", "s_client", "-connect", f"{VIP}:443", "-tls1_3", input="")
    assert "protocol version" in got.stdout + got.stderr


@ONE
def test_server_speaks_first(lab, weir, address):
    """A client that says nothing is connected all the same."""
    with connect(lab, address, BANNER) as s:
        assert s.recv(6, socket.MSG_WAITALL) == b"hello\n"
        s.sendall(b"x" * 100_000)
        s.shutdown(socket.SHUT_WR)
        got = b""
        while chunk := s.recv(65536):
            got += chunk
        assert got == b"x" * 100_000


@ONE
@pytest.mark.parametrize("port, url", [(PROXY, "http"), (444, "https")], ids=["plain", "ssl"])
def test_proxy_protocol(lab, weir, address, port, url):
    """nginx with proxy_protocol takes version 1 and 2; without a header it refuses."""
    if port == 444:  # to TLS behind the header: the client's TLS ends at weir, the instance's begins there
        assert curl(lab, url=f"https://{host(address)}:444/").split()[3] == (CLIENT_V6 if ":" in address else CLIENT_V4)
        return
    got = curl(lab, "-w", " %{local_port}", url=f"{url}://{host(address)}:{port}/").split()
    assert got == [CLIENT_V6 if ":" in address else CLIENT_V4, got[4], address, str(port), got[4]]


@ONE
def test_public_key(lab, weir, address):
    assert curl(lab, url=f"http://{host(address)}:445/").startswith("TLSv1.")
    assert not is_served(lab, address, 446)


def test_ssl_check(lab, weir):
    """A handshake is enough, with any certificate, or one of the right key."""
    assert in_service(weir, "keys:SSL:443") == ["198.18.2.11:443"]
    assert in_service(weir, "keys:TCP:80") == ["198.18.2.11:80"]
    assert in_service(weir, "keys:SSL:446") == []
    assert [is_served(lab, "198.18.1.12", port) for port in (1, 2, 3)] == [True, False, True]


def test_ssl_check_is_a_whole_handshake(lab, weir):
    """The client's Finished, the last of TLS 1.3, comes before the end."""
    assert in_service(weir, "shakes:TCP:80") == ["198.18.2.13:80"]
    wait_until("a handshake", lambda: "SSLv3/TLS read finished" in (lab.directory / "t1" / "shaken.log").read_text())


@ONE
def test_nobody_listens(lab, weir, address):
    assert not is_served(lab, address, SILENT)


@BOTH
@pytest.mark.parametrize("port, tls", [(80, ["-", "-"]), (443, ["ECDHE-ECDSA-AES128-GCM-SHA256", "TLSv1.2"])],
                         ids=["tcp", "ssl"])
def test_log(lab, weir, logs, address, port, tls):
    """15 fields; what the bytes say is none of weir's business."""
    scheme = "https" if port == 443 else "http"
    client, _, length = curl(lab, "-o", "/dev/null", "-w", "%{local_port} x %{size_request}",
                             url=f"{scheme}://{host(address)}:{port}/").split()
    ours = f"{host(CLIENT_V6 if ':' in address else CLIENT_V4)}:{client}"
    line = wait_until("the line", lambda: next((found for found in lines(logs) if found[2] == ours), None), 15)
    assert len(line) == 15 and re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}\.\d{6}Z", line[0])
    assert line[1] == ("shop6" if ":" in address else "shop")
    assert line[3].rsplit(":", 1)[0].strip("[]") in INSTANCES + INSTANCES6 and line[3].endswith(":80")
    assert all(float(t) >= 0 for t in line[4:7])
    assert line[7:9] == ["-", "-"] and line[9] == length and int(line[10]) > 100
    assert line[11:13] == ["- - - ", "-"] and line[13:] == tls
