#include "tests/sim/dht/records.h"

#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "dht/key.h"
#include "record/endpoint.h"

enum { PUBLISH_GAP_US = 20 * SIM_MS, PUBLISH_WAIT_US = 60 * SIM_S };

/* ---- records ---- */

void target_init(struct target *t, struct node *owner)
{
	*t = (struct target){.owner = owner};
	vx6_dht_key_endpoint(&owner->w->id, &owner->contact.node, &t->key);
}

size_t target_record(const struct target *t, uint64_t seq, uint64_t issued_s,
		     uint8_t out[static VX6_RECORD_MAX])
{
	struct vx6_endpoint e = {.seq = seq,
				 .issued_s = issued_s,
				 .lifetime_s = VX6_ENDPOINT_LIFETIME_S,
				 .n_addrs = 1};
	struct vx6_identity id;
	vx6_err err;
	size_t n;

	vx6_dht_contact_addr(&t->owner->contact, &e.addrs[0].addr);
	e.addrs[0].via = VX6_VIA_QUIC | VX6_VIA_TCP;
	node_identity(t->owner, &id);
	err = vx6_endpoint_build(&e, &id, out, &n);
	VX6_ASSERT(vx6_is_ok(err));
	return n;
}

void target_publish(struct target *t, uint64_t seq)
{
	uint8_t record[VX6_RECORD_MAX];
	struct vx6_dht_now now;
	size_t n;

	world_now(t->owner->w, &now);
	n = target_record(t, seq, now.wall_s, record);
	t->seq = seq;
	if (t->kept == NULL)
		t->kept = vx6_dht_keep(t->owner->dht, record, n, NULL, NULL, NULL, &now);
	else
		vx6_dht_keep_update(t->kept, record, n, &now);
}

void target_forget(struct target *t)
{
	if (t->kept != NULL)
		vx6_dht_forget(t->kept);
	t->kept = NULL;
}

static bool is_done(const struct target *t, size_t n)
{
	struct vx6_dht_kept_info info;

	for (size_t i = 0; i < n; i++) {
		vx6_dht_kept_info(t[i].kept, &info);
		if (info.took_ms == 0)
			return false;
	}
	return true;
}

void publish_wait(struct world *w, const struct target *t, size_t n, uint64_t at_most_us)
{
	for (uint64_t us = 0; us < at_most_us && !is_done(t, n); us += SIM_S)
		world_run(w, SIM_S);
}

void publish_many(struct world *w, struct target *t, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct node *owner = world_pick(w, &w->rng);

		for (size_t k = 0; k < i; k++)
			if (t[k].owner == owner) { /* once each */
				owner = world_pick(w, &w->rng);
				k = SIZE_MAX;
			}
		target_init(&t[i], owner);
		target_publish(&t[i], 1);
		world_run(w, PUBLISH_GAP_US);
	}
	publish_wait(w, t, n, PUBLISH_WAIT_US);
}

void publish_weigh(const struct target *t, size_t n, struct sim_share *done,
		   struct sim_sample *took, struct sim_sample *holders)
{
	struct vx6_dht_kept_info info;

	for (size_t i = 0; i < n; i++) {
		vx6_dht_kept_info(t[i].kept, &info);
		sim_share_add(done, info.took_ms != 0);
		sim_sample_add(holders, info.proved);
		if (info.took_ms != 0)
			sim_sample_add(took, info.took_ms);
	}
}

/* ---- lookups ---- */

struct running {
	struct running *next, **link;
	struct lookup_ask ask;
	struct tally *tally;
	struct vx6_dht_lookup *lookup;
	uint64_t begun_us, seq;
};

static struct running *all_running;

void tally_fini(struct tally *t)
{
	sim_sample_fini(&t->ms);
	sim_sample_fini(&t->queries);
	sim_sample_fini(&t->bytes);
	sim_sample_fini(&t->timeouts);
	*t = (struct tally){0};
}

static void running_free(struct running *r)
{
	*r->link = r->next;
	if (r->next != NULL)
		r->next->link = r->link;
	r->tally->under_way--;
	free(r);
}

