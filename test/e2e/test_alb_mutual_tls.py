# SPDX-License-Identifier: BSD-3-Clause
"""Mutual TLS: clients with certificates of all kinds and without, what targets are told of them, and logs."""

import json
import os
import socket
import ssl
import subprocess
import urllib.parse

import pytest
from cryptography import x509

from certificates import Authority, make_certificate
from raw_port import socket_in
from test_alb_https import told
from test_alb_log import lines
from topology import PYTHON, wait_until
from weir_process import binary

VIP = "198.18.1.10"
VIP6 = "2001:db8:1::10"

SERVICES = """
    [load_balancer shop]
    type = application
    address = 198.18.1.10
    address = 2001:db8:1::10
    connection_logs.s3.enabled = true
    connection_logs.s3.bucket = DIRECTORY

    [listener shop:443]
    protocol = HTTPS
    certificate = shop
    mutual_authentication.mode = passthrough
    default_action = forward odd

    [listener shop:444]
    protocol = HTTPS
    certificate = shop
    mutual_authentication.mode = verify
    mutual_authentication.trust_store = clients
    default_action = forward odd

    [listener shop:445]
    protocol = HTTPS
    certificate = shop
    mutual_authentication.mode = verify
    mutual_authentication.trust_store = clients
    mutual_authentication.ignore_client_certificate_expiry = true
    mutual_authentication.advertise_trust_store_ca_names = on
    routing.http.request.x_amzn_mtls_clientcert_subject.header_name = X-Subject
    routing.http.request.x_amzn_mtls_clientcert_leaf.header_name = X-Leaf
    default_action = forward odd

    [listener shop:446]
    protocol = HTTPS
    certificate = shop
    default_action = forward odd

    [trust_store clients]
    ca_bundle = DIRECTORY/clients.bundle
    revocations = DIRECTORY/revoked.crl

    [target_group odd]
    protocol = HTTP
    health_check.port = 80
    target = 198.18.2.11:8083
"""
PREFIX = "x-amzn-mtls-clientcert"
LIES = [f"-HX-Amzn-Mtls-Clientcert{end}: lie" for end in
        ("", "-Serial-Number", "-Issuer", "-Subject", "-Validity", "-Leaf")]
LIES += ["-HX_Amzn_Mtls_Clientcert: lie", "-Hx-amzn-mtls_clientcert-subject: lie"]
LCORES = {"one worker": "workers = 1", "crypto lcores": "workers = 2\ncrypto_workers = 1\nlcores = 0@0,1@1,2@1,3@0"}


class Clients:
    """Those of a trust store, and others."""

    def __init__(self, directory) -> None:
        root, other = Authority(directory, "Root"), Authority(directory, "Other")
        middle = Authority(directory, "Middle", root)
        self.root, self.other = root, other
        self.good = root.issue("good")
        self.below = middle.issue("below")
        self.alone = middle.issue("alone", above=False)
        self.expired = root.issue("expired", days=(-2, -1))
        self.early = root.issue("early", days=(1, 2))
        self.revoked = root.issue("revoked")
        self.server = root.issue("server", server=True)
        self.stranger = other.issue("stranger")
        self.own = make_certificate(directory, "own", "own.example")
        (directory / "clients.bundle").write_bytes(root.pem)
        (directory / "revoked.crl").write_bytes(root.revoke(self.revoked))


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def clients(directory):
    return Clients(directory)


@pytest.fixture(scope="module")
def text(directory, clients):
    return SERVICES.replace("DIRECTORY", str(directory)) + "\n" + make_certificate(directory, "shop", "shop").section()


@pytest.fixture(scope="module", params=LCORES.values(), ids=LCORES.keys())
def weir(request, lab, start_module_weir, text):
    target = lab.targets[0]
    target.serve("odd", PYTHON, os.path.join(os.path.dirname(__file__), "http_target.py"), "8083", target.name,
                 ready=lambda: target.is_listening(8083))
    weir = start_module_weir(text, dataplane=request.param + "\nmax_flows = 65536")
    yield weir
    weir.stop()
    target.stop("odd")


def shows(client):
    return ("--cert", client.certificate, "--key", client.key)


def context_of(client):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.load_cert_chain(client.certificate, client.key)
    return context


def connected(lab, context, port):
    plain = socket_in(lab.client, socket.AF_INET, socket.SOCK_STREAM)
    plain.settimeout(10)
    plain.connect((VIP, port))
    return context.wrap_socket(plain)


def answer_of(tls):
    """/echo's."""
    got = b""
    while not got.endswith(b"}"):
        got += tls.recv(65536)
    return json.loads(got[got.index(b"{"):])


def leaf_of(client):
    return x509.load_pem_x509_certificate(client.certificate.read_bytes())


def serial(leaf):
    """Whole bytes."""
    digits = f"{leaf.serial_number:X}"
    return "0" * (len(digits) % 2) + digits


def iso(time):
    return time.isoformat() + "Z"


