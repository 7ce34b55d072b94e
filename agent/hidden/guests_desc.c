/*
 * What a service published.
 *
 *   none --wanted--> fetched --opens--> good --half of its life, in use--> fetched again beside it
 *                      \--opens not: who waits is told why        \--expired, or it led nowhere--> fetched
 *
 * While it is fetched, what two sources agree on is good for now, unless it is to be strict.
 * A number below one that was taken in the same period is never taken again, whoever vouches for it.
 */
#include "hidden/guests_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "crypto/secret.h"

static void on_fetched(void *user, const struct vx6_guest_fetched *f);

/* ---- what is known ---- */

bool desc_is_good(const struct service *s)
{
	return s->has_desc && guests_now_ms(s->g) < s->expires_ms &&
	       vx6_wall_s() < s->desc.expires_s;
}

bool desc_is_used(const struct service *s)
{
	return s->joined_n > 0 || s->waiting_n > 0 ||
	       (s->used_ms && guests_now_ms(s->g) - s->used_ms < USED_MS);
}

void desc_forget(struct service *s)
{
	if (s->fetch)
		s->g->cfg.fetch_cancel(s->g->cfg.user, s->fetch);
	s->fetch = NULL;
	s->has_desc = false;
	s->opened_by = OPENED_BY_NONE;
	memset(&s->desc, 0, sizeof s->desc);
	memset(&s->names, 0, sizeof s->names);
}

bool desc_seen(struct service *s, const struct vx6_guest_seen *seen)
{
	size_t oldest = 0;

	for (size_t i = 0; i < SEEN_PERIODS; i++) {
		struct vx6_guest_seen *k = &s->seen[i];

		if (k->seq && k->period == seen->period) {
			if (seen->seq < k->seq)
				return false;
			k->seq = seen->seq;
			return true;
		}
		if (!k->seq || (s->seen[oldest].seq && k->period < s->seen[oldest].period))
			oldest = i;
	}
	/* of a period before all of those that are known nothing is needed */
	if (!s->seen[oldest].seq || s->seen[oldest].period < seen->period)
		s->seen[oldest] = *seen;
	return true;
}

vx6_err desc_may(const struct service *s, char *detail)
{
	const struct vx6_guest_access *a = &s->access;

	if (!a->has_invite || a->enrolled || s->has_own || !a->invite_expires_s ||
	    vx6_wall_s() < a->invite_expires_s)
		return VX6_OK;
	snprintf(detail, VX6_GUESTS_DETAIL, "the invite expired before it was used");
	return VX6_ERR(EXPIRED);
}

/* ---- fetching ---- */

static void later(struct service *s)
{
	s->retry_wait_ms = s->retry_wait_ms ? VX6_MIN(s->retry_wait_ms * 2, (uint32_t)RETRY_MAX_MS)
					    : RETRY_FIRST_MS;
	s->retry_ms = guests_now_ms(s->g) + s->retry_wait_ms;
}

static void note_failure(struct service *s, vx6_err err, const char *detail)
{
	later(s);
	s->fetch_err = err;
	vx6_strlcpy(s->fetch_detail, detail && detail[0] ? detail : vx6_err_text(err),
		    sizeof s->fetch_detail);
}

bool desc_fetch(struct service *s)
{
	struct vx6_guests *g = s->g;
	struct vx6_guest_seen seen[SEEN_PERIODS];
	size_t n = 0;

	if (s->fetch)
		return true;
	if (guests_now_ms(g) < s->retry_ms)
		return false;
	for (size_t i = 0; i < SEEN_PERIODS; i++)
		if (s->seen[i].seq)
			seen[n++] = s->seen[i];
	s->fetch_ms = guests_now_ms(g);
	s->fetch = g->cfg.fetch(g->cfg.user, &s->id, s->access.strict, seen, n, on_fetched, s);
	if (!s->fetch) {
		note_failure(s, VX6_ERR(UNREACHABLE), "there is nobody to ask for its descriptor");
		return false;
	}
	guests_wake(g);
	return true;
}

