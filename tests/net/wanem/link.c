#include "link.h"

#include <stdlib.h>
#include <string.h>

#define NS_PER_MS 1000000.0

enum { RING_BYTES = 64 << 20, PROTO_TCP = 6, PROTO_UDP = 17, NO_PROTO = -1 };

/* One packet waiting in a link, directly followed by its bytes. */
struct record {
	uint64_t due;  /* CLOCK_MONOTONIC nanoseconds */
	uint32_t len;  /* bytes of packet */
	uint32_t size; /* bytes of record, header included, 16-aligned; 0 marks the ring's wrap */
};

static uint64_t rng_state = 0x9e3779b97f4a7c15u;

void wanem_seed(uint64_t seed)
{
	rng_state = seed * 2 + 1;
}

/* Uniform in [0, 1): xorshift64*, so a seed repeats a run's losses. */
static double uniform(void)
{
	rng_state ^= rng_state >> 12;
	rng_state ^= rng_state << 25;
	rng_state ^= rng_state >> 27;
	return (double)((rng_state * 0x2545f4914f6cdd1du) >> 11) / 9007199254740992.0;
}

bool wanem_link_init(struct wanem_link *l, const char *name)
{
	*l = (struct wanem_link){.name = name, .queue_ms = 50};
	l->ring = malloc(RING_BYTES);
	return l->ring != NULL;
}

void wanem_link_fini(struct wanem_link *l)
{
	free(l->ring);
	l->ring = NULL;
}

bool wanem_link_set(struct wanem_link *l, const char *key, double value)
{
	const struct {
		const char *key;
		double *field;
	} map[] = {
		{"delay", &l->delay_ms},      {"jitter", &l->jitter_ms}, {"loss", &l->loss_pct},
		{"burst", &l->burst},         {"rate", &l->rate_mbit},   {"queue", &l->queue_ms},
		{"corrupt", &l->corrupt_pct}, {"size", &l->max_bytes},
	};

	for (size_t i = 0; i < sizeof map / sizeof *map; i++) {
		if (!strcmp(key, map[i].key) && value >= 0) {
			*map[i].field = value;
			return true;
		}
	}
	return false;
}

bool wanem_link_switch(struct wanem_link *l, const char *word)
{
	if (!strcmp(word, "down") || !strcmp(word, "up"))
		l->down = word[0] == 'd';
	else if (!strcmp(word, "block-udp"))
		l->block_udp = true;
	else if (!strcmp(word, "block-tcp"))
		l->block_tcp = true;
	else if (!strcmp(word, "unblock"))
		l->block_udp = l->block_tcp = false;
	else
		return false;
	return true;
}

/* The transport protocol and where its header starts; extension headers are not followed. */
static int packet_proto(const uint8_t *pkt, size_t len, size_t *at)
{
	if (len >= 20 && pkt[0] >> 4 == 4) {
		*at = (size_t)(pkt[0] & 15) * 4;
		return pkt[9];
	}
	if (len >= 40 && pkt[0] >> 4 == 6) {
		*at = 40;
		return pkt[6];
	}
	return NO_PROTO;
}

/*
 * Flips one bit of the payload and repairs the transport checksum (RFC 1624), so that the damage
 * reaches the receiving program instead of being dropped by its kernel.
 */
static bool packet_corrupt(uint8_t *pkt, size_t len)
{
	size_t at = 0, header, sum_at;
	int proto = packet_proto(pkt, len, &at);

	if (proto == PROTO_UDP && len >= at + 8) {
		header = 8;
		sum_at = at + 6;
	} else if (proto == PROTO_TCP && len >= at + 20) {
		header = (size_t)(pkt[at + 12] >> 4) * 4;
		sum_at = at + 16;
	} else {
		return false;
	}
	size_t body = at + header;

	if (len < body + 2)
		return false;
	size_t words = (len - body) / 2; /* whole 16-bit words only: headers are even-sized */
	uint8_t *w = pkt + body + 2 * (size_t)(uniform() * (double)words);
	uint32_t old = (uint32_t)w[0] << 8 | w[1];
	uint32_t new = old ^ 1u << (unsigned)(uniform() * 16);
	uint32_t sum =
		(~((uint32_t)pkt[sum_at] << 8 | pkt[sum_at + 1]) & 0xffff) + (~old & 0xffff) + new;

	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum & 0xffff;
	if (proto == PROTO_UDP && sum == 0)
		sum = 0xffff;
	w[0] = (uint8_t)(new >> 8);
	w[1] = (uint8_t)new;
	pkt[sum_at] = (uint8_t)(sum >> 8);
	pkt[sum_at + 1] = (uint8_t)sum;
	return true;
}

