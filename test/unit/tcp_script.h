/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Scripts of timed segments against one engine, in virtual time.
 *
 * A line is a step; what follows `#` is a remark.  Numbers are relative to each side's first
 * sequence number, times in milliseconds from the script's begin.
 *
 *   @120                      go on to 120 ms, in turns of 1 ms
 *   < S 0 mss 1460 sackok ts 100 0 scale 7 win 65535      the peer sends
 *   < P. 1:500 ack 1 win 1000 sack 1000-2000               flags: S F R P . (ACK), - (none)
 *   > . 1 ack 501 win 500     the engine has sent exactly this next: fields that are named count
 *   none                      the engine has sent nothing more
 *   listen, connect           passive (the default), active: sends its SYN
 *   send 1000, take 500, take all, hold 1000, shutdown, close [LINGER], abort
 *   event accepted readable   events since the last such line, exactly
 *   state ESTABLISHED         also CLOSED, when the caller has given it back
 *   cwnd 14600, ssthresh 700, mss 1460, queued 0, reason 2
 *   establish                 handshake without options, 20 ms round trip, ends at @20
 *   establish ts              with timestamps, SACK and scale 7: peer's clock 1000 + ms
 *   ignore_out 1              from here on nobody looks at what is sent
 *   answer EVERY UNTIL        the last ACK again every so many ms, as a peer without room does
 *   ours FIELD VALUE          a setting (see script_set()), mostly before the handshake
 */
#ifndef TCP_SCRIPT_H
#define TCP_SCRIPT_H

#include "tcp_buffers.h"
#include "wire.h"

#define SCRIPT_SPANS    4096u
#define SCRIPT_OUT_MAX  512u
#define SCRIPT_BEGIN_US UINT64_C(10000000)

struct script_out {
	struct buffer *frame;
	uint64_t at_us;
};

struct script {
	const char *name;
	int line;
	struct tcp *tcp;
	struct chain_pool pool;
	struct span *spans;
	struct tcp_listener listener;
	struct tcp_connection *c;
	uint16_t from;
	bool v6, given_back, ours_known, ts, ignore_out, active;
	uintptr_t serves;      /* listener.user that handshakes may go on with */
	uint32_t ours, theirs; /* first sequence numbers */
	uint32_t ts_ours;      /* our first TSval */
	uint64_t now_us;
	uint32_t events, released_n, listens_n;
	uint64_t stream; /* bytes sent */
	struct script_out out[SCRIPT_OUT_MAX];
	uint32_t out_n, out_at;
};

static inline void
script_fail(struct script *s, const char *what)
{
	unit_failed++;
	printf("%s:%d: %s\n", s->name, s->line, what);
}

static inline void
script_emit(void *arg, const struct tcp_segment *segment)
{
	struct script *s = arg;

	if (s->ignore_out) {
		buffer_unref(buffer_of_segment(segment));
		return;
	}
	CHECK(s->out_n < SCRIPT_OUT_MAX);
	s->out[s->out_n++] = (struct script_out){buffer_of_segment(segment), s->now_us};
}

static inline struct tcp_listener *
script_listen(void *arg, const struct packet *p)
{
	struct script *s = arg;

	s->listens_n++;
	return p->dport_be == htons(80) ? &s->listener : NULL;
}

static inline bool
script_serves(void *arg, void *user)
{
	return (uintptr_t)user == ((struct script *)arg)->serves;
}

static inline void
script_released(void *arg, const struct tcp_tuple *tuple)
{
	(void)tuple;
	((struct script *)arg)->released_n++;
}

static inline void
script_open(struct script *s, const char *name)
{
	struct tcp_config config = {
		.ops = {script_emit, script_listen, script_released, script_serves},
		.arg = s,
		.pool = &s->pool,
		.connections_max = 8,
		.time_wait_max = 4,
		.half_open_max = 8,
		.secret = {1, 2, 3}};

	memset(s, 0, sizeof(*s));
	s->name = name;
	s->spans = malloc(SCRIPT_SPANS * sizeof(*s->spans));
	chain_pool_init(&s->pool, &buffer_ops, s->spans, SCRIPT_SPANS, BUFFER_CHARGE);
	s->listener = (struct tcp_listener){.settings = {.mtu = 1500,
							 .receive_buffer = 65535,
							 .send_buffer = 65536,
							 .syn_retries = 5},
					    .max_half_open = 4};
	s->now_us = SCRIPT_BEGIN_US;
	s->from = 4000;
	s->theirs = 0xfffff000; /* wraps soon */
	s->tcp = tcp_create(&config, s->now_us);
	CHECK(s->tcp != NULL);
}

