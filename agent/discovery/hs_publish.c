/*
 * A row is the descriptor of one period; an upload of it (hs_upload.c) takes it to one of its two keys.
 *
 *   published --60 to 120 min--> renew is asked for --a minute--> published again as it is
 *                 any time: a newer one is given
 */
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "dht/key.h"
#include "discovery/hs_dht_internal.h"

enum {
	SECOND_MS = 1000,
	MINUTE_MS = 60 * SECOND_MS,
	ANSWER_MS = MINUTE_MS, /* that whoever is asked for a newer one has */
	NEIGHBOUR_MS =
		10 *
		SECOND_MS, /* so much later at most: two periods' uploads at one moment would belong together */
	SPARE_S = 15 * 60, /* before it expires */
};

struct row {
	struct vx6_hs_publisher *p;
	uint64_t period, seq, expires_s, next_ms;
	uint8_t subject[VX6_RECORD_SUBJECT];
	uint8_t record[VX6_HS_DESC_BYTES];
	size_t n;
	bool asked; /* for a newer one */
	struct vx6_timer next;
	struct hs_upload upload[VX6_HS_INDEXES];
};

struct vx6_hs_publisher {
	struct vx6_hs_dht *h;
	struct vx6_hs_publisher_events ev;
	void *user;
	struct row *row[VX6_HS_PUBLISH_PERIODS]; /* oldest period first */
	size_t rows_n;
	struct vx6_task tell;
	uint8_t newer[VX6_HS_DESC_BYTES]; /* for the event */
	size_t newer_n;
};

static uint64_t now_ms(const struct vx6_hs_publisher *p)
{
	return vx6_loop_now_ms(p->h->cfg.loop);
}

/* ---- telling ---- */

/* Later, so that whoever is told may do whatever he likes with us. */
static void tell(struct vx6_hs_publisher *p)
{
	vx6_loop_defer(p->h->cfg.loop, &p->tell);
}

static void on_tell(struct vx6_task *task)
{
	struct vx6_hs_publisher *p = task->user;
	uint8_t newer[VX6_HS_DESC_BYTES];
	size_t n = p->newer_n;

	memcpy(newer, p->newer, n);
	p->newer_n = 0;
	if (n > 0) {
		tell(p);
		p->ev.newer(p->user, newer, n);
	} else if (p->ev.changed) {
		p->ev.changed(p->user);
	}
}

/* ---- one descriptor ---- */

static void on_changed(void *user)
{
	tell(((const struct row *)user)->p);
}

static void on_clash(void *user, const uint8_t *record, size_t n)
{
	struct vx6_hs_publisher *p = ((const struct row *)user)->p;

	if (!p->ev.newer || n > sizeof p->newer)
		return;
	memcpy(p->newer, record, n);
	p->newer_n = n;
	tell(p);
}

static const struct hs_upload_events upload_events = {.changed = on_changed, .clash = on_clash};

static void plan(struct row *r)
{
	uint64_t ms = VX6_HS_PUBLISH_MIN_MS +
		      vx6_random_below(VX6_HS_PUBLISH_MAX_MS - VX6_HS_PUBLISH_MIN_MS);
	uint64_t now_s = vx6_wall_s(), left_s;

	left_s = r->expires_s > now_s + SPARE_S ? r->expires_s - now_s - SPARE_S : 0;
	ms = VX6_MAX(VX6_MIN(ms, left_s * SECOND_MS), (uint64_t)MINUTE_MS);
	r->asked = false;
	r->next_ms = now_ms(r->p) + ms;
	vx6_timer_in_ms(&r->next, ms);
}

static void publish(struct row *r)
{
	bool is_neighbour = r->period != vx6_hs_period(vx6_wall_s());

	for (size_t i = 0; i < VX6_HS_INDEXES; i++)
		hs_upload_begin(&r->upload[i], r->record, r->n,
				is_neighbour ? vx6_random_below(NEIGHBOUR_MS) : 0);
	plan(r);
}

static void row_free(struct row *r)
{
	struct vx6_hs_publisher *p = r->p;
	size_t i = 0;

	while (p->row[i] != r)
		i++;
	memmove(&p->row[i], &p->row[i + 1], (p->rows_n - i - 1) * sizeof p->row[0]);
	p->rows_n--;
	vx6_timer_stop(&r->next);
	for (i = 0; i < VX6_HS_INDEXES; i++)
		hs_upload_end(&r->upload[i]);
	free(r);
}

