# SPDX-License-Identifier: BSD-3-Clause
"""What browsers do: a page of some hundred objects over HTTP/2, WebSocket with fragments, pings and closes."""

import json
import os

import pytest

from certificates import make_certificate
from topology import PYTHON

VIP, VIP6 = "198.18.1.10", "2001:db8:1::10"
PEER = os.path.join(os.path.dirname(__file__), "websocket_peer.py")
OBJECTS = 400

SERVICES = """
    [load_balancer shop]
    type = application
    address = 198.18.1.10
    address = 2001:db8:1::10

    [listener shop:443]
    protocol = HTTPS
    certificate = shop
    default_action = forward web

    [listener shop:8443]
    protocol = HTTPS
    certificate = shop
    default_action = forward sockets

    [listener shop:8080]
    protocol = HTTP
    default_action = forward sockets

    [target_group web]
    protocol = HTTP
    target = 198.18.2.11:80
    target = 198.18.2.12:80

    [target_group sockets]
    protocol = HTTP
    health_check.port = 80
    target = 198.18.2.11:8765
"""
PAGE = """<!doctype html><title>page</title>
<script>
const got = [];
performance.setResourceTimingBufferSize(2000);
addEventListener("load", () => {
    const all = performance.getEntriesByType("resource").filter(e => e.nextHopProtocol == "h2");
    document.body.textContent = `${got.length} objects, ${got.join("").length} characters, ${all.length} over h2.`;
});
</script>
SCRIPTS<body></body>
"""


def script(n: int) -> str:
    return "got.push('" + "x" * (n * 97 % 20000) + "')\n"


@pytest.fixture(scope="module")
def weir(lab, start_module_weir, tmp_path_factory):
    target = lab.targets[0]
    target.serve("sockets", PYTHON, PEER, "serve", "8765", ready=lambda: target.is_listening(8765))
    for target in lab.targets[:2]:
        files = lab.directory / target.name / "files"
        (files / "page.html").write_text(PAGE.replace("SCRIPTS", "".join(
            f'<script src="/files/{n}.js"></script>\n' for n in range(OBJECTS))))
        for n in range(OBJECTS):
            (files / f"{n}.js").write_text(script(n))
    return start_module_weir(SERVICES + "\n" + make_certificate(tmp_path_factory.mktemp("tls"), "shop",
                                                                "shop.example").section())


@pytest.mark.parametrize("address", [VIP, f"[{VIP6}]"], ids=["v4", "v6"])
def test_page(lab, weir, tmp_path, address):
    """Chromium loads a page and its scripts, each whole, by HTTP/2."""
    got = lab.client.run("timeout", "180", "chromium", "--headless=new", "--no-sandbox", "--disable-gpu",
                         "--disable-dev-shm-usage", "--ignore-certificate-errors", "--no-first-run",
                         f"--user-data-dir={tmp_path}", "--dump-dom", f"https://{address}/files/page.html",
                         env={**os.environ, "HOME": str(tmp_path)}).stdout
    size = sum(n * 97 % 20000 for n in range(OBJECTS))
    assert f"{OBJECTS} objects, {size} characters, {OBJECTS} over h2." in got, got[-300:]


@pytest.mark.parametrize("address", [VIP, f"[{VIP6}]"], ids=["v4", "v6"])
@pytest.mark.parametrize("scheme, port", [("ws", 8080), ("wss", 8443)])
def test_websocket(lab, weir, scheme, port, address):
    got = lab.client.run(PYTHON, PEER, "ask", f"{scheme}://{address}:{port}/").stdout
    assert json.loads(got) == {"text": True, "empty": True, "long": True, "fragments": "in several fragments",
                               "many": True, "close": [4001, "as you like"]}
