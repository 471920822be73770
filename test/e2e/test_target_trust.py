# SPDX-License-Identifier: BSD-3-Clause
"""Targets that are verified: by a trust store and a name; requests, relayed connections and health checks."""

import pytest

from certificates import Authority, make_certificate
from test_alb_log import lines
from tls_server import serve_tls
from topology import wait_until

VIP, NETWORK = "198.18.1.10", "198.18.1.11"

HEAD = """
    [load_balancer shop]
    type = application
    address = 198.18.1.10
    access_logs.s3.enabled = true
    access_logs.s3.bucket = DIRECTORY

    [load_balancer relay]
    type = network
    address = 198.18.1.11

    [trust_store targets]
    ca_bundle = DIRECTORY/targets.bundle
    revocations = DIRECTORY/revoked.crl
"""
GROUP = """
    [listener shop:PORT]
    protocol = HTTP
    default_action = forward KIND

    [target_group KIND]
    protocol = HTTPS
    health_check.interval_seconds = 5
    target = TARGET
    MORE

    [listener relay:PORT]
    protocol = TLS
    certificate = shop
    default_action = forward relay-KIND

    [target_group relay-KIND]
    protocol = TLS
    health_check.interval_seconds = 5
    health_check.protocol = HTTPS
    target = TARGET
    MORE
"""
TRUST = "weir.target_tls.trust_store = targets"
NAME = "weir.target_tls.server_name ="
FIRST, SECOND, THIRD = "198.18.2.11:443", "198.18.2.12:443", "198.18.2.13:443"
# Name: target, settings, the SNI it is sent; None: it isn't taken.
KINDS = {
    "any": (SECOND, (), ""), "named": (SECOND, (f"{NAME} whatever.example",), "whatever.example"),
    "trusted": (FIRST, (TRUST,), ""), "both": (FIRST, (TRUST, f"{NAME} app.example"), "app.example"),
    "wildcard": (FIRST, (TRUST, f"{NAME} a.wild.example"), "a.wild.example"),
    "address": (FIRST, (TRUST, f"{NAME} 198.18.2.11"), ""),
    "other-name": (FIRST, (TRUST, f"{NAME} other.example"), None),
    "other-address": (FIRST, (TRUST, f"{NAME} 198.18.2.12"), None),
    "own": (SECOND, (TRUST,), None), "revoked": (THIRD, (TRUST,), None)}
PORTS = {name: 8001 + i for i, name in enumerate(KINDS)}


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def weir(lab, start_module_weir, directory):
    root = Authority(directory, "Root")
    revoked = root.issue("gone.example", server=True)
    (directory / "targets.bundle").write_bytes(root.pem)
    (directory / "revoked.crl").write_bytes(root.revoke(revoked))
    serve_tls(lab, lab.targets[0], root.issue("app.example", "app.example", "*.wild.example", "198.18.2.11",
                                              server=True))
    serve_tls(lab, lab.targets[1], make_certificate(directory, "own", "own.example"))
    serve_tls(lab, lab.targets[2], revoked)
    text = HEAD
    for name, (target, more, _) in KINDS.items():
        text += GROUP.replace("KIND", name).replace("PORT", str(PORTS[name])).replace("TARGET", target).replace(
            "MORE", "\n    ".join(more))
    weir = start_module_weir(text.replace("DIRECTORY", str(directory)) + "\n" +
                             make_certificate(directory, "shop", "shop").section(), healthy=False)
    bad = {name for name, (_, _, sni) in KINDS.items() if sni is None}
    wait_until("health", lambda: set(weir.target_states().values()) == {"healthy", "unhealthy"} and {
        group.split()[0] for group, state in weir.target_states().items() if state == "unhealthy"} ==
        bad | {f"relay-{name}" for name in bad}, 30)
    return weir


def answer(lab, url):
    return lab.client.try_run("curl", "-sk", "-m", "10", "-w", "|%{http_code}", url).stdout


@pytest.mark.parametrize("name", [name for name, row in KINDS.items() if row[2] is not None])
def test_taken(lab, weir, name):
    assert answer(lab, f"http://{VIP}:{PORTS[name]}/name") == f"{KINDS[name][2]}\n|200"
    assert answer(lab, f"https://{NETWORK}:{PORTS[name]}/name") == f"{KINDS[name][2]}\n|200"


@pytest.mark.parametrize("name", [name for name, row in KINDS.items() if row[2] is None])
def test_refused(lab, weir, directory, name):
    """Fail-open tries them: 502 or RST, counted at the target, and no byte of a request reaches it."""
    def counted(group):
        return weir.ask("target_health", target_group=group)["targets"][0]["TargetTLSNegotiationErrorCount"]

    before = counted(name), counted(f"relay-{name}")
    assert answer(lab, f"http://{VIP}:{PORTS[name]}/{name}").endswith("|502")
    assert answer(lab, f"https://{NETWORK}:{PORTS[name]}/name") == "|000"
    wait_until("it is counted", lambda: counted(name) > before[0] and counted(f"relay-{name}") > before[1])
    wait_until("the line", lambda: any(f"/{name}" in f[12] for f in lines(directory)), 10)
    assert next(f for f in lines(directory) if f"/{name}" in f[12])[24] == "TargetTlsNegotiationFailed"


def test_another_trust_store(lab, weir, directory):
    """Connections that were begun under the old one carry no more requests."""
    bundle, revoked = directory / "targets.bundle", directory / "revoked.crl"
    before = bundle.read_bytes(), revoked.read_bytes()
    other = Authority(directory, "Other")
    url = f"http://{VIP}:{PORTS['both']}/name"
    assert answer(lab, url) == "app.example\n|200"
    bundle.write_bytes(other.pem)
    revoked.write_bytes(other.revoke())
    weir.reload()
    try:
        assert answer(lab, url).endswith("|502")
        assert answer(lab, f"http://{VIP}:{PORTS['any']}/name").endswith("|200")
    finally:
        bundle.write_bytes(before[0])
        revoked.write_bytes(before[1])
        weir.reload()
    assert answer(lab, url) == "app.example\n|200"