static const struct vx6_dht_value *value_of(const struct vx6_dht_result *res,
					    const struct target *t, uint64_t *seq)
{
	struct vx6_record rec;

	for (size_t i = 0; i < res->values_n; i++)
		if (vx6_is_ok(vx6_record_parse(res->value[i].record, res->value[i].n, &rec)) &&
		    vx6_node_id_eq(&rec.subject, &t->owner->contact.node)) {
			*seq = rec.view.seq;
			return &res->value[i];
		}
	return NULL;
}

static void done(void *user, const struct vx6_dht_result *res)
{
	struct running *r = user;
	struct tally *t = r->tally;
	const struct target *target = r->ask.target;
	uint64_t seq = 0;
	const struct vx6_dht_value *v = value_of(res, target, &seq);
	bool found = vx6_is_ok(res->err) && v != NULL;

	sim_share_add(&t->found, found);
	sim_sample_add(&t->queries, res->queries);
	sim_sample_add(&t->bytes, (double)(res->bytes_in + res->bytes_out));
	sim_sample_add(&t->timeouts, res->timeouts);
	if (found) {
		uint64_t us = sim_queue_now_us(r->ask.reader->w->q) - r->begun_us;

		sim_sample_add(&t->ms, (double)us / SIM_MS);
		sim_share_add(&t->newest, seq >= r->seq);
	} else if (vx6_is_ok(res->err)) {
		t->wrong++;
	} else {
		*(res->err.code == VX6_E_NOT_FOUND ? &t->not_found
		  : res->err.code == VX6_E_TIMEOUT ? &t->timeout
						   : &t->unreachable) += 1;
	}
	if (r->ask.trace)
		fprintf(stderr, "  %s, %u queries, %u answers, %u timeouts, %u ms\n",
			vx6_err_name(res->err), res->queries, res->answers, res->timeouts, res->ms);
	if (r->ask.got != NULL)
		r->ask.got(r->ask.user, &r->ask, v);
	running_free(r);
}

static void trace(void *user, const struct vx6_dht_trace *s)
{
	static const char *const what[] = {"asked", "answered", "slow", "failed", "widened"};

	fprintf(stderr, "  %5u ms path %u %-8s %02x%02x %s %3u bits", s->at_ms, s->path,
		what[s->kind], s->peer.node.b[0], s->peer.node.b[1], s->warm ? "warm" : "cold",
		s->bits);
	if (s->kind == VX6_DHT_STEP_ANSWERED)
		fprintf(stderr, " %u nodes, %u closer, %u values", s->nodes, s->closer, s->values);
	fprintf(stderr, "\n");
}

void lookup_start(const struct lookup_ask *ask, struct tally *t)
{
	struct running *r = vx6_zalloc(sizeof *r);
	struct vx6_dht_ask a = {.key = ask->target->key, .want = ask->want};
	struct world *w = ask->reader->w;
	struct vx6_dht_now now;

	if (ask->trace)
		a.trace = trace;
	r->ask = *ask;
	r->tally = t;
	r->begun_us = sim_queue_now_us(w->q);
	r->seq = ask->target->seq;
	r->link = &all_running;
	r->next = all_running;
	if (r->next != NULL)
		r->next->link = &r->next;
	all_running = r;
	t->under_way++;
	world_now(w, &now);
	r->lookup = vx6_dht_look(ask->reader->dht, &a, done, r, &now);
	if (r->lookup == NULL) {
		sim_share_add(&t->found, false);
		t->unreachable++;
		running_free(r);
	}
}

void lookups_drop(struct node *reader)
{
	for (struct running *r = all_running, *next; r != NULL; r = next) {
		next = r->next;
		if (r->ask.reader == reader) {
			vx6_dht_lookup_cancel(r->lookup);
			running_free(r);
		}
	}
}

static void of_old(void *user, const struct vx6_dht_result *res)
{
}

void lookups_of_old(struct node *node, unsigned n)
{
	struct vx6_dht_ask a = {.want = VX6_DHT_WANT_NODES};
	struct vx6_dht_now now;

	world_now(node->w, &now);
	for (unsigned i = 0; i < n; i++) {
		sim_rng_fill(&node->w->rng, a.key.b, sizeof a.key.b);
		vx6_dht_look(node->dht, &a, of_old, NULL, &now);
	}
}