@pytest.mark.parametrize("http", ["--http1.1", "--http2"])
@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("address", [VIP, f"[{VIP6}]"], ids=["v4", "v6"])
def test_targets_are_told_of_clients(lab, weir, clients, address, version, http):
    tls = (http, f"--tlsv{version}", "--tls-max", version, *LIES)
    for client in (clients.good, clients.below):
        got = told(lab, f"https://{address}:444", *tls, *shows(client))
        leaf = leaf_of(client)
        assert "lie" not in got.values()
        issuer = "Root" if client is clients.good else "Middle"
        assert {k: v for k, v in got.items() if k.startswith(PREFIX)} == {
            PREFIX + "-serial-number": serial(leaf),
            PREFIX + "-issuer": f"CN={issuer}",
            PREFIX + "-subject": f"CN={client.name},O=Weir\\, \\\"x\\\"",
            PREFIX + "-validity": f"NotBefore={iso(leaf.not_valid_before)};NotAfter={iso(leaf.not_valid_after)}",
            PREFIX + "-leaf": got[PREFIX + "-leaf"]}
        pem = urllib.parse.unquote(got[PREFIX + "-leaf"])
        assert x509.load_pem_x509_certificate(pem.encode()) == leaf
        assert client.certificate.read_text().startswith(pem) and "%0A" in got[PREFIX + "-leaf"]


@pytest.mark.parametrize("http", ["--http1.1", "--http2"])
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_passthrough(lab, weir, clients, version, http):
    """Whatever a client sends, as it is; who sends none has none."""
    tls = (http, f"--tlsv{version}", "--tls-max", version, *LIES)
    for client in (clients.below, clients.own, clients.expired, clients.server):
        got = told(lab, f"https://{VIP}", *tls, *shows(client))
        assert [k for k in got if k.startswith(PREFIX)] == [PREFIX]
        assert urllib.parse.unquote(got[PREFIX]) == client.certificate.read_text()
    got = told(lab, f"https://{VIP}", *tls)
    assert not [k for k in got if k.startswith(PREFIX)]


def test_off(lab, weir, clients):
    got = told(lab, f"https://{VIP}:446", *LIES, *shows(clients.good))
    assert not [k for k in got if k.startswith(PREFIX)] and "lie" not in got.values()


def test_names_of_the_listener(lab, weir, clients):
    got = told(lab, f"https://{VIP}:445", *LIES, "-HX-Subject: lie", "-HX_Leaf: lie", *shows(clients.good))
    assert "lie" not in got.values()
    assert got["x-subject"].startswith("CN=good") and got["x-leaf"].startswith("-----BEGIN%20")
    assert sorted(k for k in got if k.startswith(PREFIX)) == [
        PREFIX + "-issuer", PREFIX + "-serial-number", PREFIX + "-validity"]


# Client, port, ELB's code.
REFUSED = [
    (None, 444, "UnmappedConnectionError"), ("alone", 444, "ClientCertUntrusted"), ("stranger", 444, "ClientCertUntrusted"),
    ("own", 444, "ClientCertUntrusted"), ("expired", 444, "ClientCertExpired"), ("early", 444, "ClientCertNotYetValid"),
    ("revoked", 444, "ClientCertCrlHit"), ("server", 444, "ClientCertPurposeInvalid"),
    ("early", 445, "ClientCertNotYetValid"), ("revoked", 445, "ClientCertCrlHit"), ("stranger", 445, "ClientCertUntrusted")]


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("name, port, code", REFUSED, ids=[f"{row[0]}-{row[1]}" for row in REFUSED])
def test_refused(lab, weir, clients, directory, name, port, code, version):
    client = None if name is None else getattr(clients, name)
    known = len(lines(directory, "conn_log.*"))
    before = weir.ask("metrics", load_balancer="shop")["ClientTLSNegotiationErrorCount"]
    got = lab.client.try_run("curl", "-skS", "-m", "10", f"--tlsv{version}", "--tls-max", version,
                             *(shows(client) if client else ()), f"https://{VIP}:{port}/echo")
    assert got.returncode in (35, 56, 60) and got.stdout == "", got
    wait_until("the line", lambda: len(lines(directory, "conn_log.*")) > known, 10)
    fields = lines(directory, "conn_log.*")[-1]
    assert fields[3] == str(port) and fields[10] == "Failed:" + code, fields
    if client is None:
        assert fields[7:10] == ["-", "-", "-"]
    elif client is not clients.own:
        leaf = leaf_of(client)
        assert f"CN={name}" in fields[7] and fields[8].startswith(f"NotBefore={iso(leaf.not_valid_before)}")
        assert fields[9] == serial(leaf)
    assert weir.ask("metrics", load_balancer="shop")["ClientTLSNegotiationErrorCount"] == before + 1


def test_expiry_is_ignored(lab, weir, clients):
    assert told(lab, f"https://{VIP}:445", *shows(clients.expired))["x-subject"].startswith("CN=expired")


