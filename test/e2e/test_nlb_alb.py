# SPDX-License-Identifier: BSD-3-Clause
"""An application load balancer of the same box as the target of a network load balancer."""

import json
import os

import pytest

from topology import CLIENT_V4, CLIENT_V6, PYTHON, wait_until

CONFIG = """
    [load_balancer net]
    type = network
    address = 198.18.1.10

    [load_balancer net6]
    type = network
    address = 2001:db8:1::10

    [listener net:8000]
    protocol = TCP
    default_action = forward to-app

    [listener net6:8000]
    protocol = TCP
    default_action = forward to-app6

    [target_group to-app]
    protocol = TCP
    target_type = alb
    target = 198.18.1.20:80

    [target_group to-app6]
    protocol = TCP
    target_type = alb
    target = [2001:db8:1::20]:80

    [load_balancer app]
    type = application
    address = 198.18.1.20
    address = 2001:db8:1::20

    [listener app:80]
    protocol = HTTP
    default_action = forward web

    [rule app:80 10]
    condition.path_pattern = /fixed
    action = fixed_response status=418

    [target_group web]
    protocol = HTTP
    target = 198.18.2.11:8082
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_connections_end_at_the_application_load_balancer(lab, start_weir, workers):
    target = lab.targets[0]
    dataplane = "max_flows = 65536\nworkers = 1" if workers == 1 else "max_flows = 65536\nworkers = 2\nlcores = 0@0,1@1,2@1"
    target.serve("odd", PYTHON, os.path.join(os.path.dirname(__file__), "http_target.py"), "8082", target.name,
                 ready=lambda: target.is_listening(8082))
    try:
        weir = start_weir(CONFIG, dataplane=dataplane, healthy=False)
        wait_until("healthy", lambda: set(weir.target_states().values()) == {"healthy"}, 15)
        for url, client in (("http://198.18.1.10:8000", CLIENT_V4), ("http://[2001:db8:1::10]:8000", CLIENT_V6)):
            seen = json.loads(lab.client.run("curl", "-s", "-m", "5", f"{url}/echo").stdout)
            assert client in str(seen["headers"])  # X-Forwarded-For
            status = lab.client.run("curl", "-s", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}", f"{url}/fixed").stdout
            assert status == "418"
        seen = json.loads(lab.client.run("curl", "-s", "-m", "5", "http://198.18.1.20/echo").stdout)
        assert CLIENT_V4 in str(seen["headers"])
        assert weir.ask("metrics", load_balancer="net")["NewFlowCount"] == 2
        assert weir.ask("metrics", load_balancer="net6")["NewFlowCount"] == 2
        metrics = weir.ask("metrics", load_balancer="app")  # both ways count
        assert (metrics["RequestCount"], metrics["HTTP_Fixed_Response_Count"]) == (3, 2)
        wait_until("connections closed", lambda: weir.ask("metrics", load_balancer="net")["ActiveFlowCount"] == 0, 5)

        # The listener goes, the application load balancer stays.
        text = weir.config_path.read_text()
        begin, end = text.index("[listener net:8000]"), text.index("[listener net6:8000]")
        weir.config_path.write_text(text[:begin] + text[end:])
        weir.reload()
        assert weir.ask("info")["reloads"] == 1
        assert lab.client.try_run("curl", "-s", "-m", "1", "http://198.18.1.10:8000/").returncode != 0
        assert lab.client.run("curl", "-s", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}",
                              "http://[2001:db8:1::10]:8000/fixed").stdout == "418"
    finally:
        target.stop("odd")
