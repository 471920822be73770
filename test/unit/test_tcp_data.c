/* SPDX-License-Identifier: BSD-3-Clause */
/* Data, acknowledgments and windows: RFC 9293 section 3.8, RFC 1122 section 4.2.3. */
#include "tcp_script.h"

/* clang-format off */
static const struct script_row rows[] = {
	{"a lone segment is acknowledged after 40 ms",
	 "establish\n"
	 "< P. 1:100 ack 1\n"
	 "event readable\n"
	 "none\n"
	 "@59\n"
	 "none\n"
	 "@60\n"
	 "> . 1 ack 101 win 65435\n"
	 "take all\n"},
	{"two full segments are acknowledged at once",
	 "establish\n"
	 "< . 1:1460 ack 1\n"
	 "none\n"
	 "< . 1461:1460 ack 1\n"
	 "> . 1 ack 2921\n"
	 "< . 2921:1460 ack 1\n"
	 "none\n"
	 "< . 4381:1460 ack 1\n"
	 "> . 1 ack 5841\n"},
	{"an answer carries the ACK",
	 "establish\n"
	 "< P. 1:100 ack 1\n"
	 "send 50\n"
	 "> P. 1:50 ack 101\n"
	 "< . 101 ack 51\n"
	 "@200\n"
	 "none\n"},
	{"old bytes are acknowledged at once",
	 "establish\n"
	 "< P. 1:100 ack 1\n"
	 "@60\n"
	 "> . 1 ack 101\n"
	 "< P. 1:100 ack 1\n"
	 "> . 1 ack 101\n"
	 "< P. 51:100 ack 1\n"
	 "> . 1 ack 151\n"
	 "take all\n"},
	{"a hole: duplicate ACKs at once, then everything",
	 "establish\n"
	 "< . 101:100 ack 1\n"
	 "> . 1 ack 1 nosack\n"
	 "< . 301:100 ack 1\n"
	 "> . 1 ack 1\n"
	 "< . 1:100 ack 1\n"
	 "> . 1 ack 201\n"
	 "< . 201:100 ack 1\n"
	 "> . 1 ack 401\n"
	 "event readable\n"
	 "take all\n"},
	{"no ACK flag: not queued",
	 "establish\n"
	 "< F 1:100\n"
	 "received 0\n"
	 "none\n"},
	{"beyond the window is cut off, and acknowledged at once",
	 "ours receive_buffer 3000\n"
	 "< S 0 mss 1460\n"
	 "> S. 0 ack 1 win 3000\n"
	 "< . 1 ack 1\n"
	 "< . 1:1460 ack 1\n"
	 "< . 1461:1460 ack 1\n"
	 "> . 1 ack 2921 win 80\n"
	 "< P. 2921:500 ack 1\n"
	 "> . 1 ack 3001 win 0\n"
	 "received 3000\n"
	 "< P. 3001:1 ack 1\n"
	 "> . 1 ack 3001 win 0\n"
	 "take all\n"
	 "> . 1 ack 3001 win 3000\n"
	 "none\n"},
	{"the window doesn't open by crumbs",
	 "ours receive_buffer 3000\n"
	 "< S 0 mss 1460\n"
	 "> S. 0 ack 1 win 3000\n"
	 "< . 1 ack 1\n"
	 "< . 1:1460 ack 1\n"
	 "< . 1461:1460 ack 1\n"
	 "> . 1 ack 2921 win 80\n"
	 "take 1000\n"
	 "none\n"
	 "take 1000\n"
	 "> . 1 ack 2921 win 2080\n"
	 "take all\n"
	 "none\n"},
	{"what is held elsewhere keeps the window shut",
	 "ours receive_buffer 3000\n"
	 "< S 0 mss 1460\n"
	 "> S. 0 ack 1 win 3000\n"
	 "< . 1 ack 1\n"
	 "< . 1:1460 ack 1\n"
	 "< . 1461:1460 ack 1\n"
	 "> . 1 ack 2921 win 80\n"
	 "hold 2920\n"
	 "take all\n"
	 "none\n"
	 "hold 2800\n"
	 "none\n"
	 "hold 0\n"
	 "> . 1 ack 2921 win 3000\n"},
	{"a FIN is taken when the window is shut",
	 "ours receive_buffer 1000\n"
	 "< S 0 mss 1460\n"
	 "> S. 0 ack 1 win 1000\n"
	 "< . 1 ack 1\n"
	 "< . 1:1000 ack 1\n"
	 "> . 1 ack 1001 win 0\n"
	 "< F. 1001 ack 1\n"
	 "> . 1 ack 1002\n"
	 "state CLOSE-WAIT\n"
	 "take all\n"},
	{"a FIN beyond a hole counts when the hole is filled",
	 "establish\n"
	 "< F. 101:100 ack 1\n"
	 "> . 1 ack 1\n"
	 "event\n"
	 "< . 1:100 ack 1\n"
	 "> . 1 ack 202\n"
	 "event readable end\n"
	 "state CLOSE-WAIT\n"
	 "take all\n"},
	{"ten segments in the first flight, the rest as ACKs come",
	 "establish\n"
	 "send 20000\n"
	 "> . 1:1460\n> . 1461:1460\n> . 2921:1460\n> . 4381:1460\n> . 5841:1460\n"
	 "> . 7301:1460\n> . 8761:1460\n> . 10221:1460\n> . 11681:1460\n> . 13141:1460\n"
	 "none\n"
	 "cwnd 14600\n"
	 "@40\n"
	 "< . 1 ack 2921\n"
	 "cwnd 17520\n"
	 "> . 14601:1460\n> . 16061:1460\n> . 17521:1460\n> P. 18981:1020\n"
	 "none\n"},
	{"window below a segment: held until it is half of the largest, or forced",
	 "< S 0 win 4000 mss 1460\n"
	 "> S. 0 ack 1\n"
	 "@20\n"
	 "< . 1 ack 1 win 4000\n"
	 "send 5000\n"
	 "> . 1:1460\n"
	 "> . 1461:1460\n"
	 "none\n"
	 "@40\n"
	 "< . 1 ack 2921 win 100\n"
	 "none\n"
	 "@261\n"
	 "> . 2921:100\n"},
	{"zero window: probes below SND.UNA, doubled; update restarts",
	 "establish\n"
	 "< . 1 ack 1 win 0\n"
	 "send 100\n"
	 "none\n"
	 "@241\n"
	 "> . 0 ack 1\n"
	 "< . 1 ack 1 win 0\n"
	 "@682\n"
	 "> . 0 ack 1\n"
	 "< . 1 ack 1 win 0\n"
	 "@1563\n"
	 "> . 0 ack 1\n"
	 "@1600\n"
	 "< . 1 ack 1 win 1000\n"
	 "> P. 1:100 ack 1\n"
	 "none\n"},
	{"zero window: as long as probes are answered",
	 "establish\n"
	 "< . 1 ack 1 win 0\n"
	 "send 100\n"
	 "ignore_out 1\n"
	 "answer 20 60000\n"
	 "connections 1\n"
	 "event\n"},
	{"user timeout ends a zero window",
	 "ours user_timeout 5000\n"
	 "establish\n"
	 "< . 1 ack 1 win 0\n"
	 "send 100\n"
	 "ignore_out 1\n"
	 "@6000\n"
	 "event closed\n"
	 "reason 4\n"
	 "close\n"},
	{"user timeout ends unacknowledged data",
	 "ours user_timeout 3000\n"
	 "establish\n"
	 "send 100\n"
	 "ignore_out 1\n"
	 "@3019\n"
	 "event\n"
	 "@3021\n"
	 "event closed\n"
	 "reason 4\n"
	 "close\n"},
	{"a window that shrinks below what is in flight: no abort",
	 "establish\n"
	 "send 4380\n"
	 "> . 1:1460\n> . 1461:1460\n> P. 2921:1460\n"
	 "@40\n"
	 "< . 1 ack 1461 win 0\n"
	 "none\n"
	 "@261\n"
	 "> P. 1461:1460\n"
	 "@320\n"
	 "< . 1 ack 4381 win 5000\n"
	 "event drained\n"
	 "queued 0\n"},
	{"Nagle: small segments wait for the ACK",
	 "ours nagle 1\n"
	 "establish\n"
	 "send 10\n"
	 "> P. 1:10\n"
	 "send 10\n"
	 "send 10\n"
	 "none\n"
	 "@40\n"
	 "< . 1 ack 11\n"
	 "> P. 11:20\n"},
	{"no Nagle: they go at once",
	 "establish\n"
	 "send 10\n"
	 "> P. 1:10\n"
	 "send 10\n"
	 "> P. 11:10\n"},
	{"writable below half of the buffer, drained at the end",
	 "ours send_buffer 4000\n"
	 "establish\n"
	 "send 4380\n"
	 "> . 1:1460\n> . 1461:1460\n> P. 2921:1460\n"
	 "@40\n"
	 "< . 1 ack 1461\n"
	 "event\n"
	 "< . 1 ack 2921\n"
	 "event writable\n"
	 "< . 1 ack 4381\n"
	 "event drained\n"},
	{"keepalive: two probes, then over",
	 "ours keepalive 10000\n"
	 "establish\n"
	 "@10020\n"
	 "> . 0 ack 1\n"
	 "@10040\n"
	 "< . 1 ack 1\n"
	 "@20040\n"
	 "> . 0 ack 1\n"
	 "@25040\n"
	 "> . 0 ack 1\n"
	 "@30040\n"
	 "> R. 1 ack 1\n"
	 "event closed\n"
	 "reason 4\n"
	 "close\n"},
	{"keepalive: with timestamps, and answered by RST",
	 "ours keepalive 10000\n"
	 "establish ts\n"
	 "@10020\n"
	 "> . 0 ack 1 ts 10021 1020\n"
	 "< R 1\n"
	 "event closed\n"
	 "reason 2\n"
	 "close\n"},
	{"a keepalive probe is answered",
	 "establish\n"
	 "< . 0 ack 1\n"
	 "> . 1 ack 1\n"},
	{"a connection ends after a timeout of 15 retransmissions",
	 "establish\n"
	 "send 100\n"
	 "ignore_out 1\n"
	 "@500000\n"
	 "event\n"
	 "@1000000\n"
	 "event closed\n"
	 "reason 4\n"
	 "close\n"},
	{"what the caller has closed isn't held by a zero window",
	 "establish\n"
	 "< . 1 ack 1 win 0\n"
	 "send 100\n"
	 "close\n"
	 "ignore_out 1\n"
	 "answer 20 200000\n"
	 "connections 0\n"},
};
/* clang-format on */

SCRIPT_MAIN(rows)
