/* SPDX-License-Identifier: BSD-3-Clause */
/* SACK generation (RFC 2018, 2883), timestamps and PAWS (RFC 7323). */
#include "tcp_script.h"

/* clang-format off */
static const struct script_row rows[] = {
	{"SACK: the newest block first, three with timestamps",
	 "establish ts\n"
	 "< . 101:100 ack 1 ts 1030 1\n"
	 "> . 1 ack 1 sack 101-201\n"
	 "< . 301:100 ack 1 ts 1030 1\n"
	 "> . 1 ack 1 sack 301-401 sack 101-201\n"
	 "< . 501:100 ack 1 ts 1030 1\n"
	 "> . 1 ack 1 sack 501-601 sack 301-401 sack 101-201\n"
	 "< . 701:100 ack 1 ts 1030 1\n"
	 "> . 1 ack 1 sack 701-801 sack 501-601 sack 301-401\n"
	 "< . 201:100 ack 1 ts 1030 1\n"
	 "> . 1 ack 1 sack 101-401 sack 701-801 sack 501-601\n"
	 "< . 1:100 ack 1 ts 1030 1\n"
	 "> . 1 ack 401 sack 701-801 sack 501-601\n"
	 "< . 401:400 ack 1 ts 1030 1\n"
	 "> . 1 ack 801 nosack\n"
	 "take all\n"},
	{"overlaps from both sides and over several",
	 "establish ts\n"
	 "< . 201:100 ack 1 ts 1030 1\n"
	 "> . 1 ack 1 sack 201-301\n"
	 "< . 151:100 ack 1 ts 1030 1\n"
	 "> . 1 ack 1 sack 151-301\n"
	 "< . 251:100 ack 1 ts 1030 1\n"
	 "> . 1 ack 1 sack 251-301 sack 151-351\n"
	 "< . 401:100 ack 1 ts 1030 1\n"
	 "> . 1 ack 1 sack 401-501 sack 151-351\n"
	 "< . 101:500 ack 1 ts 1030 1\n"
	 "> . 1 ack 1 sack 101-601\n"
	 "< . 1:200 ack 1 ts 1030 1\n"
	 "> . 1 ack 601 nosack\n"
	 "take all\n"},
	{"DSACK: below the ACK, and partly known",
	 "establish ts\n"
	 "< . 1:100 ack 1 ts 1030 1\n"
	 "@60\n"
	 "> . 1 ack 101\n"
	 "< . 1:100 ack 1 ts 1030 1\n"
	 "> . 1 ack 101 sack 1-101\n"
	 "< . 51:100 ack 1 ts 1030 1\n"
	 "> . 1 ack 151 sack 51-101\n"
	 "take all\n"},
	{"DSACK: inside what waits",
	 "establish ts\n"
	 "< . 101:100 ack 1 ts 1030 1\n"
	 "> . 1 ack 1 sack 101-201\n"
	 "< . 121:50 ack 1 ts 1030 1\n"
	 "> . 1 ack 1 sack 121-171 sack 101-201\n"},
	{"no SACK without permission",
	 "establish\n"
	 "< . 101:100 ack 1\n"
	 "> . 1 ack 1 nosack\n"},
	{"FIN and RST carry timestamps",
	 "establish ts\n"
	 "shutdown\n"
	 "> F. 1 ack 1 ts 21 1020\n"
	 "abort\n"
	 "> R. 2 ack 1 ts 21 1020\n"},
	{"TSecr follows the segment that moves the ACK",
	 "establish ts\n"
	 "< . 1:100 ack 1 ts 1030 1\n"
	 "@30\n"
	 "< . 101:100 ack 1 ts 1040 1\n"
	 "@60\n"
	 "> . 1 ack 201 ts 61 1030\n"
	 "< . 201:100 ack 1 ts 1050 1\n"
	 "@100\n"
	 "> . 1 ack 301 ts 101 1050\n"
	 "take all\n"},
	{"TSecr doesn't follow what comes ahead of a hole",
	 "establish ts\n"
	 "< . 101:100 ack 1 ts 1040 1\n"
	 "> . 1 ack 1 ts 21 1020\n"
	 "< . 1:100 ack 1 ts 1030 1\n"
	 "> . 1 ack 201 ts 21 1030\n"
	 "take all\n"},
	{"PAWS: an old segment is dropped, and answered",
	 "establish ts\n"
	 "< . 1:100 ack 1 ts 900 1\n"
	 "> . 1 ack 1\n"
	 "received 0\n"},
	{"PAWS: RST is taken without a timestamp, and with an old one",
	 "establish ts\n"
	 "< R. 1 ack 1 ts 900 1\n"
	 "event closed\n"
	 "close\n"},
	{"timestamps agreed on: segments without are dropped",
	 "establish ts\n"
	 "< . 1:100 ack 1\n"
	 "none\n"
	 "received 0\n"},
	{"PAWS forgets after 24 days",
	 "establish ts\n"
	 "leap 2073600001\n"
	 "< . 1:100 ack 1 ts 500 1\n"
	 "received 100\n"},
	{"a 1-byte segment out of order every other byte stays bounded",
	 "establish ts\n"
	 "ignore_out 1\n"
	 "crumbs 1000\n"
	 "spans 64\n"
	 "close\n"},
};
/* clang-format on */

SCRIPT_MAIN(rows)
