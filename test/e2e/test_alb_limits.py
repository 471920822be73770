# SPDX-License-Identifier: BSD-3-Clause
"""What an application load balancer does at its limits, and when it is stopped."""

import json
import signal
import time

import pytest

from http_client import Connection
from test_alb import serve_odd
from test_alb_log import lines
from topology import wait_until

SERVICES = """
    [load_balancer shop]
    type = application
    address = 198.18.1.10
    connection_logs.s3.enabled = true
    connection_logs.s3.bucket = {bucket}

    [listener shop:80]
    protocol = HTTP
    default_action = forward web

    [rule shop:80 1]
    condition.path_pattern = /old
    action = redirect path=/new status=HTTP_301

    [target_group web]
    protocol = HTTP
    target = 198.18.2.11:80
"""


@pytest.fixture
def weir(start_weir, tmp_path):
    return start_weir(SERVICES.format(bucket=tmp_path), drain=20,
                      dataplane="workers = 1\nmax_flows = 65536\nmax_connections = 1024")


def test_idle_clients_leave_room_for_targets(lab, weir, tmp_path):
    """A quarter of all connections is kept: requests are served, and health checks go on."""
    clients = [Connection(lab.client) for _ in range(760)]
    try:
        assert clients[0].get("/").status == 200
        for _ in range(40):
            if weir.ask("metrics", load_balancer="shop")["RejectedConnectionCount"] > 0:
                break
            try:
                clients.append(Connection(lab.client))
            except ConnectionResetError:
                pass
        assert weir.ask("metrics", load_balancer="shop")["RejectedConnectionCount"] > 0
        assert clients[1].get("/").status == 200
    finally:
        for client in clients:
            client.socket.close()

    def is_served():
        try:
            with Connection(lab.client) as c:
                return c.get("/").status == 200
        except (ConnectionResetError, EOFError):
            return False

    wait_until("room again", is_served)
    wait_until("refused ones are logged",
               lambda: sum(fields[10] == "Failed:UnmappedConnectionError"
                           for fields in lines(tmp_path, "conn_log.*")) ==
               weir.ask("metrics", load_balancer="shop")["RejectedConnectionCount"])


def test_idle_clients_do_not_hold_up_the_end(lab, weir):
    with Connection(lab.client) as c:
        assert c.get("/").status == 200
        begin = time.monotonic()
        weir.signal(signal.SIGTERM)
        assert c.is_closed()
        assert weir.wait_exit(15) == 0
        assert time.monotonic() - begin < 10


def test_no_host(lab, weir):
    with Connection(lab.client) as c:
        c.send("GET /old HTTP/1.0\r\n\r\n")
        assert c.answer().header("location") == "http://198.18.1.10:80/new"


def test_trace(weir):
    told = weir.ask("trace", packet="tcp 198.18.1.2:4000 > 198.18.1.10:80")
    assert "terminate" in json.dumps(told) and "no_target" not in json.dumps(told)