static inline void
script_close(struct script *s)
{
	tcp_free(s->tcp);
	while (s->out_at < s->out_n)
		buffer_unref(s->out[s->out_at++].frame);
	EXPECT_ROW(s->name, s->pool.charged == 0 && s->pool.free_n == SCRIPT_SPANS);
	EXPECT_ROW(s->name, *buffers_n() == 0);
	free(s->spans);
}

static inline void
script_turn(struct script *s)
{
	struct tcp_connection *c;
	uint32_t events;

	tcp_advance(s->tcp, s->now_us);
	while (tcp_next_event(s->tcp, &c, &events)) {
		if (s->c == NULL && !s->given_back)
			s->c = c;
		EXPECT_ROW(s->name, c == s->c);
		s->events |= events;
	}
	tcp_flush(s->tcp);
}

static inline void
script_go(struct script *s, uint64_t to_us)
{
	while (s->now_us < to_us) {
		s->now_us += to_us - s->now_us < 1000 ? to_us - s->now_us : 1000;
		tcp_set_time(s->tcp, s->now_us);
		script_turn(s);
	}
}

/* One field of a segment as a line of a script names it. */
struct script_segment {
	uint8_t flags;
	uint32_t seq, len, ack, win, mss, scale, tsval, tsecr;
	bool has_ack, has_win, has_mss, has_scale, has_sackok, has_ts, has_sack, has_no_ts;
	uint32_t sack[8];
	uint32_t sacks_n;
};

static inline uint8_t
script_flags(const char *text)
{
	uint8_t flags = 0;

	for (; *text != '\0'; text++) {
		static const char names[] = "FSRP.";
		const char *at = strchr(names, *text);

		if (at != NULL)
			flags |= (uint8_t)(1 << (at - names));
	}
	return flags;
}

static inline void
script_read_segment(struct script_segment *g, char *flags)
{
	char *word = strtok(NULL, " "), *len;

	memset(g, 0, sizeof(*g));
	g->flags = script_flags(flags);
	g->seq = (uint32_t)strtoul(word, &len, 0);
	g->len = *len == ':' ? (uint32_t)strtoul(len + 1, NULL, 0) : 0;
	g->win = 65535;
	while ((word = strtok(NULL, " ")) != NULL) {
		char *value = strcmp(word, "sackok") == 0 || strcmp(word, "nots") == 0 ||
					      strcmp(word, "nosack") == 0
				      ? NULL
				      : strtok(NULL, " ");
		uint32_t v = value == NULL ? 0 : (uint32_t)strtoul(value, NULL, 0);

		if (strcmp(word, "ack") == 0)
			g->has_ack = true, g->ack = v;
		else if (strcmp(word, "win") == 0)
			g->has_win = true, g->win = v;
		else if (strcmp(word, "mss") == 0)
			g->has_mss = true, g->mss = v;
		else if (strcmp(word, "scale") == 0)
			g->has_scale = true, g->scale = v;
		else if (strcmp(word, "sackok") == 0)
			g->has_sackok = true;
		else if (strcmp(word, "nots") == 0)
			g->has_no_ts = true;
		else if (strcmp(word, "nosack") == 0)
			g->has_sack = true;
		else if (strcmp(word, "ts") == 0)
			g->has_ts = true, g->tsval = v,
			g->tsecr = (uint32_t)strtoul(strtok(NULL, " "), NULL, 0);
		else if (strcmp(word, "sack") == 0) {
			g->has_sack = true;
			g->sack[g->sacks_n++] = v;
			g->sack[g->sacks_n++] = (uint32_t)strtoul(strchr(value, '-') + 1, NULL, 0);
		}
	}
}

