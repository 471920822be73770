# SPDX-License-Identifier: BSD-3-Clause
"""Answer each UDP datagram with "NAME SENDER " and the datagram. usage: udp_echo.py NAME PORT"""

import socket
import sys

sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
sock.bind(("::", int(sys.argv[2])))
while True:
    data, sender = sock.recvfrom(65535)
    sock.sendto(f"{sys.argv[1]} {sender[0]} ".encode() + data, sender)