def test_log_of_success(lab, weir, clients, directory):
    known = len(lines(directory, "conn_log.*"))
    told(lab, f"https://{VIP}:444", *shows(clients.below))
    wait_until("the line", lambda: len(lines(directory, "conn_log.*")) > known, 10)
    fields = lines(directory, "conn_log.*")[-1]
    assert fields[7].startswith("CN=below") and fields[9] == serial(leaf_of(clients.below))
    assert fields[10] == "Success", fields


def s_client(lab, port, *arguments, text=""):
    done = lab.client.try_run("timeout", "10", "openssl", "s_client", "-connect", f"{VIP}:{port}", *arguments,
                              input=text, errors="replace")
    return done.stdout + done.stderr


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_names_of_authorities(lab, weir, clients, version):
    assert "Acceptable client certificate CA names\nCN = Root\n" in s_client(lab, 445, version)
    assert "No client certificate CA names sent" in s_client(lab, 444, version)


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_no_resumption(lab, weir, clients, directory, version):
    """Each connection shows its certificate."""
    session, request = str(directory / "session"), "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    who = (version, "-cert", clients.good.certificate, "-key", clients.good.key, "-ign_eof")
    for port in (443, 444):
        (directory / "session").unlink(missing_ok=True)
        assert "CN=good" in s_client(lab, port, *who, "-sess_out", session, text=request) or port == 443
        got = s_client(lab, port, *who, *(("-sess_in", session) if os.path.exists(session) else ()), text=request)
        assert "New, TLS" in got and "Reused" not in got, got


def test_trust_store_again(lab, weir, clients, directory):
    """A new bundle and a new list hold for new connections; a bundle that is none changes nothing."""
    def code(client):
        return lab.client.try_run("curl", "-sk", "-m", "10", "-o", "/dev/null", "-w", "%{http_code}", *shows(client),
                                  f"https://{VIP}:444/echo").stdout

    context = context_of(clients.good)
    bundle, revoked = directory / "clients.bundle", directory / "revoked.crl"
    before = bundle.read_bytes(), revoked.read_bytes()
    try:
        with connected(lab, context, 444) as tls:
            bundle.write_bytes(clients.other.pem)
            revoked.unlink()
            weir.reload()
            assert "No such file" in weir.log
            assert (code(clients.good), code(clients.stranger)) == ("200", "000")
            revoked.write_bytes(before[1])
            weir.reload()
            assert "no authority of the bundle has signed" in weir.log
            assert (code(clients.good), code(clients.stranger)) == ("200", "000")
            revoked.write_bytes(clients.other.revoke())
            weir.reload()
            assert (code(clients.good), code(clients.stranger)) == ("000", "200")
            tls.sendall(b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n")
            assert tls.recv(65536).startswith(b"HTTP/1.1 200")
        bundle.write_bytes(before[0])
        revoked.write_bytes(clients.root.revoke(clients.revoked, clients.good))
        weir.reload()
        assert (code(clients.good), code(clients.below), code(clients.stranger)) == ("000", "200", "000")
    finally:
        bundle.write_bytes(before[0])
        revoked.write_bytes(before[1])
        weir.reload()
    assert code(clients.good) == "200"


def test_trailers_may_not_lie_either(lab, weir, clients):
    """Where a name is the listener's own, trailers of requests end here."""
    context = context_of(clients.good)
    for port, want in ((445, []), (444, ["X-Subject: lie"])):
        with connected(lab, context, port) as tls:
            tls.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                        b"1\r\na\r\n0\r\nX-Subject: lie\r\n\r\n")
            assert answer_of(tls)["trailers"] == want


def test_another_mode(lab, weir, clients):
    """Of a connection that lives targets hear what its handshake was asked for: nothing unverified looks verified."""
    text = weir.config_path.read_text()
    context = context_of(clients.own)
    passthrough = "mutual_authentication.mode = passthrough"
    with connected(lab, context, 443) as tls:
        try:
            for mode in (passthrough, "mutual_authentication.mode = verify\nmutual_authentication.trust_store = clients",
                         "mutual_authentication.mode = off"):
                weir.config_path.write_text(text.replace(passthrough, mode))
                weir.reload()
                tls.sendall(b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n")
                names = [name for name, _ in answer_of(tls)["headers"] if name.lower().startswith(PREFIX)]
                assert names == ["X-Amzn-Mtls-Clientcert"], mode
        finally:
            weir.config_path.write_text(text)
            weir.reload()


@pytest.mark.parametrize("old, new, want", [
    ("    mutual_authentication.trust_store = clients\n", "", "the trust store is missing"),
    ("trust_store = clients\n", "trust_store = others\n", "no trust store is named others"),
    ("clients.bundle", "shop.key", "no certificate in it"),
    ("header_name = X-Leaf", "header_name = X-Subject", "X-Subject is the name of two fields"),
])
def test_mistakes(lab, weir, text, write_config, old, new, want):
    path = write_config(text.replace(old, new))
    got = subprocess.run([binary(), "--config", path, "--check"], text=True, capture_output=True)
    assert got.returncode != 0 and want in got.stderr, got