static inline uint32_t
script_put_options(struct script *s, const struct script_segment *g, uint8_t *at)
{
	uint8_t *begin = at;

	if (g->has_mss) {
		bytes_store_be32(at, 0x02040000 | g->mss);
		at += 4;
	}
	if (g->has_sackok) {
		bytes_store_be32(at, 0x01010402);
		at += 4;
	}
	if (g->has_scale) {
		bytes_store_be32(at, 0x01030300 | g->scale);
		at += 4;
	}
	if (g->has_ts) {
		bytes_store_be32(at, 0x0101080a);
		bytes_store_be32(at + 4, g->tsval);
		bytes_store_be32(at + 8, g->tsecr == 0 ? 0 : g->tsecr + s->ts_ours);
		at += 12;
	}
	if (g->sacks_n > 0) {
		bytes_store_be32(at, 0x01010502 + 4 * g->sacks_n);
		at += 4;
		for (uint32_t i = 0; i < g->sacks_n; i++, at += 4)
			bytes_store_be32(at, s->ours + g->sack[i]);
	}
	return (uint32_t)(at - begin);
}

static inline void
script_inject(struct script *s, const struct script_segment *g)
{
	struct ip_addr client = buffer_addr(s->v6 ? "2001:db8::99" : "192.0.2.99");
	struct ip_addr server = buffer_addr(s->v6 ? "2001:db8::10" : "192.0.2.10");
	struct buffer *b = buffer_new();
	uint32_t ip_len = s->v6 ? 40 : 20, options;
	uint8_t *ip = b->data + BUFFER_LINK, *tcp = ip + ip_len;
	struct packet p = {0};
	uint64_t sum;
	uint32_t len;

	memset(b->data, 0, sizeof(b->data));
	options = script_put_options(s, g, tcp + 20);
	len = 20 + options + g->len;
	if (s->v6) {
		bytes_store_be32(ip, 0x60000000);
		bytes_store_be32(ip + 4, len << 16 | IPPROTO_TCP << 8 | 64);
		memcpy(ip + 8, client.b, 16);
		memcpy(ip + 24, server.b, 16);
	} else {
		bytes_store_be32(ip, 0x45000000 | (20 + len));
		bytes_store_be32(ip + 8, 64u << 24 | IPPROTO_TCP << 16);
		memcpy(ip + 12, client.b + 12, 4);
		memcpy(ip + 16, server.b + 12, 4);
		bytes_store16(ip + 10, checksum(ip, 20));
	}
	bytes_store_be16(b->data + 12, s->v6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4);
	bytes_store_be16(tcp, s->active ? 8080 : s->from);
	bytes_store_be16(tcp + 2, s->active ? 5000 : 80);
	bytes_store_be32(tcp + 4, s->theirs + g->seq);
	bytes_store_be32(tcp + 8, g->has_ack ? s->ours + g->ack : 0);
	tcp[12] = (uint8_t)((20 + options) / 4 << 4);
	tcp[13] = g->flags;
	bytes_store_be16(tcp + 14, (uint16_t)g->win);
	for (uint32_t i = 0; i < g->len; i++)
		tcp[20 + options + i] = stream_byte(7, g->seq - 1 + i);
	sum = checksum_pseudo(s->v6 ? client.b : client.b + 12, s->v6 ? server.b : server.b + 12,
			      s->v6 ? 16 : 4, IPPROTO_TCP, len);
	bytes_store16(tcp + 16, (uint16_t)~checksum_fold(checksum_add(sum, tcp, len)));
	b->len = BUFFER_LINK + ip_len + len;
	if (!buffer_parse(b, &p))
		script_fail(s, "not a packet");
	else
		tcp_input(s->tcp, &p, BUFFER_CHARGE, false);
	buffer_unref(b);
	script_turn(s);
}

static inline bool
script_sacks_match(struct script *s, const struct script_segment *g, const uint8_t *option)
{
	if (option == NULL)
		return g->sacks_n == 0;
	if (option[1] != 2 + 4 * g->sacks_n)
		return false;
	for (uint32_t i = 0; i < g->sacks_n; i++) {
		if (bytes_load_be32(option + 2 + 4 * i) - s->theirs != g->sack[i])
			return false;
	}
	return true;
}