void desc_keep(struct service *s)
{
	uint64_t now_ms = guests_now_ms(s->g);

	if (s->has_desc && !desc_is_good(s) && s->waiting_n == 0)
		s->has_desc = false;
	if (s->has_desc && desc_is_used(s) && now_ms >= s->refresh_ms)
		(void)desc_fetch(s);
	if (!s->has_desc && s->waiting_n > 0 && s->fetch_err.code == VX6_E_INVITE_SPENT)
		(void)desc_fetch(s);
}

/* ---- what came ---- */

/* Why what is there does not open for us. */
static vx6_err why_refused(const struct service *s, char *detail)
{
	const struct vx6_guest_access *a = &s->access;
	int code = VX6_E_HS_AUTH;
	const char *text = "it is for clients with a key of their own, and there is none here";

	if (a->has_key && a->enrolled) {
		code = VX6_E_REVOKED;
		text = "our key opened what it published before and does no more: it was revoked";
	} else if (a->has_invite) {
		code = VX6_E_INVITE_SPENT;
		text = "the invite's key opens nothing: it is used up, was withdrawn, or is for "
		       "another service";
	} else if (a->has_key) {
		text = "our key is none of those that it lets in";
	}
	snprintf(detail, VX6_GUESTS_DETAIL, "%s", text);
	return (vx6_err){code};
}

/* Ours first: once the owner knows it the invite's may be gone. */
static vx6_err open_desc(const struct service *s, const struct vx6_record *rec,
			 struct vx6_hs_desc *desc, enum opened_by *by)
{
	const struct vx6_guest_access *a = &s->access;
	struct vx6_sign_pk pk;
	vx6_err err;

	vx6_node_id_to_pk(&s->id, &pk);
	*by = a->has_key ? OPENED_BY_KEY : OPENED_BY_NONE;
	err = vx6_hs_desc_open(rec, &pk, a->has_key ? a->key : NULL, desc);
	/* where our key is none any more, the invite that brought it is only good for asking again: an owner does not need to */
	if (err.code == VX6_E_ACCESS_REFUSED && a->has_invite && !(s->has_own && a->enrolled)) {
		*by = OPENED_BY_INVITE;
		err = vx6_hs_desc_open(rec, &pk, a->invite, desc);
	}
	if (err.code != VX6_E_ACCESS_REFUSED || !s->has_own)
		return err;
	*by = OPENED_BY_OWN;
	return vx6_hs_desc_open(rec, &pk, s->own, desc);
}

/* Verifies it, whoever did before. */
static vx6_err read_desc(const struct service *s, const struct vx6_guest_fetched *f,
			 struct vx6_hs_desc *desc, enum opened_by *by, struct vx6_guest_seen *seen)
{
	const struct vx6_record_check check = {.net = s->g->cfg.net, .now_s = vx6_wall_s()};
	struct vx6_record rec;

	*seen = (struct vx6_guest_seen){0};
	VX6_TRY(vx6_record_parse(f->record, f->record_n, &rec));
	VX6_TRY(vx6_record_verify(&rec, &check));
	VX6_TRY(vx6_hs_desc_check(&rec, &seen->period));
	seen->seq = rec.view.seq;
	return open_desc(s, &rec, desc, by);
}

/* @return false: an older one than was seen */
static bool note_seen(struct service *s, const struct vx6_guest_seen *seen)
{
	if (!desc_seen(s, seen))
		return false;
	if (s->g->cfg.seen)
		s->g->cfg.seen(s->g->cfg.user, &s->id, seen);
	return true;
}

static void set_deadlines(struct service *s)
{
	uint64_t now_ms = guests_now_ms(s->g), now_s = vx6_wall_s();
	uint64_t left_ms = s->desc.expires_s > now_s ? (s->desc.expires_s - now_s) * 1000 : 0;

	s->expires_ms = now_ms + left_ms;
	s->refresh_ms = now_ms + left_ms / 2;
	if (!s->confirmed)
		s->refresh_ms = now_ms + VX6_MIN((uint64_t)UNCONFIRMED_MS, left_ms / 2);
}

