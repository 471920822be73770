# SPDX-License-Identifier: BSD-3-Clause
"""Questions for weir's addresses are answered, also probes of RFC 5227 and RFC 4862; others are not."""

from scapy.layers.inet6 import ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

from frames import CLIENT

ASK = Ether(dst="ff:ff:ff:ff:ff:ff", src=CLIENT)
GROUP = Ether(dst="33:33:ff:00:00:10", src=CLIENT)
front = [ASK / ARP(op=1, hwsrc=CLIENT, psrc="198.18.1.2", pdst="198.18.1.1"),
         ASK / ARP(op=1, hwsrc=CLIENT, psrc="198.18.1.2", pdst="198.18.1.10"),
         ASK / ARP(op=1, hwsrc=CLIENT, psrc="0.0.0.0", pdst="198.18.1.10"),
         ASK / ARP(op=1, hwsrc=CLIENT, psrc="198.18.1.2", pdst="198.18.1.99"),
         ASK / ARP(op=1, hwsrc=CLIENT, psrc="198.18.1.2", pdst="198.18.2.1"),
         GROUP / IPv6(src="2001:db8:1::2", dst="ff02::1:ff00:10", hlim=255) / ICMPv6ND_NS(tgt="2001:db8:1::10") /
         ICMPv6NDOptSrcLLAddr(lladdr=CLIENT),
         GROUP / IPv6(src="::", dst="ff02::1:ff00:10", hlim=255) / ICMPv6ND_NS(tgt="2001:db8:1::10"),
         GROUP / IPv6(src="2001:db8:1::2", dst="ff02::1:ff00:99", hlim=255) / ICMPv6ND_NS(tgt="2001:db8:1::99")]
