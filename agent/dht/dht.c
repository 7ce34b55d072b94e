#include <endian.h>
#include <string.h>

#include "base/util.h"
#include "dht/dht_internal.h"

struct vx6_dht *vx6_dht_new(const struct vx6_dht_config *cfg)
{
	struct vx6_dht *d = vx6_zalloc(sizeof *d);
	struct vx6_dht_contact alone = {.node = cfg->self, .ip = {[15] = 1}};

	VX6_ASSERT(cfg->io->abi == VX6_DHT_IO_ABI);
	d->net = cfg->net;
	d->self = cfg->self;
	d->io = cfg->io;
	d->user = cfg->user;
	d->diversity = cfg->diversity;
	d->stored_max = cfg->stored_max ? cfg->stored_max : VX6_DHT_STORED_MAX;
	d->stored_bytes_max = cfg->stored_bytes_max ? cfg->stored_bytes_max : 32U << 20;
	d->wake_ms = UINT64_MAX;
	vx6_dht_contact_pos(&d->net, &alone, &d->pos);
	d->table = vx6_dht_table_new(0);
	d->queries = vx6_dht_queries_new();
	d->lookups = vx6_dht_lookups_new();
	d->senses = vx6_dht_senses_new();
	d->upkeep = vx6_dht_upkeep_new();
	d->holder = vx6_dht_holder_new(d);
	d->keeper = vx6_dht_keeper_new(d);
	return d;
}

void vx6_dht_free(struct vx6_dht *d)
{
	if (!d)
		return;
	vx6_dht_keeper_free(d->keeper);
	vx6_dht_upkeep_free(d->upkeep);
	vx6_dht_lookups_free(d);
	vx6_dht_queries_free(d);
	vx6_dht_holder_free(d->holder);
	vx6_dht_senses_free(d->senses);
	vx6_dht_table_free(d->table);
	free(d);
}

/* ---- entering and leaving ---- */

void vx6_dht_enter(struct vx6_dht *d, const struct vx6_dht_now *now)
{
	d->entered++;
	if (now->ms > d->now.ms)
		d->now.ms = now->ms;
	d->now.wall_s = now->wall_s;
}

static uint64_t due(const struct vx6_dht *d)
{
	uint64_t at = vx6_dht_queries_due(d);

	at = VX6_MIN(at, vx6_dht_lookups_due(d));
	at = VX6_MIN(at, vx6_dht_upkeep_due(d));
	at = VX6_MIN(at, vx6_dht_holder_due(d));
	return VX6_MIN(at, vx6_dht_keeper_due(d));
}

void vx6_dht_leave(struct vx6_dht *d)
{
	uint64_t at;

	if (--d->entered > 0)
		return;
	at = due(d);
	if (at == d->wake_ms)
		return;
	d->wake_ms = at;
	d->io->wake_at(d->user, at);
}

void vx6_dht_step(struct vx6_dht *d, const struct vx6_dht_now *now)
{
	vx6_dht_enter(d, now);
	d->wake_ms = 0; /* that wake-up is used up */
	vx6_dht_queries_step(d);
	vx6_dht_lookups_step(d);
	vx6_dht_keeper_step(d);
	vx6_dht_holder_step(d);
	vx6_dht_upkeep_step(d);
	vx6_dht_leave(d);
}

void vx6_dht_led(struct vx6_dht *d, const struct vx6_dht_now *now)
{
	vx6_dht_enter(d, now);
	vx6_dht_lookups_led(d);
	vx6_dht_leave(d);
}

/* ---- who is there ---- */

void vx6_dht_set_self(struct vx6_dht *d, const struct vx6_dht_contact *self,
		      const struct vx6_dht_now *now)
{
	struct vx6_dht_contact alone = {.node = d->self, .ip = {[15] = 1}};
	struct vx6_dht_key pos;

	vx6_dht_enter(d, now);
	d->serving = self != NULL;
	memset(&d->me, 0, sizeof d->me);
	if (self)
		d->me = *self;
	vx6_dht_contact_pos(&d->net, self ? self : &alone, &pos);
	if (memcmp(&pos, &d->pos, sizeof pos) != 0) {
		d->pos = pos;
		vx6_dht_table_rebase(d);
		vx6_dht_upkeep_moved(d);
	}
	vx6_dht_leave(d);
}

void vx6_dht_met(struct vx6_dht *d, const struct vx6_dht_contact *c, enum vx6_dht_knowledge how,
		 const struct vx6_dht_now *now)
{
	vx6_dht_enter(d, now);
	vx6_dht_table_met(d, c, how);
	vx6_dht_leave(d);
}