/*
 * Two-state (Gilbert) loss: losses come in runs of mean length `burst` and the long-run share of
 * lost packets is `loss_pct`. burst <= 1 gives independent losses.
 */
static bool packet_is_lost(struct wanem_link *l)
{
	double p = l->loss_pct / 100;

	if (p <= 0)
		return false;
	if (l->burst <= 1 || p >= 1)
		return uniform() < p;
	double leave_bad = 1 / l->burst;
	double enter_bad = leave_bad * p / (1 - p);

	l->bad_state = uniform() < (l->bad_state ? 1 - leave_bad : enter_bad);
	return l->bad_state;
}

static bool packet_is_blocked(const struct wanem_link *l, const uint8_t *pkt, size_t len)
{
	size_t at;

	if (l->max_bytes > 0 && (double)len > l->max_bytes)
		return true; /* a black hole: no ICMP message tells of it */
	if (!l->block_udp && !l->block_tcp)
		return false;
	int proto = packet_proto(pkt, len, &at);

	return (l->block_udp && proto == PROTO_UDP) || (l->block_tcp && proto == PROTO_TCP);
}

/* Where a record of `size` bytes fits, or NULL; skips the ring's end if it is too short. */
static struct record *ring_reserve(struct wanem_link *l, size_t size)
{
	size_t to_end = RING_BYTES - l->tail;

	if (to_end < size) {
		if (l->used + to_end + size > RING_BYTES)
			return NULL;
		((struct record *)(void *)(l->ring + l->tail))->size = 0;
		l->used += to_end;
		l->tail = 0;
	}
	if (l->used + size > RING_BYTES)
		return NULL;
	return (struct record *)(void *)(l->ring + l->tail);
}

static struct record *ring_front(struct wanem_link *l)
{
	if (l->used == 0)
		return NULL;
	struct record *r = (struct record *)(void *)(l->ring + l->head);

	if (r->size == 0) {
		l->used -= RING_BYTES - l->head;
		l->head = 0;
		r = (struct record *)(void *)l->ring;
	}
	return l->used ? r : NULL;
}

/* When the bottleneck has sent the packet; false when its queue is too long. */
static bool line_send(struct wanem_link *l, size_t len, uint64_t now, uint64_t *sent)
{
	*sent = now;
	if (l->rate_mbit <= 0)
		return true;
	uint64_t start = l->line_free > now ? l->line_free : now;

	if ((double)(start - now) > l->queue_ms * NS_PER_MS)
		return false;
	*sent = l->line_free = start + (uint64_t)((double)len * 8000.0 / l->rate_mbit);
	return true;
}

void wanem_link_accept(struct wanem_link *l, uint8_t *pkt, size_t len, uint64_t now_ns)
{
	uint64_t sent;
	size_t size = (sizeof(struct record) + len + 15) & ~(size_t)15;
	struct record *r;

	l->in++;
	if (packet_is_blocked(l, pkt, len)) {
		l->blocked++;
		return;
	}
	if (l->down || packet_is_lost(l)) {
		l->lost++;
		return;
	}
	if (!line_send(l, len, now_ns, &sent) || !(r = ring_reserve(l, size))) {
		l->overflow++;
		return;
	}
	if (l->corrupt_pct > 0 && uniform() < l->corrupt_pct / 100 && packet_corrupt(pkt, len))
		l->corrupted++;
	r->due = sent + (uint64_t)((l->delay_ms + l->jitter_ms * uniform()) * NS_PER_MS);
	if (r->due < l->last_due)
		r->due = l->last_due;
	l->last_due = r->due;
	r->len = (uint32_t)len;
	r->size = (uint32_t)size;
	memcpy(r + 1, pkt, len);
	l->tail = (l->tail + size) % RING_BYTES;
	l->used += size;
}

const uint8_t *wanem_link_peek(struct wanem_link *l, size_t *len, uint64_t *due)
{
	const struct record *r = ring_front(l);

	*due = UINT64_MAX;
	*len = 0;
	if (!r)
		return NULL;
	*due = r->due;
	*len = r->len;
	return (const uint8_t *)(r + 1);
}

void wanem_link_pop(struct wanem_link *l)
{
	const struct record *r = ring_front(l);

	if (!r)
		return;
	l->out++;
	l->out_bytes += r->len;
	l->used -= r->size;
	l->head = (l->head + r->size) % RING_BYTES;
}