static void take(struct service *s, const struct vx6_guest_fetched *f,
		 const struct vx6_hs_desc *desc, enum opened_by by,
		 const struct vx6_hs_names *names)
{
	bool had_early = s->has_desc && s->early;
	bool is_new = !s->has_desc || s->desc.seq != desc->seq || s->desc.period != desc->period;

	s->fetch_err = VX6_OK;
	s->has_desc = true;
	s->desc = *desc;
	s->names = *names;
	s->opened_by = desc->closed ? by : OPENED_BY_NONE;
	if (is_new)
		s->forgotten = s->opened_by == OPENED_BY_INVITE && s->access.enrolled;
	if (s->opened_by == OPENED_BY_KEY)
		access_enrolled(s);
	s->confirmed = f->confirmed;
	s->early = f->early;
	s->sources = f->sources;
	s->asked = f->asked;
	s->fetched_ms = guests_now_ms(s->g);
	s->fetched_wall_ms = vx6_wall_ms();
	set_deadlines(s);
	if (!is_new && !had_early) {
		later(s);
		return;
	}
	s->retry_ms = 0;
	s->retry_wait_ms = 0;
	if (is_new && had_early)
		meetings_renew(s);
}

/* Nothing that can be used came: who has nothing else is told. */
static void refused(struct service *s, vx6_err err, const char *detail)
{
	note_failure(s, err, detail);
	if (s->has_desc)
		s->refresh_ms = guests_now_ms(s->g) + UNCONFIRMED_MS;
	meetings_refuse(s, err, s->fetch_detail);
}

/* An invite may be quicker than the descriptor that lets it in: who waits goes on waiting for a while. */
static bool is_patient(struct service *s, vx6_err err, const char *detail)
{
	if (err.code != VX6_E_INVITE_SPENT || s->waiting_n == 0 || s->retry_wait_ms >= PATIENCE_MS)
		return false;
	note_failure(s, err, detail);
	vx6_timer_in_ms(&s->g->tick, s->retry_wait_ms + 1);
	return true;
}

/* What is good enough to begin with while there is nothing else. Whatever is wrong with it the end of the fetch will say. */
static void take_early(struct service *s, const struct vx6_guest_fetched *f)
{
	struct vx6_hs_desc desc;
	struct vx6_hs_names names;
	struct vx6_guest_seen seen;
	struct vx6_sign_pk pk;
	enum opened_by by = OPENED_BY_NONE;

	vx6_node_id_to_pk(&s->id, &pk);
	if (s->has_desc || s->access.strict || !vx6_is_ok(read_desc(s, f, &desc, &by, &seen)) ||
	    !note_seen(s, &seen) || !vx6_is_ok(vx6_hs_names(&pk, desc.period, &names)))
		return;
	take(s, f, &desc, by, &names);
	meetings_read(s);
}

static void on_fetched(void *user, const struct vx6_guest_fetched *f)
{
	struct service *s = user;
	struct vx6_hs_desc desc;
	struct vx6_hs_names names;
	struct vx6_guest_seen seen;
	struct vx6_sign_pk pk;
	enum opened_by by = OPENED_BY_NONE;
	char detail[VX6_GUESTS_DETAIL] = "";
	vx6_err err = f->err;

	if (f->early) {
		take_early(s, f);
		return;
	}
	s->fetch = NULL;
	if (!vx6_is_ok(err)) {
		refused(s, err, f->detail);
		return;
	}
	err = read_desc(s, f, &desc, &by, &seen);
	/* both say that the owner made it */
	if ((vx6_is_ok(err) || err.code == VX6_E_ACCESS_REFUSED) && !note_seen(s, &seen)) {
		refused(s, VX6_ERR(STALE), "an older descriptor than one that was seen before");
		return;
	}
	if (err.code == VX6_E_ACCESS_REFUSED) {
		err = why_refused(s, detail);
		s->has_desc = false; /* older than this one */
		if (is_patient(s, err, detail))
			return;
	}
	vx6_node_id_to_pk(&s->id, &pk);
	if (vx6_is_ok(err))
		err = vx6_hs_names(&pk, desc.period, &names);
	if (!vx6_is_ok(err)) {
		refused(s, err, detail);
		return;
	}
	take(s, f, &desc, by, &names);
	meetings_read(s);
}
