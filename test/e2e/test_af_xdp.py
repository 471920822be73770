# SPDX-License-Identifier: BSD-3-Clause
"""The same traffic over net_af_xdp, whose ports cannot transmit chained buffers."""

import collections

from conftest import BACK, FRONT

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
    target = 198.18.2.11:80
    target = 198.18.2.12:80

    [target_group echo]
    protocol = UDP
    health_check.port = 80
    target = 198.18.2.11:5353
    target = 198.18.2.12:5353
"""


def test_af_xdp(lab, start_weir):
    weir = start_weir(SERVICES, front=FRONT.replace("net_af_packet", "net_af_xdp"),
                      back=BACK.replace("net_af_packet", "net_af_xdp"))
    assert [row["port"] for row in weir.ask("interfaces")["interfaces"]] == ["net_af_xdp0", "net_af_xdp1"]
    assert set(collections.Counter(lab.http("http://198.18.1.10/", 60))) == {"t1", "t2"}
    assert set(collections.Counter(lab.udp("198.18.1.10", 53, 60))) == {"t1", "t2"}

    body = bytes(range(251)) * 30_000
    for target in lab.targets:
        (lab.directory / target.name / "files" / "body").write_bytes(body)
    got = lab.client.run("sh", "-c", "curl -sS -m 30 http://198.18.1.10/files/body | cmp - $1 && echo same",
                         "sh", str(lab.directory / "t1" / "files" / "body"))
    assert got.stdout == "same\n"