/* Whether a client could look for it, now or soon. */
static bool is_wanted(const struct row *r)
{
	uint64_t now_s = vx6_wall_s();

	return r->expires_s > now_s && now_s < (r->period + 1) * VX6_HS_PERIOD_S + VX6_HS_EDGE_S;
}

static void on_next(struct vx6_timer *timer)
{
	struct row *r = timer->user;
	struct vx6_hs_publisher *p = r->p;

	if (!is_wanted(r)) {
		row_free(r);
		tell(p);
		return;
	}
	if (r->asked || !p->ev.renew) {
		publish(r);
		return;
	}
	r->asked = true;
	vx6_timer_in_ms(&r->next, ANSWER_MS);
	p->ev.renew(p->user, r->period); /* may be the end of us */
}

static struct row *row_new(struct vx6_hs_publisher *p, const uint8_t subject[static 32],
			   uint64_t period)
{
	struct row *r;
	size_t at;

	for (size_t i = p->rows_n; i > 0; i--)
		if (!is_wanted(p->row[i - 1]))
			row_free(p->row[i - 1]);
	if (p->rows_n == VX6_ARRAY_N(p->row))
		return NULL;
	r = vx6_zalloc(sizeof *r);
	r->p = p;
	r->period = period;
	memcpy(r->subject, subject, sizeof r->subject);
	vx6_timer_init(p->h->cfg.loop, &r->next, on_next, r);
	for (unsigned i = 0; i < VX6_HS_INDEXES; i++) {
		struct vx6_dht_key key;

		vx6_dht_key_descriptor(&p->h->cfg.net, subject, i + 1, period, &key);
		hs_upload_init(&r->upload[i], p->h, &key, &r->upload[1 - i], &upload_events, r);
	}
	for (at = p->rows_n++; at > 0 && p->row[at - 1]->period > period; at--)
		p->row[at] = p->row[at - 1];
	p->row[at] = r;
	return r;
}

static struct row *row_of(const struct vx6_hs_publisher *p, const struct vx6_record *rec)
{
	for (size_t i = 0; i < p->rows_n; i++)
		if (memcmp(p->row[i]->subject, rec->subject.b, sizeof rec->subject.b) == 0)
			return p->row[i];
	return NULL;
}

/* ---- for the owner ---- */

vx6_err vx6_hs_publish(struct vx6_hs_publisher *p, const uint8_t *record, size_t n)
{
	struct vx6_record rec;
	uint64_t period;
	struct row *r;

	VX6_TRY(vx6_record_parse(record, n, &rec));
	VX6_TRY(vx6_hs_desc_check(&rec, &period));
	if (n > sizeof r->record)
		return VX6_ERR(LIMIT);
	r = row_of(p, &rec);
	if (r && r->seq >= rec.view.seq)
		return VX6_ERR(STALE);
	if (!r)
		r = row_new(p, rec.subject.b, period);
	if (!r)
		return VX6_ERR(FULL);
	memcpy(r->record, record, n);
	r->n = n;
	r->seq = rec.view.seq;
	r->expires_s = vx6_record_expires_s(&rec.view);
	publish(r);
	return VX6_OK;
}

void vx6_hs_publisher_info(const struct vx6_hs_publisher *p, struct vx6_hs_publish_info *out)
{
	*out = (struct vx6_hs_publish_info){.rows_n = p->rows_n};
	for (size_t i = 0; i < p->rows_n; i++) {
		const struct row *r = p->row[i];

		out->row[i].period = r->period;
		out->row[i].seq = r->seq;
		out->row[i].expires_s = r->expires_s;
		out->row[i].next_ms = r->next_ms;
		for (size_t k = 0; k < VX6_HS_INDEXES; k++)
			out->row[i].index[k] = r->upload[k].info;
	}
}

struct vx6_hs_publisher *vx6_hs_publisher_new(struct vx6_hs_dht *h,
					      const struct vx6_hs_publisher_events *ev, void *user)
{
	struct vx6_hs_publisher *p = vx6_zalloc(sizeof *p);

	p->h = h;
	if (ev)
		p->ev = *ev;
	p->user = user;
	vx6_task_init(&p->tell, on_tell, p);
	h->publishers++;
	return p;
}

void vx6_hs_publisher_free(struct vx6_hs_publisher *p)
{
	if (!p)
		return;
	while (p->rows_n > 0)
		row_free(p->row[p->rows_n - 1]);
	vx6_task_cancel(&p->tell);
	p->h->publishers--;
	free(p);
}
