/*
 * Who may put something here, and how much. Tokens make a requester show that it can be reached at the address that its records are charged
 * to; sources bound what one address, prefix or flood of identities behind it can use up.
 */
#include <string.h>

#include "base/addr.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "dht/dht_internal.h"
#include "dht/holder_internal.h"
#include "wire/wr.h"

/* ---- tokens ---- */

static void rotate(struct dht_tokens *t, const struct vx6_dht *d)
{
	uint64_t epoch = d->now.ms / DHT_TOKEN_MS + 1;

	if (epoch == t->epoch)
		return;
	if (epoch == t->epoch + 1 && t->epoch != 0)
		t->secret[1] = t->secret[0];
	else
		d->io->random(d->user, &t->secret[1], sizeof t->secret[1]);
	d->io->random(d->user, &t->secret[0], sizeof t->secret[0]);
	t->epoch = epoch;
}

static void token_of(const struct vx6_siphash_key *secret, const uint8_t ip[static 16],
		     const uint8_t key[static VX6_DHT_KEY_BYTES],
		     uint8_t out[static VX6_DHT_TOKEN_BYTES])
{
	struct vx6_addr a = {.family = VX6_ADDR_IP};
	uint8_t msg[16 + VX6_DHT_KEY_BYTES] = {0};
	struct vx6_wr w;

	memcpy(a.ip, ip, sizeof a.ip);
	/* within a /64, or the /24, a host may change its address between two requests */
	memcpy(msg, ip, vx6_addr_is_v4(&a) ? 15 : 8);
	memcpy(msg + 16, key, VX6_DHT_KEY_BYTES);
	vx6_wr_init(&w, out, VX6_DHT_TOKEN_BYTES);
	vx6_wr_u64(&w, vx6_siphash(secret, msg, sizeof msg));
}

void vx6_dht_token_make(struct dht_tokens *t, const struct vx6_dht *d, const uint8_t ip[static 16],
			const uint8_t key[static VX6_DHT_KEY_BYTES],
			uint8_t out[static VX6_DHT_TOKEN_BYTES])
{
	rotate(t, d);
	token_of(&t->secret[0], ip, key, out);
}

bool vx6_dht_token_is_valid(struct dht_tokens *t, const struct vx6_dht *d,
			    const uint8_t ip[static 16],
			    const uint8_t key[static VX6_DHT_KEY_BYTES],
			    const uint8_t token[static VX6_DHT_TOKEN_BYTES])
{
	uint8_t want[VX6_DHT_TOKEN_BYTES];

	rotate(t, d);
	for (size_t i = 0; i < VX6_ARRAY_N(t->secret); i++) {
		token_of(&t->secret[i], ip, key, want);
		if (vx6_ct_eq(want, token, sizeof want))
			return true;
	}
	return false;
}

/* ---- sources ---- */

void vx6_dht_sources_init(struct dht_sources *s)
{
	vx6_list_init(&s->idle);
	for (size_t i = 0; i < VX6_ARRAY_N(s->load); i++)
		vx6_list_init(&s->load[i]);
}

static void source_free(struct dht_sources *s, struct dht_source *src)
{
	vx6_list_remove(&src->in_load);
	HASH_DEL(s->table, src);
	s->n--;
	free(src);
}

void vx6_dht_sources_fini(struct dht_sources *s)
{
	struct dht_source *src, *next;

	HASH_ITER(hh, s->table, src, next)
	source_free(s, src);
}

static void source_id(const uint8_t ip[static 16], uint8_t out[static DHT_SOURCE_BYTES])
{
	struct vx6_dht_contact c = {0};

	memset(out, 0, DHT_SOURCE_BYTES);
	memcpy(c.ip, ip, sizeof c.ip);
	if (vx6_dht_contact_is_private(&c)) {
		out[0] = 1;
		memcpy(out + 1, ip, 16);
	} else {
		vx6_dht_contact_prefix(&c, out + 1);
	}
}

/* Two for each that comes: those that many records left behind when they expired go little by little. */
static void idle_trim(struct dht_sources *s)
{
	for (int i = 0; i < 2 && s->idle_n >= DHT_SOURCES_IDLE; i++) {
		source_free(s, VX6_CONTAINER_OF(s->idle.next, struct dht_source, in_load));
		s->idle_n--;
	}
}

struct dht_source *vx6_dht_source_of(struct dht_sources *s, const uint8_t ip[static 16])
{
	uint8_t id[DHT_SOURCE_BYTES];
	struct dht_source *src;

	source_id(ip, id);
	HASH_FIND(hh, s->table, id, sizeof id, src);
	if (src)
		return src;
	idle_trim(s);
	src = vx6_zalloc(sizeof *src);
	memcpy(src->id, id, sizeof id);
	vx6_list_init(&src->records);
	vx6_list_push(&s->idle, &src->in_load);
	src->is_idle = true;
	s->idle_n++;
	HASH_ADD(hh, s->table, id, sizeof src->id, src);
	s->n++;
	return src;
}

struct dht_quota vx6_dht_quota_of(const struct vx6_dht_requester *from)
{
	struct dht_quota q = {DHT_PUTS_A_MINUTE, DHT_RECORDS_LIVE};
	struct vx6_dht_contact c = {0};
	uint32_t factor = from->has_node ? DHT_QUOTA_FACTOR : 1;

	memcpy(c.ip, from->ip, sizeof c.ip);
	if (vx6_dht_contact_is_private(&c))
		factor *= DHT_QUOTA_FACTOR;
	q.puts_a_minute *= factor;
	q.live *= factor;
	return q;
}

/* Each put costs its share of a minute; a minute's worth may come at once. */
bool vx6_dht_source_may_put(struct dht_source *src, const struct dht_quota *q, uint64_t now_ms)
{
	uint64_t cost = 60000 / q->puts_a_minute, from = VX6_MAX(src->put_ms, now_ms);

	if (from - now_ms > 60000 - cost)
		return false;
	src->put_ms = from + cost;
	return true;
}

static unsigned load_of(uint64_t bytes)
{
	unsigned load = bytes ? 63 - (unsigned)__builtin_clzll(bytes) : 0;

	return VX6_MIN(load, DHT_LOADS - 1);
}

void vx6_dht_source_sort(struct dht_sources *s, struct dht_source *src)
{
	if (src->is_idle)
		s->idle_n--;
	vx6_list_remove(&src->in_load);
	src->is_idle = src->live == 0;
	if (src->is_idle) {
		vx6_list_push(&s->idle, &src->in_load);
		s->idle_n++;
	} else {
		vx6_list_push(&s->load[load_of(src->bytes)], &src->in_load);
	}
}

struct dht_source *vx6_dht_source_heaviest(const struct dht_sources *s)
{
	for (size_t i = DHT_LOADS; i > 0; i--)
		if (!vx6_list_is_empty(&s->load[i - 1]))
			return VX6_CONTAINER_OF(s->load[i - 1].next, struct dht_source, in_load);
	return NULL;
}

bool vx6_dht_source_is_heavier(const struct dht_source *a, const struct dht_source *b,
			       uint64_t more)
{
	return load_of(a->bytes) > load_of(b->bytes + more);
}
