/* A third of the nodes gives old records for new ones: who has seen the new one must not go back. */
#include "base/util.h"
#include "record/admit.h"
#include "record/hwm_mem.h"
#include "tests/sim/dht/scenario.h"

enum { MARKS = 4096 };

/* A node that reads for long, with its memory of what it has admitted. */
struct reader {
	struct world *w;
	struct vx6_hwm_mem *mem;
	struct vx6_hwm_store store;
	uint64_t *seen; /* highest seq admitted, by target */
	const struct target *targets;
	struct sim_share *refused; /* of the records offered that were older than known */
	size_t *rollbacks;
};

static void offer(struct reader *r, const struct target *t, const uint8_t *record, size_t n)
{
	size_t i = (size_t)(t - r->targets);
	struct vx6_admission a;
	struct vx6_dht_now now;
	struct vx6_admit ctx = {.net = &r->w->id, .store = &r->store};
	bool taken;

	world_now(r->w, &now);
	ctx.now_s = now.wall_s;
	ctx.expect = &t->owner->contact.node;
	taken = vx6_is_ok(vx6_record_admit(&ctx, record, n, &a)) &&
		(a.result == VX6_ADMIT_NEW || a.result == VX6_ADMIT_REFRESH);
	if (a.record.view.seq < r->seen[i])
		sim_share_add(r->refused, !taken);
	if (taken && a.record.view.seq < r->seen[i])
		(*r->rollbacks)++;
	if (taken)
		r->seen[i] = VX6_MAX(r->seen[i], a.record.view.seq);
}

static void got(void *user, const struct lookup_ask *ask, const struct vx6_dht_value *v)
{
	if (v != NULL)
		offer(user, ask->target, v->record, v->n);
}

static void readers_begin(struct reader *r, size_t n, struct world *w, const struct target *t,
			  size_t targets, struct sim_share *refused, size_t *rollbacks)
{
	uint8_t record[VX6_RECORD_MAX];

	for (size_t i = 0; i < n; i++) {
		r[i] = (struct reader){.w = w, .targets = t, .refused = refused};
		r[i].rollbacks = rollbacks;
		r[i].mem = vx6_hwm_mem_new(MARKS);
		r[i].store = vx6_hwm_mem_store(r[i].mem);
		r[i].seen = vx6_zalloc(targets * sizeof *r[i].seen);
		for (size_t k = 0; i % 2 == 0 && k < targets; k++) { /* half have seen all */
			struct vx6_dht_now now;
			size_t bytes;

			world_now(w, &now);
			bytes = target_record(&t[k], 2, now.wall_s, record);
			offer(&r[i], &t[k], record, bytes);
		}
	}
}

static void batch(struct run *run, struct reader *r, size_t readers, const struct target *t,
		  size_t targets, size_t n, enum vx6_dht_want want, struct tally *out)
{
	struct world *w = run->w;

	for (size_t i = 0; i < n; i++) {
		struct lookup_ask ask = {.want = want, .got = got};

		do {
			ask.reader = world_pick(w, &w->rng);
			ask.target = &t[sim_rng_below(&w->rng, targets)];
		} while (ask.reader == ask.target->owner);
		ask.user = &r[i % readers];
		lookup_start(&ask, out);
		world_run(w, 10 * SIM_MS);
	}
	for (unsigned s = 0; s < 60 && out->under_way > 0; s++)
		world_run(w, SIM_S);
}

void scenario_replay(struct run *r, const struct scenario *s, struct sim_report *out)
{
	size_t targets = r->quick ? 40 : 100, lookups = r->quick ? 400 : 2000;
	size_t readers = r->quick ? 8 : 40, rollbacks = 0;
	struct target *t = vx6_zalloc(targets * sizeof *t);
	struct reader *reader = vx6_zalloc(readers * sizeof *reader);
	struct tally one = {0}, best = {0};
	struct sim_share refused = {0};

	scenario_begin(r, s->role, s->share);
	publish_many(r->w, t, targets);
	for (size_t i = 0; i < targets; i++)
		target_publish(&t[i], 2);
	world_run(r->w, 60 * SIM_S);
	readers_begin(reader, readers, r->w, t, targets, &refused, &rollbacks);
	batch(r, reader, readers, t, targets, lookups, VX6_DHT_WANT_ONE, &one);
	batch(r, reader, readers, t, targets, lookups / 2, VX6_DHT_WANT_BEST, &best);
	sim_report_goal(out, "rollbacks accepted", (double)rollbacks, "", SIM_AT_MOST, 0);
	sim_report_add(out, "old records offered to who knew newer", (double)refused.all, "");
	sim_report_add(out, "of these refused", sim_share_percent(&refused), "%");
	scenario_report(r, &one, "first: ", scenario_goal(r, s), out);
	sim_report_add(out, "first: newest of found", sim_share_percent(&one.newest), "%");
	scenario_report(r, &best, "best: ", scenario_goal(r, s), out);
	sim_report_add(out, "best: newest of found", sim_share_percent(&best.newest), "%");
	for (size_t i = 0; i < readers; i++) {
		vx6_hwm_mem_free(reader[i].mem);
		free(reader[i].seen);
	}
	free(reader);
	free(t);
	tally_fini(&one);
	tally_fini(&best);
}
