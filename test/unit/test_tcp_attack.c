/* SPDX-License-Identifier: BSD-3-Clause */
/* What strangers try: RFC 5961, RFC 4987, RFC 1337, RFC 6191, RFC 5927, tiny MSS. */
#include "tcp_script.h"

/* clang-format off */
static const struct script_row rows[] = {
	{"RST at RCV.NXT ends it, elsewhere in the window it is challenged, outside ignored",
	 "establish\n"
	 "< R 0\n"
	 "none\n"
	 "< R 65537\n"
	 "none\n"
	 "< R 2\n"
	 "> . 1 ack 1\n"
	 "< R 65535\n"
	 "none\n"
	 "@600\n"
	 "< R 65536\n"
	 "> . 1 ack 1\n"
	 "state ESTABLISHED\n"
	 "< R 1\n"
	 "event closed\n"
	 "close\n"},
	{"SYN in a connection is challenged, wherever it is",
	 "establish\n"
	 "< S 1\n"
	 "> . 1 ack 1\n"
	 "@600\n"
	 "< S 30000\n"
	 "> . 1 ack 1\n"
	 "state ESTABLISHED\n"
	 "@1200\n"
	 "< S. 1 ack 1\n"
	 "> . 1 ack 1\n"},
	{"ACKs of what was never sent, or long ago, are challenged and change nothing",
	 "establish\n"
	 "send 100\n"
	 "> P. 1:100\n"
	 "< . 1 ack 102\n"
	 "> . 101 ack 1\n"
	 "< . 1:10 ack 102\n"
	 "none\n"
	 "received 0\n"
	 "queued 100\n"
	 "@100\n"
	 "< . 1:10 ack 4294840000\n"
	 "none\n"
	 "received 0\n"},
	{"an old ACK inside the largest window is ignored, its data taken",
	 "establish\n"
	 "send 100\n"
	 "> P. 1:100\n"
	 "< . 1 ack 101\n"
	 "< . 1:10 ack 50\n"
	 "received 10\n"
	 "take all\n"},
	{"a MSS of 1 doesn't make crumbs",
	 "< S 0 mss 1\n"
	 "> S. 0 ack 1\n"
	 "@20\n"
	 "< . 1 ack 1\n"
	 "mss 128\n"},
	{"scale above 14 is 14",
	 "< S 0 mss 1460 scale 15 sackok\n"
	 "> S. 0 ack 1\n"
	 "@20\n"
	 "< . 1 ack 1 win 1\n"
	 "window 16384\n"},
	{"TIME-WAIT: RST is ignored",
	 "establish\n"
	 "close\n"
	 "> F. 1 ack 1\n"
	 "< F. 1 ack 2\n"
	 "> . 2 ack 2\n"
	 "< R 2\n"
	 "time_wait 1\n"
	 "none\n"},
	{"TIME-WAIT: a SYN with a higher number opens anew, above the old numbers",
	 "establish\n"
	 "close\n"
	 "> F. 1 ack 1\n"
	 "< F. 1 ack 2\n"
	 "> . 2 ack 2\n"
	 "@1000\n"
	 "< S 1 mss 1460\n"
	 "> . 2 ack 2\n"
	 "time_wait 1\n"
	 "forget\n"
	 "< S 3 mss 1460\n"
	 "time_wait 0\n"
	 "> S. 0 ack 4\n"
	 "@1020\n"
	 "< . 4 ack 1\n"
	 "event accepted\n"},
	{"TIME-WAIT: with timestamps the newer one decides",
	 "establish ts\n"
	 "close\n"
	 "> F. 1 ack 1\n"
	 "< F. 1 ack 2 ts 1030 1\n"
	 "> . 2 ack 2\n"
	 "@1000\n"
	 "< S 4294960000 mss 1460 sackok ts 1010 0 scale 7\n"
	 "> . 2 ack 2\n"
	 "forget\n"
	 "< S 4294960000 mss 1460 sackok ts 2000 0 scale 7\n"
	 "time_wait 0\n"
	 "> S. 0 sackok\n"},
	{"TIME-WAIT: data is answered with the last ACK",
	 "establish\n"
	 "close\n"
	 "> F. 1 ack 1\n"
	 "< F. 1 ack 2\n"
	 "> . 2 ack 2\n"
	 "< P. 2:100 ack 2\n"
	 "> . 2 ack 2\n"
	 "< . 2 ack 2\n"
	 "none\n"},
	{"SYN cookie: scale and SACK come back by the timestamp",
	 "ours cookies 1\n"
	 "ours receive_buffer 1048576\n"
	 "< S 0 mss 1460 sackok ts 1000 0 scale 7\n"
	 "> S. 0 ack 1 mss 1460 sackok scale 5\n"
	 "half_open 0\n"
	 "@20\n"
	 "< P. 1:100 ack 1 ts 1020 1 win 10\n"
	 "event accepted readable\n"
	 "mss 1448\n"
	 "window 1280\n"
	 "take all\n"
	 "@60\n"
	 "> . 1 ack 101\n"
	 "< . 201:100 ack 1 ts 1061 1 win 10\n"
	 "> . 1 ack 101 sack 201-301\n"},
	{"SYN cookie without timestamps keeps the MSS",
	 "ours cookies 1\n"
	 "< S 0 mss 1400 sackok scale 7\n"
	 "> S. 0 ack 1 mss 1460 nots\n"
	 "@20\n"
	 "< . 1 ack 1 win 500\n"
	 "event accepted\n"
	 "mss 1400\n"
	 "window 500\n"},
	{"SYN cookie: a wrong one is refused, an old one too",
	 "ours cookies 1\n"
	 "< S 0 mss 1460\n"
	 "> S. 0 ack 1\n"
	 "< . 1 ack 2\n"
	 "> R 2\n"
	 "< . 2 ack 1\n"
	 "> R 1\n"
	 "@200000\n"
	 "< . 1 ack 1\n"
	 "> R 1\n"
	 "connections 0\n"},
	{"no cookie was given out: an ACK is refused",
	 "< S 0 mss 1460\n"
	 "> S. 0 ack 1\n"
	 "< R 1\n"
	 "< . 1 ack 1\n"
	 "> R 1\n"
	 "cookies_refused 0\n"},
	{"cookies begin at the threshold",
	 "ours max_half_open 1\n"
	 "< S 0 mss 1460\n"
	 "> S. 0 ack 1\n"
	 "from 4001\n"
	 "< S 0 mss 1460\n"
	 "half_open 1\n"
	 "cookies_sent 1\n"},
	{"cookies go on until half of the threshold, and end there",
	 "ours max_half_open 2\n"
	 "< S 0 mss 1460\n"
	 "> S. 0 ack 1\n"
	 "from 4001\n"
	 "< S 0 mss 1460\n"
	 "from 4002\n"
	 "< S 0 mss 1460\n"
	 "half_open 2\n"
	 "cookies_sent 1\n"
	 "from 4001\n"
	 "< R 1\n"
	 "from 4003\n"
	 "< S 0 mss 1460\n"
	 "half_open 2\n"
	 "cookies_sent 1\n"},
	{"without cookies SYNs are dropped while the threshold is reached, and no longer",
	 "ours max_half_open 2\n"
	 "ours cookies 2\n"
	 "< S 0 mss 1460\n"
	 "> S. 0 ack 1\n"
	 "from 4001\n"
	 "< S 0 mss 1460\n"
	 "from 4002\n"
	 "< S 0 mss 1460\n"
	 "half_open 2\n"
	 "cookies_sent 0\n"
	 "from 4001\n"
	 "< R 1\n"
	 "half_open 1\n"
	 "from 4002\n"
	 "< S 0 mss 1460\n"
	 "half_open 2\n"},
	{"in a storm half-open connections make room after a second",
	 "ours max_half_open 2\n"
	 "ours syn_retries 3\n"
	 "< S 0 mss 1460\n"
	 "> S. 0 ack 1\n"
	 "from 4001\n"
	 "< S 0 mss 1460\n"
	 "from 4002\n"
	 "< S 0 mss 1460\n"
	 "half_open 2\n"
	 "cookies_sent 1\n"
	 "@1001\n"
	 "half_open 1\n"
	 "@3001\n"
	 "half_open 1\n"
	 "@16000\n"
	 "half_open 0\n"},
	{"a listener of one half-open connection repeats SYN-ACKs too",
	 "ours max_half_open 1\n"
	 "< S 0 mss 1460\n"
	 "> S. 0 ack 1\n"
	 "@1000\n"
	 "> S. 0 ack 1\n"
	 "half_open 1\n"},
	{"slow clients of a listener that is three quarters full keep their places",
	 "ours cookies 2\n"
	 "< S 0 mss 1460\n"
	 "> S. 0 ack 1\n"
	 "from 4001\n"
	 "< S 0 mss 1460\n"
	 "from 4002\n"
	 "< S 0 mss 1460\n"
	 "@4000\n"
	 "half_open 3\n"},
	{"those of a fuller one make room, though it has no cookies",
	 "ours cookies 2\n"
	 "< S 0 mss 1460\n"
	 "> S. 0 ack 1\n"
	 "from 4001\n"
	 "< S 0 mss 1460\n"
	 "from 4002\n"
	 "< S 0 mss 1460\n"
	 "from 4003\n"
	 "< S 0 mss 1460\n"
	 "half_open 4\n"
	 "@1001\n"
	 "half_open 3\n"
	 "cookies_sent 0\n"},
	{"where half of the pool is used, every listener's make room",
	 "ours max_half_open 100\n"
	 "< S 0 mss 1460\n"
	 "> S. 0 ack 1\n"
	 "from 4001\n"
	 "< S 0 mss 1460\n"
	 "from 4002\n"
	 "< S 0 mss 1460\n"
	 "from 4003\n"
	 "< S 0 mss 1460\n"
	 "@500\n"
	 "from 4004\n"
	 "< S 0 mss 1460\n"
	 "half_open 5\n"
	 "@1001\n"
	 "half_open 4\n"
	 "@4000\n"
	 "half_open 4\n"},
	{"SYN cookie: its ACK counts though a copy of the SYN came after the storm",
	 "ours cookies 1\n"
	 "< S 0 mss 1460\n"
	 "> S. 0 ack 1\n"
	 "ours cookies 0\n"
	 "< S 0 mss 1460\n"
	 "half_open 1\n"
	 "< . 1 ack 1\n"
	 "event accepted\n"
	 "half_open 0\n"},
	{"PMTU: what is in flight goes again in smaller pieces",
	 "establish\n"
	 "send 2920\n"
	 "> . 1:1460\n"
	 "> P. 1461:1460\n"
	 "icmp 1000 1\n"
	 "mss 960\n"
	 "> P. 1:960\n> P. 961:500\n> P. 1461:960\n> P. 2421:500\n"
	 "none\n"},
	{"PMTU: below 552 is not believed, numbers out of flight neither",
	 "establish\n"
	 "send 1460\n"
	 "> P. 1:1460\n"
	 "icmp 1000 4000\n"
	 "mss 1460\n"
	 "icmp 68 1\n"
	 "mss 512\n"},
	{"PMTU over IPv6: not below 1280",
	 "v6\n"
	 "establish\n"
	 "send 1440\n"
	 "> P. 1:1440\n"
	 "icmp 600 1\n"
	 "mss 1220\n"},
	{"a black hole: after three timeouts smaller segments",
	 "establish\n"
	 "send 1460\n"
	 "> P. 1:1460\n"
	 "@241\n"
	 "> P. 1:1460\n"
	 "@682\n"
	 "> P. 1:1460\n"
	 "@1563\n"
	 "> P. 1:1160\n> P. 1161:300\n"},
	{"ICMP unreachable: over while connecting, nothing later",
	 "connect\n"
	 "> S 0\n"
	 "unreachable 0\n"
	 "event closed\n"
	 "reason 5\n"
	 "released 1\n"
	 "close\n"},
	{"ICMP unreachable: nothing once established",
	 "establish\n"
	 "send 100\n"
	 "> P. 1:100\n"
	 "unreachable 1\n"
	 "event\n"
	 "state ESTABLISHED\n"},
};
/* clang-format on */

SCRIPT_MAIN(rows)