/* What the engine sent, read as text for a failure and field by field for a match. */
static inline void
script_expect(struct script *s, const struct script_segment *g)
{
	const uint8_t *ip, *tcp, *at, *end, *sack = NULL, *ts = NULL, *mss = NULL, *scale = NULL;
	uint32_t len, seq, ack, win;
	bool sackok = false, ok;
	struct script_out *o = &s->out[s->out_at];

	if (s->out_at == s->out_n) {
		script_fail(s, "nothing was sent");
		return;
	}
	s->out_at++;
	ip = o->frame->data + BUFFER_LINK;
	tcp = ip + (s->v6 ? 40 : 20);
	at = tcp + 20;
	end = tcp + (tcp[12] >> 4) * 4;
	len = (uint32_t)(o->frame->data + o->frame->len - end);
	while (at < end) {
		if (*at == 1 || *at == 0) {
			at++;
			continue;
		}
		if (*at == 2)
			mss = at;
		if (*at == 3)
			scale = at;
		if (*at == 4)
			sackok = true;
		if (*at == 5)
			sack = at;
		if (*at == 8)
			ts = at;
		at += at[1];
	}
	if (!s->ours_known && (tcp[13] & TCP_FLAG_SYN) != 0) {
		s->ours = bytes_load_be32(tcp + 4);
		s->ours_known = true;
		if (ts != NULL)
			s->ts_ours = bytes_load_be32(ts + 2) - 1;
	}
	seq = bytes_load_be32(tcp + 4) - s->ours;
	ack = (tcp[13] & TCP_FLAG_ACK) != 0 ? bytes_load_be32(tcp + 8) - s->theirs : 0;
	win = bytes_load_be16(tcp + 14);
	ok = tcp[13] == g->flags && seq == g->seq && len == g->len && o->at_us == s->now_us &&
	     (!g->has_ack || ack == g->ack) && (!g->has_win || win == g->win) &&
	     (!g->has_mss || (mss != NULL && bytes_load_be16(mss + 2) == g->mss)) &&
	     (!g->has_scale || (scale != NULL && scale[2] == g->scale)) &&
	     (!g->has_sackok || sackok) && (!g->has_no_ts || ts == NULL) &&
	     (!g->has_ts || (ts != NULL && bytes_load_be32(ts + 2) - s->ts_ours == g->tsval &&
			     bytes_load_be32(ts + 6) == g->tsecr)) &&
	     (!g->has_sack || script_sacks_match(s, g, sack));
	if (ok) {
		unit_passed++;
	} else {
		char text[200];

		snprintf(text, sizeof(text),
			 "sent at %.3f ms: flags %02x seq %u:%u ack %u win %u sacks %d ts %d %u",
			 (double)(o->at_us - SCRIPT_BEGIN_US) / 1000, tcp[13], seq, len, ack, win,
			 sack == NULL ? 0 : (sack[1] - 2) / 8,
			 ts == NULL ? -1 : (int)(bytes_load_be32(ts + 2) - s->ts_ours),
			 ts == NULL ? 0 : bytes_load_be32(ts + 6));
		script_fail(s, text);
	}
	buffer_unref(o->frame);
}

static inline uint32_t
script_events(char *word)
{
	static const char *const names[] = {"accepted", "connected", "readable", "writable",
					    "end",      "drained",   "closed"};
	uint32_t events = 0;

	for (; word != NULL; word = strtok(NULL, " ")) {
		for (uint32_t i = 0; i < ARRAY_N(names); i++) {
			if (strcmp(word, names[i]) == 0)
				events |= 1u << i;
		}
	}
	return events;
}

static inline void
script_set(struct script *s, const char *field, uint32_t v)
{
	struct tcp_settings *to = &s->listener.settings;

	if (strcmp(field, "mtu") == 0)
		to->mtu = (uint16_t)v;
	else if (strcmp(field, "receive_buffer") == 0)
		to->receive_buffer = v;
	else if (strcmp(field, "send_buffer") == 0)
		to->send_buffer = v;
	else if (strcmp(field, "user_timeout") == 0)
		to->user_timeout_ms = v;
	else if (strcmp(field, "keepalive") == 0)
		to->keepalive_idle_ms = v, to->keepalive_interval_ms = v / 2,
		to->keepalive_count = 2;
	else if (strcmp(field, "nagle") == 0)
		to->nagle = v != 0;
	else if (strcmp(field, "congestion") == 0)
		to->congestion = (uint8_t)v;
	else if (strcmp(field, "syn_retries") == 0)
		to->syn_retries = (uint8_t)v;
	else if (strcmp(field, "max_half_open") == 0)
		s->listener.max_half_open = v;
	else if (strcmp(field, "cookies") == 0)
		s->listener.syn_cookies = (uint8_t)v;
	else if (strcmp(field, "listen_closed") == 0)
		s->listener.closed = v != 0;
	else if (strcmp(field, "user") == 0)
		s->listener.user = (void *)(uintptr_t)v;
	else if (strcmp(field, "serves") == 0)
		s->serves = v;
	else
		script_fail(s, "no such field");
}

