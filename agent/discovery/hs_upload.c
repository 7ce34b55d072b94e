/*
 *   later --> under way --> over: went well, or not: later
 *
 * An upload under way that a newer record overtakes goes on with that. What has gone wrong once is begun anew, through other proxies.
 */
#include <string.h>

#include "base/util.h"
#include "crypto/secret.h"
#include "discovery/hs_dht_internal.h"

enum {
	SECOND_MS = 1000,
	MINUTE_MS = 60 * SECOND_MS,
	LIMIT_MS = 60 * SECOND_MS,
};

static void later(struct hs_upload *u, uint64_t ms)
{
	hs_upload_end(u);
	vx6_timer_in_ms(&u->timer, ms);
}

static void went_wrong(struct hs_upload *u)
{
	static const uint32_t retry_ms[] = {5 * SECOND_MS, 15 * SECOND_MS, MINUTE_MS,
					    5 * MINUTE_MS};
	uint32_t ms = retry_ms[VX6_MIN(u->tries, VX6_ARRAY_N(retry_ms) - 1)];

	u->tries++;
	if (vx6_is_ok(u->info.last_err))
		u->info.last_err = VX6_ERR(UNREACHABLE);
	later(u, ms + vx6_random_below(ms / 2));
	u->ev->changed(u->user);
}

static void on_over(struct vx6_task *task)
{
	struct hs_upload *u = task->user;

	if (!vx6_is_ok(u->info.last_err) || u->info.proved == 0) {
		went_wrong(u);
		return;
	}
	u->tries = 0;
	u->info.proved_ms = vx6_loop_now_ms(u->side.h->cfg.loop);
	hs_upload_end(u);
	u->ev->changed(u->user);
}

static void look_at(struct hs_upload *u)
{
	struct vx6_dht_kept_info k;

	vx6_dht_kept_info(u->kept, &k);
	u->info.busy = k.busy;
	u->info.wanted = k.wanted;
	u->info.stored = k.stored;
	u->info.proved = k.proved;
	u->info.took_ms = k.took_ms;
	u->info.last_err = k.last_err;
	u->info.holders_n = k.holders_n;
	memcpy(u->info.holder, k.holder, sizeof k.holder);
	memcpy(u->info.holder_state, k.holder_state, sizeof k.holder_state);
}

static void on_kept(void *user, const struct vx6_dht_kept *k)
{
	struct hs_upload *u = user;

	look_at(u);
	/* not from inside the DHT that ends with it */
	if (!u->info.busy)
		vx6_loop_defer(u->side.h->cfg.loop, &u->over);
	u->ev->changed(u->user);
}

static void on_clash(void *user, const uint8_t *record, size_t n)
{
	struct hs_upload *u = user;

	u->ev->clash(u->user, record, n);
}

static void begin(struct hs_upload *u)
{
	struct vx6_dht_now now;
	struct vx6_dht *dht;

	hs_upload_end(u);
	u->info = (struct vx6_hs_publish_index){.proved_ms = u->info.proved_ms};
	dht = hs_side_open(&u->side, VX6_DHT_CIRCUIT_PROXIES);
	if (!dht) {
		went_wrong(u);
		return;
	}
	now = hs_side_now(&u->side);
	u->kept = vx6_dht_keep_at(dht, &u->key, u->record, u->n, on_kept, on_clash, u, &now);
	VX6_ASSERT(u->kept);
	u->info.busy = true;
	vx6_timer_in_ms(&u->timer, LIMIT_MS);
}

static void on_timer(struct vx6_timer *timer)
{
	struct hs_upload *u = timer->user;

	if (!u->kept) {
		begin(u);
		return;
	}
	u->info.last_err = VX6_ERR(TIMEOUT);
	went_wrong(u);
}

void hs_upload_init(struct hs_upload *u, struct vx6_hs_dht *h, const struct vx6_dht_key *key,
		    const struct hs_upload *sibling, const struct hs_upload_events *ev, void *user)
{
	*u = (struct hs_upload){
		.side = {.h = h, .sibling = sibling ? &sibling->side : NULL, .may_share = true},
		.key = *key,
		.ev = ev,
		.user = user,
	};
	vx6_timer_init(h->cfg.loop, &u->timer, on_timer, u);
	vx6_task_init(&u->over, on_over, u);
}

void hs_upload_begin(struct hs_upload *u, const uint8_t *record, size_t n, uint32_t delay_ms)
{
	struct vx6_dht_now now;

	u->record = record;
	u->n = n;
	u->tries = 0;
	if (!u->kept) {
		later(u, delay_ms);
		return;
	}
	now = hs_side_now(&u->side);
	vx6_task_cancel(&u->over);
	vx6_dht_keep_update(u->kept, record, n, &now);
	look_at(u);
	vx6_timer_in_ms(&u->timer, LIMIT_MS);
}

void hs_upload_end(struct hs_upload *u)
{
	vx6_timer_stop(&u->timer);
	vx6_task_cancel(&u->over);
	hs_side_close(&u->side);
	u->kept = NULL;
	u->info.busy = false;
}
