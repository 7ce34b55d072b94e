/*
 * Introduction points: which of those that a descriptor names is asked next. One that failed is the last for a while, whoever wants to be introduced.
 */
#include "hidden/guests_internal.h"

#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "crypto/secret.h"

void intro_mark(struct service *s, const uint8_t *auth_key, uint64_t ms)
{
	struct mark *k = &s->mark[0];

	for (size_t i = 0; i < VX6_ARRAY_N(s->mark); i++) {
		if (memcmp(s->mark[i].auth_key, auth_key, VX6_INTRO_KEY) == 0) {
			k = &s->mark[i];
			break;
		}
		if (s->mark[i].until_ms < k->until_ms)
			k = &s->mark[i];
	}
	memcpy(k->auth_key, auth_key, sizeof k->auth_key);
	k->until_ms = guests_now_ms(s->g) + ms;
}

void intro_unmark(struct service *s, const uint8_t *auth_key)
{
	for (size_t i = 0; i < VX6_ARRAY_N(s->mark); i++)
		if (memcmp(s->mark[i].auth_key, auth_key, VX6_INTRO_KEY) == 0)
			s->mark[i].until_ms = 0;
}

bool intro_is_marked(const struct service *s, const uint8_t *auth_key)
{
	for (size_t i = 0; i < VX6_ARRAY_N(s->mark); i++)
		if (memcmp(s->mark[i].auth_key, auth_key, VX6_INTRO_KEY) == 0)
			return guests_now_ms(s->g) < s->mark[i].until_ms;
	return false;
}

const struct vx6_hs_intro *intro_of(const struct service *s, const uint8_t *auth_key)
{
	for (size_t i = 0; s->has_desc && i < s->desc.intros_n; i++)
		if (memcmp(s->desc.intro[i].auth_key, auth_key, VX6_INTRO_KEY) == 0)
			return &s->desc.intro[i];
	return NULL;
}

unsigned intro_count(const struct service *s, bool standby)
{
	unsigned n = 0;

	for (size_t i = 0; s->has_desc && i < s->desc.intros_n; i++)
		n += s->desc.intro[i].standby == standby;
	return n;
}

static bool was_tried(const struct meeting *m, const uint8_t *auth_key)
{
	for (unsigned i = 0; i < m->tries_n; i++)
		if (memcmp(m->tries[i].auth_key, auth_key, VX6_INTRO_KEY) == 0)
			return true;
	return false;
}

/* The lower the better: one that failed a moment ago is the last; the relay that is the rendezvous, too, should not see both ends of it. */
static unsigned rank(const struct service *s, const struct meeting *m,
		     const struct vx6_hs_intro *in)
{
	const struct line *l = line_find(s, in);

	return (intro_is_marked(s, in->auth_key) ? 16 : 0) +
	       (m && vx6_node_id_eq(&in->node, &m->x) ? 8 : 0) + (in->standby ? 4 : 0) +
	       (!l ? 2 : !l->open);
}

/* Among equals by chance. */
const struct vx6_hs_intro *intro_pick(const struct service *s, const struct meeting *m)
{
	const struct vx6_hs_intro *best = NULL;
	unsigned best_rank = 0, equals = 0;

	for (size_t i = 0; s->has_desc && i < s->desc.intros_n; i++) {
		const struct vx6_hs_intro *in = &s->desc.intro[i];
		unsigned r = rank(s, m, in);

		if ((m && was_tried(m, in->auth_key)) || in->not_after_s <= vx6_wall_s())
			continue;
		if (!best || r < best_rank) {
			best = in;
			best_rank = r;
			equals = 1;
		} else if (r == best_rank && vx6_random_below(++equals) == 0) {
			best = in;
		}
	}
	return best;
}