static inline void
script_send(struct script *s, uint32_t len)
{
	struct chain chain = {0};

	while (len > 0) {
		uint8_t bytes[512];
		uint32_t n = len < sizeof(bytes) ? len : (uint32_t)sizeof(bytes);

		for (uint32_t i = 0; i < n; i++)
			bytes[i] = stream_byte(9, s->stream + i);
		CHECK(chain_append_copy(&s->pool, &chain, bytes, n));
		s->stream += n;
		len -= n;
	}
	tcp_send(s->tcp, s->c, &chain);
}

static inline void
script_connect(struct script *s)
{
	struct tcp_tuple tuple = {.local = buffer_addr(s->v6 ? "2001:db8::10" : "192.0.2.10"),
				  .remote = buffer_addr(s->v6 ? "2001:db8::99" : "192.0.2.99"),
				  .local_port_be = htons(5000),
				  .remote_port_be = htons(8080),
				  .af = s->v6 ? 6 : 4};

	s->c = tcp_connect(s->tcp, &tuple, &s->listener.settings, s);
	CHECK(s->c != NULL);
	s->active = true;
}

static inline void script_line(struct script *s, char *line);

static inline void
script_establish(struct script *s, const char *how)
{
	char with[][96] = {"< S 0 win 65535 mss 1460 sackok ts 1000 0 scale 7",
			   "> S. 0 ack 1 sackok ts 1 1000", "@20", "< . 1 ack 1 ts 1020 1 win 512",
			   "event accepted"};
	char without[][96] = {"< S 0 win 65535 mss 1460", "> S. 0 ack 1 nots", "@20",
			      "< . 1 ack 1 win 65535", "event accepted"};

	s->ts = how != NULL;
	for (uint32_t i = 0; i < 5; i++)
		script_line(s, how != NULL ? with[i] : without[i]);
}

static inline uint32_t
script_number(void)
{
	const char *word = strtok(NULL, " ");

	return word == NULL ? 0 : (uint32_t)strtoul(word, NULL, 0);
}

static inline void
script_see(struct script *s, const char *what, uint32_t is)
{
	uint32_t want = script_number();
	char text[100];

	if (is == want) {
		unit_passed++;
		return;
	}
	snprintf(text, sizeof(text), "%s is %u, not %u", what, is, want);
	script_fail(s, text);
}

static inline void
script_see_info(struct script *s, const char *what)
{
	struct tcp_info info;

	tcp_info(s->c, &info);
	if (strcmp(what, "cwnd") == 0)
		script_see(s, what, info.cwnd);
	else if (strcmp(what, "ssthresh") == 0)
		script_see(s, what, info.ssthresh);
	else if (strcmp(what, "mss") == 0)
		script_see(s, what, info.mss);
	else if (strcmp(what, "rto") == 0)
		script_see(s, what, info.rto_us / 1000);
	else if (strcmp(what, "queued") == 0)
		script_see(s, what, tcp_queued(s->c));
	else if (strcmp(what, "received") == 0)
		script_see(s, what, tcp_received(s->c)->len);
	else if (strcmp(what, "window") == 0)
		script_see(s, what, info.send_window);
	else if (strcmp(what, "user") == 0)
		script_see(s, what, (uint32_t)(uintptr_t)tcp_user(s->c));
	else if (strcmp(what, "reason") == 0)
		script_see(s, what, tcp_close_reason(s->c));
	else
		script_fail(s, "no such step");
}

