# SPDX-License-Identifier: BSD-3-Clause
"""The beginning of frames for cases: the stations of conf.ini."""

from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

CLIENT, TARGET = "02:00:00:00:01:02", "02:00:00:00:02:11"
FRONT, BACK = "02:70:63:61:70:00", "02:70:63:61:70:01"  # net_pcap's own, in order of the devices

from_client = Ether(dst=FRONT, src=CLIENT)
from_target = Ether(dst=BACK, src=TARGET)


def client4(dst: str = "198.18.1.10", **fields):
    return from_client / IP(**{"src": "198.18.1.2", "dst": dst, "id": 1, **fields})


def client6(dst: str = "2001:db8:1::10", **fields):
    return from_client / IPv6(**{"src": "2001:db8:1::2", "dst": dst, **fields})


def target4(dst: str = "198.18.1.2", **fields):
    return from_target / IP(**{"src": "198.18.2.11", "dst": dst, "id": 2, **fields})


def target6(dst: str = "2001:db8:1::2", **fields):
    return from_target / IPv6(**{"src": "2001:db8:2::11", "dst": dst, **fields})
