/* SPDX-License-Identifier: BSD-3-Clause */
/* Opening and closing: RFC 9293 sections 3.5, 3.6 and 3.10.7. */
#include "tcp_script.h"

/* clang-format off */
static const struct script_row rows[] = {
	{"passive open with all options",
	 "< S 0 win 65535 mss 1460 sackok ts 1000 0 scale 7\n"
	 "> S. 0 ack 1 mss 1460 sackok ts 1 1000 scale 0 win 65535\n"
	 "half_open 1\n"
	 "@20\n"
	 "< . 1 ack 1 ts 1020 1\n"
	 "event accepted\n"
	 "half_open 0\n"
	 "connections 1\n"
	 "state ESTABLISHED\n"
	 "mss 1448\n"
	 "none\n"},
	{"passive open without options: MSS 536",
	 "< S 0\n"
	 "> S. 0 ack 1 mss 1460 nots\n"
	 "@20\n"
	 "< . 1 ack 1\n"
	 "event accepted\n"
	 "mss 536\n"},
	{"passive open over IPv6",
	 "v6\n"
	 "< S 0 mss 1440\n"
	 "> S. 0 ack 1 mss 1440\n"
	 "@20\n"
	 "< P. 1:100 ack 1\n"
	 "event accepted readable\n"
	 "mss 1440\n"
	 "take all\n"},
	{"SYN-ACK is repeated after 1, 2, 4 s, then forgotten",
	 "ours syn_retries 3\n"
	 "< S 0 mss 1460\n"
	 "> S. 0 ack 1\n"
	 "@1000\n"
	 "> S. 0 ack 1\n"
	 "@3000\n"
	 "> S. 0 ack 1\n"
	 "@7000\n"
	 "> S. 0 ack 1\n"
	 "@20000\n"
	 "half_open 0\n"
	 "none\n"},
	{"data on a SYN is neither queued nor acknowledged",
	 "< S 0:100 mss 1460\n"
	 "> S. 0 ack 1\n"
	 "@20\n"
	 "< P. 1:100 ack 1\n"
	 "event accepted readable\n"
	 "received 100\n"},
	{"a closed port answers with RST",
	 "ours listen_closed 1\n"
	 "< S 0\n"
	 "> R. 0 ack 1\n"},
	{"an ACK out of nowhere is answered with its number",
	 "theirs 0\n"
	 "< . 5 ack 1000\n"
	 "> R 1000\n"},
	{"a RST out of nowhere is not answered",
	 "< R 5\n"
	 "none\n"},
	{"half-open: a wrong ACK is refused, state stays",
	 "< S 0 mss 1460\n"
	 "> S. 0 ack 1\n"
	 "< . 1 ack 2\n"
	 "> R 2\n"
	 "half_open 1\n"
	 "< . 1 ack 1\n"
	 "event accepted\n"},
	{"half-open: RST in place ends it",
	 "< S 0 mss 1460\n"
	 "> S. 0 ack 1\n"
	 "< R 7\n"
	 "half_open 1\n"
	 "< R 1\n"
	 "half_open 0\n"
	 "none\n"},
	{"half-open: the SYN again is answered again",
	 "< S 0 mss 1460\n"
	 "> S. 0 ack 1\n"
	 "@500\n"
	 "< S 0 mss 1460\n"
	 "> S. 0 ack 1\n"
	 "half_open 1\n"},
	{"half-open: its listener goes, the ACK is refused",
	 "< S 0 mss 1460\n"
	 "> S. 0 ack 1\n"
	 "ours serves 1\n"
	 "@20\n"
	 "< . 1 ack 1\n"
	 "> R 1\n"
	 "half_open 0\n"
	 "connections 0\n"
	 "event\n"},
	{"half-open: its listener goes, the SYN-ACK doesn't go again",
	 "< S 0 mss 1460\n"
	 "> S. 0 ack 1\n"
	 "ours serves 1\n"
	 "@2000\n"
	 "half_open 0\n"
	 "none\n"},
	{"half-open: another listener has got the place of its own, and not the connection",
	 "ours user 7\n"
	 "ours serves 7\n"
	 "< S 0 mss 1460\n"
	 "> S. 0 ack 1\n"
	 "ours user 8\n"
	 "ours serves 8\n"
	 "< . 1 ack 1\n"
	 "> R 1\n"
	 "connections 0\n"},
	{"a connection is of the listener that its SYN came to",
	 "ours user 7\n"
	 "ours serves 7\n"
	 "< S 0 mss 1460\n"
	 "> S. 0 ack 1\n"
	 "ours user 8\n"
	 "< . 1 ack 1\n"
	 "event accepted\n"
	 "user 7\n"},
	{"a listener that doesn't serve any more answers with RST",
	 "ours serves 1\n"
	 "< S 0\n"
	 "> R. 0 ack 1\n"},
	{"active open",
	 "connect\n"
	 "> S 0 mss 1460 sackok ts 1 0 scale 0\n"
	 "state SYN-SENT\n"
	 "@10\n"
	 "< S. 0 ack 1 mss 1400 sackok ts 500 1 scale 3 win 8000\n"
	 "> . 1 ack 1 ts 11 500\n"
	 "event connected\n"
	 "state ESTABLISHED\n"
	 "mss 1388\n"},
	{"active open: refused",
	 "connect\n"
	 "> S 0\n"
	 "@1\n"
	 "< R. 0 ack 1\n"
	 "event closed\n"
	 "reason 3\n"
	 "released 1\n"
	 "close\n"
	 "connections 0\n"},
	{"active open: an ACK of something else gets RST and stays",
	 "connect\n"
	 "> S 0\n"
	 "< . 0 ack 5\n"
	 "> R 5\n"
	 "state SYN-SENT\n"
	 "< R 0\n"
	 "state SYN-SENT\n"},
	{"active open: no answer",
	 "ours syn_retries 2\n"
	 "connect\n"
	 "> S 0\n"
	 "@1001\n"
	 "> S 0\n"
	 "@3002\n"
	 "> S 0\n"
	 "@7010\n"
	 "event closed\n"
	 "reason 4\n"
	 "released 1\n"
	 "none\n"
	 "close\n"},
	{"simultaneous open",
	 "connect\n"
	 "> S 0\n"
	 "< S 0 mss 1460\n"
	 "> S. 0 ack 1\n"
	 "state SYN-RECEIVED\n"
	 "< . 1 ack 1\n"
	 "event connected\n"
	 "state ESTABLISHED\n"},
	{"they close first",
	 "establish\n"
	 "< F. 1 ack 1\n"
	 "> . 1 ack 2\n"
	 "event end\n"
	 "state CLOSE-WAIT\n"
	 "shutdown\n"
	 "> F. 1 ack 2\n"
	 "state LAST-ACK\n"
	 "< . 2 ack 2\n"
	 "event closed drained\n"
	 "reason 1\n"
	 "time_wait 0\n"
	 "close\n"
	 "connections 0\n"},
	{"we close first",
	 "establish\n"
	 "close\n"
	 "> F. 1 ack 1\n"
	 "state FIN-WAIT-1\n"
	 "< . 1 ack 2\n"
	 "state FIN-WAIT-2\n"
	 "< F. 1 ack 2\n"
	 "> . 2 ack 2\n"
	 "connections 0\n"
	 "time_wait 1\n"
	 "@1000\n"
	 "< F. 1 ack 2\n"
	 "> . 2 ack 2\n"
	 "@61500\n"
	 "time_wait 0\n"
	 "none\n"},
	{"both close at once",
	 "establish\n"
	 "close\n"
	 "> F. 1 ack 1\n"
	 "< F. 1 ack 1\n"
	 "> . 2 ack 2\n"
	 "time_wait 0\n"
	 "< . 2 ack 2\n"
	 "time_wait 1\n"
	 "connections 0\n"},
	{"the FIN acknowledges ours at once",
	 "establish\n"
	 "close\n"
	 "> F. 1 ack 1\n"
	 "< F. 1 ack 2\n"
	 "> . 2 ack 2\n"
	 "time_wait 1\n"},
	{"FIN goes with the last bytes",
	 "establish\n"
	 "send 100\n"
	 "> P. 1:100 ack 1\n"
	 "send 100\n"
	 "> P. 101:100 ack 1\n"
	 "close\n"
	 "> F. 201 ack 1\n"
	 "< . 1 ack 202\n"
	 "state FIN-WAIT-2\n"
	 "@60100\n"
	 "connections 0\n"
	 "none\n"},
	{"half-close: they go on receiving",
	 "establish\n"
	 "< F. 1 ack 1\n"
	 "> . 1 ack 2\n"
	 "event end\n"
	 "@3600000\n"
	 "send 100\n"
	 "> P. 1:100 ack 2\n"
	 "< . 2 ack 101\n"
	 "event drained\n"},
	{"half-close: we go on receiving",
	 "establish\n"
	 "shutdown\n"
	 "> F. 1 ack 1\n"
	 "< . 1 ack 2\n"
	 "event drained\n"
	 "@3600000\n"
	 "< P. 1:100 ack 2\n"
	 "event readable\n"
	 "take all\n"
	 "@3600040\n"
	 "> . 2 ack 101\n"},
	{"closing over unread bytes is a RST",
	 "establish\n"
	 "< P. 1:100 ack 1\n"
	 "event readable\n"
	 "close\n"
	 "> R. 1 ack 101\n"
	 "connections 0\n"},
	{"bytes after close are answered with RST",
	 "establish\n"
	 "close\n"
	 "> F. 1 ack 1\n"
	 "< P. 1:100 ack 1\n"
	 "> R. 2 ack 1\n"
	 "connections 0\n"},
	{"lingering: bytes are thrown away until the time is over",
	 "establish\n"
	 "close 500\n"
	 "> F. 1 ack 1\n"
	 "< P. 1:100 ack 2\n"
	 "@60.0\n"
	 "> . 2 ack 101\n"
	 "@520\n"
	 "> R. 2 ack 101\n"
	 "connections 0\n"},
	{"abort",
	 "establish\n"
	 "send 100\n"
	 "> P. 1:100 ack 1\n"
	 "abort\n"
	 "> R. 101 ack 1\n"
	 "connections 0\n"},
	{"RST from the peer",
	 "establish\n"
	 "< R 1\n"
	 "event closed\n"
	 "reason 2\n"
	 "none\n"
	 "close\n"
	 "connections 0\n"},
	{"tuple is released after TIME-WAIT",
	 "connect\n"
	 "> S 0\n"
	 "< S. 0 ack 1 mss 1460\n"
	 "> . 1 ack 1\n"
	 "event connected\n"
	 "shutdown\n"
	 "> F. 1 ack 1\n"
	 "< F. 1 ack 2\n"
	 "> . 2 ack 2\n"
	 "event end drained closed\n"
	 "close\n"
	 "released 0\n"
	 "@60100\n"
	 "released 1\n"},
};
/* clang-format on */

SCRIPT_MAIN(rows)