/* Takes and compares with what the peer's stream is. */
static inline void
script_take(struct script *s, const char *word)
{
	const struct chain *received = tcp_received(s->c);
	uint32_t len = strcmp(word, "all") == 0 ? received->len : (uint32_t)strtoul(word, NULL, 0);
	static uint64_t at;
	static const char *of;
	struct chain taken = {0};
	uint8_t byte;
	bool same = true;

	if (of != s->name)
		at = 0;
	of = s->name;
	EXPECT_ROW(s->name, tcp_take(s->tcp, s->c, &taken, len));
	for (uint32_t i = 0; i < len; i++) {
		chain_copy_out(&taken, i, &byte, 1);
		same &= byte == stream_byte(7, at + i);
	}
	if (!same)
		script_fail(s, "other bytes than were sent");
	at += len;
	chain_free(&s->pool, &taken);
	script_turn(s);
}

static inline void
script_act(struct script *s, char *word)
{
	if (strcmp(word, "send") == 0)
		script_send(s, script_number());
	else if (strcmp(word, "hold") == 0)
		tcp_hold(s->tcp, s->c, script_number());
	else if (strcmp(word, "shutdown") == 0)
		tcp_shutdown(s->tcp, s->c);
	else if (strcmp(word, "close") == 0)
		s->given_back = true, tcp_close(s->tcp, s->c, script_number());
	else if (strcmp(word, "abort") == 0)
		s->given_back = true, tcp_abort(s->tcp, s->c);
	else if (strcmp(word, "connect") == 0)
		script_connect(s);
	else {
		script_see_info(s, word);
		return;
	}
	script_turn(s);
}

static inline void
script_answer(struct script *s, const struct script_segment *last)
{
	uint64_t every_us = script_number() * UINT64_C(1000);
	uint64_t until_us = SCRIPT_BEGIN_US + script_number() * UINT64_C(1000);

	while (s->now_us < until_us && tcp_counters(s->tcp)->connections > 0) {
		script_go(s, s->now_us + every_us);
		script_inject(s, last);
	}
}

static inline void
script_icmp(struct script *s, bool unreachable, uint32_t mtu, uint32_t seq)
{
	uint8_t icmp[8] = {0}, quoted[8];
	struct packet p = {.l3 = icmp, .len = 8, .contiguous = 8, .af = s->v6 ? 6 : 4};
	struct packet_quote q = {
		.l3 = quoted,
		.len = 8,
		.proto = IPPROTO_TCP,
		.sport_be = htons(s->active ? 5000 : 80),
		.dport_be = htons(s->active ? 8080 : s->from),
		.src = buffer_addr(s->v6 ? "2001:db8::10" : "192.0.2.10"),
		.dst = buffer_addr(s->v6 ? "2001:db8::99" : "192.0.2.99"),
	};

	if (s->v6) {
		icmp[0] = unreachable ? ICMPV6_DEST_UNREACHABLE : ICMPV6_PACKET_TOO_BIG;
		bytes_store_be32(icmp + 4, mtu);
	} else {
		icmp[0] = ICMP_DEST_UNREACHABLE;
		icmp[1] = unreachable ? 1 : ICMP_FRAGMENTATION_NEEDED;
		bytes_store_be16(icmp + 6, (uint16_t)mtu);
	}
	bytes_store_be32(quoted + 4, s->ours + seq);
	tcp_input_icmp(s->tcp, &p, &q);
	script_turn(s);
}

/* Every other byte of what the window takes, in segments of one. */
static inline void
script_crumbs(struct script *s, uint32_t n)
{
	for (uint32_t i = 1; i <= n; i++) {
		struct script_segment g = {.flags = TCP_FLAG_ACK,
					   .seq = 1 + 2 * i,
					   .len = 1,
					   .ack = 1,
					   .has_ack = true,
					   .win = 65535,
					   .has_ts = s->ts,
					   .tsval = 2000,
					   .tsecr = 1};

		script_inject(s, &g);
	}
}

