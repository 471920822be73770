# SPDX-License-Identifier: BSD-3-Clause
"""Frames by hand: send and receive on a device of a namespace, beside its kernel."""

from __future__ import annotations

import ctypes
import os
import socket
import time
from typing import Callable

from scapy.layers.inet import ICMP, IP, TCP, UDP  # noqa: F401
from scapy.layers.l2 import Ether
from scapy.packet import Packet

from topology import Namespace

CLONE_NEWNET = 0x40000000
ETH_P_ALL = 3
libc = ctypes.CDLL(None, use_errno=True)


def socket_in(ns: Namespace, *arguments: int) -> socket.socket:
    """A socket of another namespace; it stays there."""
    ours, theirs = os.open("/proc/thread-self/ns/net", os.O_RDONLY), os.open(f"/run/netns/{ns.name}", os.O_RDONLY)
    try:
        if libc.setns(theirs, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        return socket.socket(*arguments)
    finally:
        libc.setns(ours, CLONE_NEWNET)
        os.close(ours)
        os.close(theirs)


class RawPort:
    """What is sent goes out of the device; received is everything that comes in."""

    def __init__(self, ns: Namespace, device: str = "eth0") -> None:
        self.mac = ns.mac(device)
        self.socket = socket_in(ns, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.bind((device, ETH_P_ALL))

    def send(self, *frames: Packet | bytes) -> None:
        for frame in frames:
            self.socket.send(bytes(frame))

    def receive(self, wanted: Callable[[Packet], bool], n: int = 1, seconds: float = 2) -> list[Packet]:
        """The next `n` frames that are wanted; fewer if they don't come."""
        found: list[Packet] = []
        end = time.monotonic() + seconds
        while len(found) < n:
            left = end - time.monotonic()
            if left <= 0:
                break
            self.socket.settimeout(left)
            try:
                data, sender = self.socket.recvfrom(65536)
            except TimeoutError:
                break
            if sender[2] == socket.PACKET_OUTGOING:
                continue
            frame = Ether(data)
            if wanted(frame):
                found.append(frame)
        return found

    def ask(self, frame: Packet | bytes, wanted: Callable[[Packet], bool], seconds: float = 2) -> Packet | None:
        """Send, and return the first wanted frame."""
        self.flush()
        self.send(frame)
        return next(iter(self.receive(wanted, 1, seconds)), None)

    def flush(self) -> None:
        """Forget what has been received so far."""
        self.socket.setblocking(False)
        try:
            while True:
                self.socket.recv(65536)
        except BlockingIOError:
            pass

    def close(self) -> None:
        self.socket.close()
