/* SPDX-License-Identifier: BSD-3-Clause */
/* Chains against arrays of bytes. */
#include "chain.h"
#include "check.h"
#include "unit.h"

#define CHAINS 4u
#define SPANS  64u
#define BYTES  20000u
#define BUFFER 100u
#define CHARGE 128u

struct twin {
	uint8_t bytes[BYTES];
	uint32_t len;
	uint16_t room;
};

struct buffer {
	uint32_t refs;
	uint8_t data[BUFFER];
};

struct world {
	struct chain_pool pool;
	struct span spans[SPANS];
	struct chain chains[CHAINS];
	struct twin twins[CHAINS];
	unsigned long long random;
	uint32_t buffers_n;
	bool out_of_buffers;
};

static struct world w;

static void
ref(void *owner)
{
	((struct buffer *)owner)->refs++;
}

static void
unref(void *owner)
{
	struct buffer *b = owner;

	CHECK(b->refs > 0);
	if (--b->refs > 0)
		return;
	memset(b->data, 0xee, sizeof(b->data)); /* who still reads it sees it */
	free(b);
	w.buffers_n--;
}

static void *
alloc(void *arg, uint8_t **data, uint32_t *room)
{
	struct buffer *b = w.out_of_buffers ? NULL : malloc(sizeof(*b));

	(void)arg;
	if (b == NULL)
		return NULL;
	b->refs = 1;
	*data = b->data;
	*room = BUFFER;
	w.buffers_n++;
	return b;
}

static uint32_t
below(uint32_t n)
{
	return n == 0 ? 0 : (uint32_t)(unit_random(&w.random) % n);
}

static void
fill(uint8_t *bytes, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)unit_random(&w.random);
}

static void
twin_append(struct twin *t, const uint8_t *bytes, uint32_t n)
{
	CHECK(t->len + n <= BYTES);
	memcpy(t->bytes + t->len, bytes, n);
	t->len += n;
}

static void
twin_consume(struct twin *t, uint32_t n)
{
	memmove(t->bytes, t->bytes + n, t->len - n);
	t->len -= n;
	if (t->len == 0)
		t->room = 0;
}

/* Bytes, and every sum, are what the twins say. */
static void
compare(void)
{
	uint64_t charged = 0;
	uint32_t spans = 0;

	for (uint32_t i = 0; i < CHAINS; i++) {
		static uint8_t bytes[BYTES];
		const struct chain *c = &w.chains[i];
		uint32_t charge = 0, len = 0;
		const struct span *last = NULL;

		for (const struct span *s = c->first; s != NULL; s = s->next) {
			EXPECT(s->len > 0);
			charge += s->charge;
			len += s->len;
			spans++;
			last = s;
		}
		EXPECT(c->last == last && c->len == len && c->charge == charge);
		EXPECT(c->len == w.twins[i].len);
		charged += charge;
		chain_copy_out(c, 0, bytes, c->len);
		EXPECT(memcmp(bytes, w.twins[i].bytes, c->len) == 0);
	}
	EXPECT(w.pool.charged == charged);
	EXPECT(w.pool.free_n == SPANS - spans);
}

static void
append_buffer(struct chain *c, struct twin *t)
{
	uint8_t *data;
	uint32_t room, from = below(BUFFER), n = below(BUFFER - from + 1);
	void *owner = alloc(NULL, &data, &room);

	if (owner == NULL)
		return;
	fill(data, BUFFER);
	if (!chain_append(&w.pool, c, owner, data + from, n, CHARGE)) {
		EXPECT(w.pool.free_n == 0);
		unref(owner);
		return;
	}
	twin_append(t, data + from, n);
	if (n > 0)
		t->room = 0;
	/* Bytes that follow extend the span. */
	if (n > 0 && from + n < BUFFER && below(2) == 0) {
		uint32_t free_n = w.pool.free_n;

		EXPECT(chain_append_ref(&w.pool, c, owner, data + from + n, 1, CHARGE));
		EXPECT(w.pool.free_n == free_n);
		twin_append(t, data + from + n, 1);
	}
}

static void
append_copy(struct chain *c, struct twin *t)
{
	uint8_t bytes[3 * BUFFER] = {0};
	uint32_t n = below(sizeof(bytes));

	fill(bytes, n);
	if (!chain_append_copy(&w.pool, c, bytes, n))
		return;
	twin_append(t, bytes, n);
	if (n > 0)
		t->room = 0;
}

static void
append_tail(struct chain *c, struct twin *t)
{
	uint8_t bytes[BUFFER];
	uint32_t n = 1 + below(40);

	fill(bytes, n);
	if (chain_append_tail(&w.pool, c, &t->room, bytes, n))
		twin_append(t, bytes, n);
}

static void
move(struct chain *to, struct twin *t, struct chain *from, struct twin *f)
{
	uint32_t n = below(4) == 0 ? from->len : below(from->len + 1);
	bool had = w.pool.free_n > 0;

	if (!chain_move(&w.pool, to, from, n)) {
		EXPECT(!had);
		return;
	}
	twin_append(t, f->bytes, n);
	twin_consume(f, n);
	if (n > 0)
		t->room = 0;
}

static void
share(struct chain *to, struct twin *t, const struct chain *from, const struct twin *f)
{
	uint32_t offset = below(from->len + 1), n = below(from->len - offset + 1);

	if (!chain_share(&w.pool, to, from, offset, n))
		return;
	twin_append(t, f->bytes + offset, n);
	if (n > 0)
		t->room = 0;
}

static void
operate(void)
{
	uint32_t i = below(CHAINS), k = (i + 1 + below(CHAINS - 1)) % CHAINS, n;
	struct chain *c = &w.chains[i], *other = &w.chains[k];
	struct twin *t = &w.twins[i], *o = &w.twins[k];

	w.out_of_buffers = below(10) == 0;
	switch (c->len + other->len > BYTES / 4 ? 6 : below(8)) {
	case 0:
	case 1:
		append_buffer(c, t);
		break;
	case 2:
		append_copy(c, t);
		break;
	case 3:
		append_tail(c, t);
		break;
	case 4:
		move(c, t, other, o);
		break;
	case 5:
		share(c, t, other, o);
		break;
	case 6:
		n = below(2 * c->len + 1);
		chain_consume(&w.pool, c, n);
		twin_consume(t, n < t->len ? n : t->len);
		break;
	default:
		chain_move_all(c, other);
		twin_append(t, o->bytes, o->len);
		if (o->len > 0)
			t->room = 0;
		twin_consume(o, o->len);
		break;
	}
}

int
main(void)
{
	static const struct chain_ops ops = {ref, unref, alloc, NULL};

	w.random = unit_seed(31);
	chain_pool_init(&w.pool, &ops, w.spans, SPANS, CHARGE);
	for (unsigned long round = unit_rounds(20000); round > 0; round--) {
		operate();
		compare();
	}
	for (uint32_t i = 0; i < CHAINS; i++)
		chain_free(&w.pool, &w.chains[i]);
	EXPECT(w.pool.charged == 0 && w.pool.free_n == SPANS && w.buffers_n == 0);
	return unit_done();
}