static inline void
script_line(struct script *s, char *line)
{
	static struct script_segment last;
	char *remark = strchr(line, '#'), *word;
	struct script_segment g;
	struct tcp_info info;

	if (remark != NULL)
		*remark = '\0';
	word = strtok(line, " \t");
	if (word == NULL)
		return;
	if (word[0] == '@') {
		script_go(s, SCRIPT_BEGIN_US + (uint64_t)(strtod(word + 1, NULL) * 1000));
	} else if (strcmp(word, "<") == 0) {
		script_read_segment(&g, strtok(NULL, " "));
		script_inject(s, &g);
		last = g;
	} else if (strcmp(word, "answer") == 0) {
		script_answer(s, &last);
	} else if (strcmp(word, "icmp") == 0) {
		uint32_t mtu = script_number();

		script_icmp(s, false, mtu, script_number());
	} else if (strcmp(word, "unreachable") == 0) {
		script_icmp(s, true, 0, script_number());
	} else if (strcmp(word, "from") == 0) {
		s->from = (uint16_t)script_number();
	} else if (strcmp(word, "cookies_sent") == 0) {
		script_see(s, word, (uint32_t)tcp_counters(s->tcp)->cookies_sent);
	} else if (strcmp(word, "cookies_refused") == 0) {
		script_see(s, word, (uint32_t)tcp_counters(s->tcp)->cookies_refused);
	} else if (strcmp(word, "crumbs") == 0) {
		script_crumbs(s, script_number());
	} else if (strcmp(word, "leap") == 0) {
		s->now_us += script_number() * UINT64_C(1000);
		script_turn(s);
	} else if (strcmp(word, "ignore_out") == 0) {
		s->ignore_out = true;
	} else if (strcmp(word, ">") == 0) {
		script_read_segment(&g, strtok(NULL, " "));
		script_expect(s, &g);
	} else if (strcmp(word, "none") == 0) {
		if (s->out_at < s->out_n) {
			memset(&g, 0, sizeof(g));
			g.flags = 0xff;
			script_expect(s, &g);
		} else {
			unit_passed++;
		}
	} else if (strcmp(word, "event") == 0) {
		uint32_t want = script_events(strtok(NULL, " "));
		char text[60];

		snprintf(text, sizeof(text), "events are %02x, not %02x", s->events, want);
		if (s->events == want)
			unit_passed++;
		else
			script_fail(s, text);
		s->events = 0;
	} else if (strcmp(word, "state") == 0) {
		const char *want = strtok(NULL, " ");

		tcp_info(s->c, &info);
		if (strcmp(tcp_state_name(info.state), want) == 0)
			unit_passed++;
		else
			script_fail(s, tcp_state_name(info.state));
	} else if (strcmp(word, "connections") == 0) {
		script_see(s, word, tcp_counters(s->tcp)->connections);
	} else if (strcmp(word, "spans") == 0) {
		script_see(s, word, SCRIPT_SPANS - s->pool.free_n);
	} else if (strcmp(word, "half_open") == 0) {
		script_see(s, word, tcp_counters(s->tcp)->half_open);
	} else if (strcmp(word, "time_wait") == 0) {
		script_see(s, word, tcp_counters(s->tcp)->time_wait);
	} else if (strcmp(word, "released") == 0) {
		script_see(s, word, s->released_n);
	} else if (strcmp(word, "take") == 0) {
		script_take(s, strtok(NULL, " "));
	} else if (strcmp(word, "ours") == 0) {
		char *field = strtok(NULL, " ");

		script_set(s, field, script_number());
	} else if (strcmp(word, "v6") == 0) {
		s->v6 = true;
	} else if (strcmp(word, "forget") == 0) {
		s->c = NULL; /* the next connection that comes is the script's */
		s->given_back = s->ours_known = false;
	} else if (strcmp(word, "theirs") == 0) {
		s->theirs = script_number();
	} else if (strcmp(word, "establish") == 0) {
		script_establish(s, strtok(NULL, " "));
	} else {
		script_act(s, word);
	}
}

struct script_row {
	const char *name;
	const char *text;
};

static inline void
script_run(const struct script_row *row)
{
	static struct script s;
	const char *at = row->text;

	script_open(&s, row->name);
	while (*at != '\0') {
		const char *end = strchr(at, '\n');
		size_t len = end == NULL ? strlen(at) : (size_t)(end - at);
		char line[256];

		CHECK(len < sizeof(line));
		memcpy(line, at, len);
		line[len] = '\0';
		s.line++;
		script_line(&s, line);
		at += len + (end != NULL);
	}
	script_close(&s);
}

#define SCRIPT_MAIN(rows)                                  \
	int main(void)                                     \
	{                                                  \
		for (size_t i = 0; i < ARRAY_N(rows); i++) \
			script_run(&(rows)[i]);            \
		return unit_done();                        \
	}

#endif