void vx6_dht_remove(struct vx6_dht *d, const struct vx6_node_id *node,
		    const struct vx6_dht_now *now)
{
	vx6_dht_enter(d, now);
	vx6_dht_table_remove(d, node);
	vx6_dht_keeper_lost(d, node);
	vx6_dht_leave(d);
}

enum vx6_diversity vx6_dht_diversity(const struct vx6_dht *d)
{
	if (d->diversity != VX6_DIVERSITY_AUTO)
		return d->diversity;
	if (d->table->globals == 0 && (!d->serving || vx6_dht_contact_is_private(&d->me)))
		return VX6_DIVERSITY_OFF;
	return d->io->asn ? VX6_DIVERSITY_ASN : VX6_DIVERSITY_PREFIX;
}

bool vx6_dht_is_usable(const struct vx6_dht *d, const struct vx6_dht_contact *c)
{
	struct vx6_addr a;

	if (!vx6_dht_contact_is_sane(c) || vx6_node_id_eq(&c->node, &d->self))
		return false;
	vx6_dht_contact_addr(c, &a);
	if (vx6_addr_is_link_local(&a))
		return false; /* means something else on every link */
	if (vx6_dht_contact_is_private(c))
		return vx6_dht_diversity(d) == VX6_DIVERSITY_OFF;
	return !vx6_dht_contact_is_bogon(c);
}

/* ---- helpers of all ---- */

uint64_t vx6_dht_distance64(const struct vx6_dht_key *a, const struct vx6_dht_key *b)
{
	uint64_t x, y;

	memcpy(&x, a->b, sizeof x);
	memcpy(&y, b->b, sizeof y);
	return be64toh(x ^ y);
}

uint64_t vx6_dht_random64(const struct vx6_dht *d)
{
	uint64_t v;

	d->io->random(d->user, &v, sizeof v);
	return v;
}

uint64_t vx6_dht_jitter(const struct vx6_dht *d, uint64_t ms)
{
	return ms - ms / 10 + vx6_dht_random64(d) % (ms / 5 + 1);
}

static vx6_err verify(const struct vx6_dht *d, const uint8_t *record, size_t n,
		      struct vx6_record *out)
{
	struct vx6_record_check check = {.net = &d->net, .now_s = d->now.wall_s};

	if (d->io->verify)
		return d->io->verify(d->user, record, n, d->now.wall_s, out);
	VX6_TRY(vx6_record_parse(record, n, out));
	return vx6_record_verify(out, &check);
}

vx6_err vx6_dht_check_record(const struct vx6_dht *d, const struct vx6_dht_key *key,
			     const uint8_t *record, size_t n, struct vx6_record *out)
{
	VX6_TRY(verify(d, record, n, out));
	return vx6_dht_key_check(&d->net, out, key);
}

/* ---- what an operator wants to see ---- */

void vx6_dht_info(const struct vx6_dht *d, struct vx6_dht_info *out)
{
	*out = (struct vx6_dht_info){
		.serving = d->serving,
		.pos = d->pos,
		.diversity = vx6_dht_diversity(d),
		.contacts = d->table->contacts,
		.candidates = d->table->candidates,
		.network_size = vx6_dht_network_size(d),
		.alarm = vx6_dht_alarm(d),
		.failure_rate = vx6_dht_failure_rate(d),
		.paths = vx6_dht_paths(d),
		.lookups = vx6_dht_lookups_n(d),
		.kept = vx6_dht_keeper_n(d),
		.served = d->served,
		.refused = d->refused,
		.asked = d->asked,
		.answered = d->answered,
		.failed = d->failed,
	};
	for (unsigned i = 0; i < d->table->buckets_n; i++)
		out->buckets += d->table->bucket[i].n > 0;
	vx6_dht_holder_info(d, &out->stored, &out->stored_bytes);
}

void vx6_dht_each(const struct vx6_dht *d, void (*fn)(void *user, const struct vx6_dht_row *row),
		  void *user)
{
	for (unsigned i = 0; i < d->table->buckets_n; i++) {
		const struct dht_bucket *b = &d->table->bucket[i];

		for (size_t j = 0; j < b->n; j++) {
			const struct dht_entry *e = &b->entry[j];
			struct vx6_dht_row row = {
				.contact = e->contact,
				.pos = e->pos,
				.bucket = i,
				.proved = e->proved,
				.rtt_ms = e->rtt_ms,
				.heard_ms = d->table->born_ms + e->heard_s * 1000ULL,
				.failures = e->failures,
			};

			fn(user, &row);
		}
	}
}
