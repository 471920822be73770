/* SPDX-License-Identifier: BSD-3-Clause */
/* Loss at the sender: RFC 6298, 5681, 6582, 3042, 6675, 8985, 6937. */
#include "tcp_script.h"

#define FLIGHT                                                                     \
	"> . 1:1000\n> . 1001:1000\n> . 2001:1000\n> . 3001:1000\n> . 4001:1000\n" \
	"> . 5001:1000\n> . 6001:1000\n> . 7001:1000\n> . 8001:1000\n> P. 9001:1000\n"

/* MSS 1000 with timestamps: a peer's MSS of 1012. */
#define ESTABLISH                                                                \
	"ours congestion 1\n"                                                    \
	"< S 0 win 65535 mss 1012 sackok ts 1000 0 scale 7\n> S. 0 ack 1\n@20\n" \
	"< . 1 ack 1 ts 1020 1 win 512\nevent accepted\n"

#define ESTABLISH_PLAIN                                 \
	"ours congestion 1\n"                           \
	"< S 0 win 65535 mss 1000\n> S. 0 ack 1\n@20\n" \
	"< . 1 ack 1\nevent accepted\n"

/* clang-format off */
static const struct script_row rows[] = {
	{"RTO: doubled each time, window of one, then slow start",
	 ESTABLISH_PLAIN
	 "rto 220\n"
	 "send 10000\n" FLIGHT
	 "@241\n"
	 "> P. 1:1000\n"
	 "cwnd 1000\n"
	 "ssthresh 5000\n"
	 "@682\n"
	 "> P. 1:1000\n"
	 "ssthresh 5000\n"
	 "@1563\n"
	 "> P. 1:1000\n"
	 "@1580\n"
	 "< . 1 ack 1001\n"
	 "cwnd 2000\n"
	 "> P. 1001:1000\n> P. 2001:1000\n"
	 "none\n"
	 "@1600\n"
	 "< . 1 ack 3001\n"
	 "cwnd 4000\n"
	 "> P. 3001:1000\n> P. 4001:1000\n> P. 5001:1000\n> P. 6001:1000\n"
	 "< . 1 ack 10001\n"
	 "event drained\n"},
	{"RTO restarts with each ACK of something new",
	 ESTABLISH_PLAIN
	 "send 10000\n" FLIGHT
	 "@200\n"
	 "< . 1 ack 1001\n"
	 "@400\n"
	 "none\n"
	 "< . 1 ack 2001\n"
	 "@600\n"
	 "none\n"
	 "< . 1 ack 10001\n"},
	{"no sample from what was sent twice (Karn)",
	 ESTABLISH_PLAIN
	 "send 1000\n"
	 "> P. 1:1000\n"
	 "@241\n"
	 "> P. 1:1000\n"
	 "@242\n"
	 "< . 1 ack 1001\n"
	 "rto 220\n"},
	{"a lost SYN-ACK: RTO 3 s, window of one",
	 "< S 0 mss 1000\n"
	 "> S. 0 ack 1\n"
	 "@1000\n"
	 "> S. 0 ack 1\n"
	 "@1020\n"
	 "< . 1 ack 1\n"
	 "rto 3000\n"
	 "cwnd 1000\n"},
	{"without SACK: limited transmit, then the third duplicate",
	 ESTABLISH_PLAIN
	 "send 10000\n" FLIGHT
	 "send 5000\n"
	 "none\n"
	 "@40\n"
	 "< . 1 ack 1\n"
	 "> . 10001:1000\n"
	 "< . 1 ack 1\n"
	 "> . 11001:1000\n"
	 "< . 1 ack 1\n"
	 "> P. 1:1000\n"
	 "ssthresh 5000\n"
	 "< . 1 ack 1\n< . 1 ack 1\n< . 1 ack 1\n< . 1 ack 1\n< . 1 ack 1\n< . 1 ack 1\n"
	 "> . 12001:1000\n> . 13001:1000\n"
	 "< . 1 ack 1\n"
	 "> P. 14001:1000\n"
	 "none\n"
	 "@60\n"
	 "< . 1 ack 12001\n"
	 "cwnd 5000\n"
	 "none\n"},
	{"without SACK: a partial ACK repeats the next (NewReno)",
	 ESTABLISH_PLAIN
	 "send 10000\n" FLIGHT
	 "@40\n"
	 "< . 1 ack 1\n< . 1 ack 1\n< . 1 ack 1\n"
	 "> P. 1:1000\n"
	 "@60\n"
	 "< . 1 ack 3001\n"
	 "> P. 3001:1000\n"
	 "none\n"
	 "@80\n"
	 "< . 1 ack 10001\n"
	 "cwnd 5000\n"},
	{"SACK of three segments enters recovery",
	 ESTABLISH
	 "send 10000\n" FLIGHT
	 "@40\n"
	 "< . 1 ack 1 ts 1040 21 win 512 sack 1001-2001\n"
	 "< . 1 ack 1 ts 1040 21 win 512 sack 1001-3001\n"
	 "none\n"
	 "< . 1 ack 1 ts 1040 21 win 512 sack 1001-4001\n"
	 "> P. 1:1000\n"
	 "ssthresh 5000\n"
	 "none\n"
	 "@60\n"
	 "< . 1 ack 10001 ts 1060 41 win 512\n"
	 "cwnd 5000\n"
	 "event drained\n"},
	{"RACK: a quarter of the round trip later, with fewer",
	 ESTABLISH
	 "send 10000\n" FLIGHT
	 "@40\n"
	 "< . 1 ack 1 ts 1040 21 win 512 sack 1001-2001\n"
	 "none\n"
	 "@46\n"
	 "> P. 1:1000\n"},
	{"RACK: a retransmission that is lost is found by what was sent after it",
	 ESTABLISH
	 "send 10000\n" FLIGHT
	 "send 10000\n"
	 "@40\n"
	 "< . 1 ack 1 ts 1040 21 win 512 sack 1001-4001\n"
	 "> P. 1:1000\n"
	 "< . 1 ack 1 ts 1040 21 win 512 sack 1001-10001\n"
	 "> . 10001:1000\n> . 11001:1000\n> . 12001:1000\n> . 13001:1000\n"
	 "none\n"
	 "@62\n"
	 "< . 1 ack 1 ts 1060 41 win 512 sack 10001-11001 sack 1001-10001\n"
	 "> P. 1:1000\n"},
	{"TLP: two round trips after the last of several",
	 ESTABLISH
	 "send 10000\n" FLIGHT
	 "@40\n"
	 "< . 1 ack 8001 ts 1040 21 win 512\n"
	 "none\n"
	 "@82\n"
	 "> P. 9001:1000\n"
	 "@102\n"
	 "< . 1 ack 8001 ts 1102 83 win 512 sack 9001-10001\n"
	 "> P. 8001:1000\n"},
	{"TLP: new bytes if there are any",
	 ESTABLISH
	 "< . 1 ack 1 ts 1020 1 win 88\n"
	 "send 20000\n"
	 "> . 1:1000\n> . 1001:1000\n> . 2001:1000\n> . 3001:1000\n> . 4001:1000\n"
	 "> . 5001:1000\n> . 6001:1000\n> . 7001:1000\n> . 8001:1000\n> . 9001:1000\n"
	 "none\n"
	 "@62\n"
	 "> . 10001:1000\n"},
	{"TLP: the probe repaired a loss, so the window shrinks",
	 ESTABLISH
	 "send 10000\n" FLIGHT
	 "@40\n"
	 "< . 1 ack 9001 ts 1040 21 win 512\n"
	 "@182\n"
	 "> P. 9001:1000\n"
	 "@202\n"
	 "< . 1 ack 10001 ts 1202 183 win 512\n"
	 "cwnd 9500\n"},
	{"a needless timeout is taken back (Eifel)",
	 ESTABLISH
	 "send 10000\n" FLIGHT
	 "ignore_out 1\n"
	 "@300\n"
	 "cwnd 1000\n"
	 "< . 1 ack 10001 ts 1300 21 win 512\n"
	 "cwnd 10000\n"},
	{"SACKs that lie are ignored",
	 ESTABLISH
	 "send 10000\n" FLIGHT
	 "< . 1 ack 1 ts 1020 21 win 512 sack 20001-30001\n"
	 "< . 1 ack 1 ts 1020 21 win 512 sack 4294900000-1001\n"
	 "< . 1 ack 1 ts 1020 21 win 512 sack 5001-4001\n"
	 "none\n"
	 "< . 1 ack 1 ts 1020 21 win 512 sack 1001-1002 sack 2001-2500\n"
	 "none\n"},
	{"what the peer has thrown away again is sent again after a timeout",
	 ESTABLISH
	 "send 3000\n"
	 "> . 1:1000\n> . 1001:1000\n> P. 2001:1000\n"
	 "@30\n"
	 "< . 1 ack 1 ts 1030 21 win 512 sack 1001-3001\n"
	 "@33\n"
	 "> P. 1:1000\n"
	 "@43\n"
	 "< . 1 ack 1001 ts 1043 34 win 512\n"
	 "none\n"
	 "@262\n"
	 "> P. 1001:1000\n"},
	{"the window does not grow while it is not used",
	 ESTABLISH
	 "send 1000\n"
	 "> P. 1:1000\n"
	 "@40\n"
	 "< . 1 ack 1001 ts 1040 21 win 512\n"
	 "cwnd 10000\n"},
	{"after idleness: half for each timeout, not below the initial window",
	 ESTABLISH
	 "send 10000\n" FLIGHT
	 "@40\n"
	 "< . 1 ack 10001 ts 1040 21 win 512\n"
	 "cwnd 20000\n"
	 "@5000\n"
	 "send 1000\n"
	 "> P. 10001:1000\n"
	 "cwnd 10000\n"
	 "ssthresh 2147483647\n"},
};
/* clang-format on */

SCRIPT_MAIN(rows)
