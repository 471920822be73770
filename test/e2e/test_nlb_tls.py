# SPDX-License-Identifier: BSD-3-Clause
"""TLS listeners of network load balancers: what real clients and servers say goes through as it is."""

import hashlib
import os
import re
import socket
import ssl
import threading

import pytest

from certificates import make_certificate
from raw_port import socket_in
from test_alb_log import lines
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
    weir = start_module_weir(SERVICES.replace("LOGS", str(logs)) + "".join("\n" + c.section() for c in certificates),
                             dataplane="max_flows = 65536\nworkers = 2\nlcores = 0@0,1@1,2@0", healthy=False)
    wait_until("targets are healthy", lambda: list(weir.target_states().values()).count("healthy") == 9, 20)
    return weir


def curl(lab, *arguments, url):
    return lab.client.run("curl", "-skS", "-g", "-m", "10", *arguments, url).stdout


@pytest.mark.parametrize("address", [VIP, f"[{VIP6}]"], ids=["v4", "v6"])
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_curl(lab, weir, address, version):
    got = curl(lab, f"--tlsv{version}", "--tls-max", version, "--http1.1", "-i", url=f"https://{address}/")
    assert got.startswith("HTTP/1.1 200") and "nginx" in got, got
