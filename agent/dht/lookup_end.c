#include <string.h>

#include "base/util.h"
#include "dht/lookup_internal.h"

/* What a lookup ends with, and what the senses learn from it. */
enum {
	REGION_MAX = 40,      /* nodes around a key that are weighed */
	REGION_PREFIX_MAX = 4 /* of one prefix */
};

struct result {
	struct vx6_dht_result pub;
	uint8_t token[VX6_DHT_K][VX6_DHT_TOKEN_BYTES];
	uint8_t path[VX6_DHT_K];
	unsigned on_path[VX6_DHT_PATHS_MAX];
};

static vx6_err verdict(const struct vx6_dht_lookup *l)
{
	bool whole = vx6_dht_lookup_converged(l) * 2 >= l->paths;

	if (l->ask.want == VX6_DHT_WANT_NODES)
		return l->answers > 0 ? VX6_OK : VX6_ERR(UNREACHABLE);
	if (vx6_dht_found_best(l)) {
		size_t holders = 0;

		for (size_t i = 0; i < l->found_n; i++)
			if (!l->ask.type || l->found[i].type == l->ask.type)
				holders = VX6_MAX(holders, l->found[i].voices_n);
		/* one voice among many does not say what is the newest */
		return l->ask.want == VX6_DHT_WANT_BEST && holders < 2 &&
				       l->answers > VX6_DHT_HOLDERS
			       ? VX6_ERR(UNREACHABLE)
			       : VX6_OK;
	}
	if (l->answers == 0)
		return VX6_ERR(UNREACHABLE);
	return whole ? VX6_ERR(NOT_FOUND) : VX6_ERR(TIMEOUT);
}

/* What stands around the key, for the size of the network and the alarm. Who was kept out by the caps counts when its prefix is real. */
static void sense(struct vx6_dht_lookup *l)
{
	uint8_t prefix[REGION_MAX][VX6_DHT_PREFIX_BYTES];
	struct vx6_dht_key pos[REGION_MAX];
	size_t n = 0;

	for (size_t i = 0; i < l->cands_n && n < REGION_MAX; i++) {
		const struct dht_cand *c = &l->cand[l->order[i]];
		unsigned same = 0;

		vx6_dht_contact_prefix(&c->contact, prefix[n]);
		for (size_t j = 0; j < n; j++)
			same += memcmp(prefix[j], prefix[n], VX6_DHT_PREFIX_BYTES) == 0;
		if (c->state != CAND_ANSWERED && (c->state != CAND_NEW || same == 0))
			continue;
		if (vx6_dht_diversity(l->d) != VX6_DIVERSITY_OFF && same >= REGION_PREFIX_MAX)
			continue;
		pos[n++] = c->pos;
	}
	vx6_dht_sense_region(l->d, &l->ask.key, pos, n);
}

/* Another path asked that node, too. Its places in the order are next to each other. */
static bool is_again(const struct vx6_dht_lookup *l, size_t place, bool answered)
{
	const struct dht_cand *c = &l->cand[l->order[place]];

	while (place-- > 0) {
		const struct dht_cand *before = &l->cand[l->order[place]];

		if (before->distance != c->distance)
			return false;
		if (before->state == CAND_NEW || before->state == CAND_FAILED ||
		    (answered && before->state != CAND_ANSWERED))
			continue;
		if (vx6_node_id_eq(&before->contact.node, &c->contact.node))
			return true;
	}
	return false;
}

/*
 * Of the paths on which the node at @p place answered, the one on which the fewest of those before it are.
 * @param paths out: how many there are
 */
static const struct dht_cand *answer_of(const struct vx6_dht_lookup *l, size_t place,
					const struct result *r, unsigned *paths)
{
	const struct dht_cand *first = &l->cand[l->order[place]], *best = first;

	*paths = 0;
	for (; place < l->cands_n; place++) {
		const struct dht_cand *c = &l->cand[l->order[place]];

		if (c->distance != first->distance)
			break;
		if (c->state != CAND_ANSWERED ||
		    !vx6_node_id_eq(&c->contact.node, &first->contact.node))
			continue;
		++*paths;
		if (best->refused || (!c->refused && r->on_path[c->path] < r->on_path[best->path]))
			best = c;
	}
	return best;
}

static void list_from(const struct vx6_dht_lookup *l, struct result *r, struct dht_caps *caps,
		      bool confirmed, struct vx6_dht_contact *out)
{
	for (size_t i = 0; i < l->cands_n && r->pub.closest_n < VX6_DHT_K; i++) {
		const struct dht_cand *c = &l->cand[l->order[i]];
		size_t at = r->pub.closest_n;
		unsigned paths;

		if (c->state != CAND_ANSWERED || is_again(l, i, true))
			continue;
		c = answer_of(l, i, r, &paths);
		if ((paths > 1) != confirmed || c->refused ||
		    !vx6_dht_caps_take(caps, l->d, &c->contact))
			continue;
		memcpy(r->token[at], c->token, sizeof c->token);
		r->path[at] = vx6_dht_is_led(l->d) ? c->path : VX6_DHT_NO_PATH;
		r->on_path[c->path]++;
		out[at] = c->contact;
		r->pub.closest_n++;
	}
}

/* Who leads a path can make up nodes nearer than all others: those that two of them have met come first. */
static void list_closest(const struct vx6_dht_lookup *l, struct result *r,
			 struct vx6_dht_contact *out)
{
	struct dht_caps caps = {0};

	r->pub.closest = out;
	if (vx6_dht_is_led(l->d))
		list_from(l, r, &caps, true, out);
	list_from(l, r, &caps, false, out);
}

static void count_asked(const struct vx6_dht_lookup *l, struct vx6_dht_result *r)
{
	uint8_t prefix[VX6_DHT_K][VX6_DHT_PREFIX_BYTES];
	unsigned nearest = 0;

	for (size_t i = 0; i < l->cands_n && nearest < VX6_DHT_K; i++) {
		const struct dht_cand *c = &l->cand[l->order[i]];

		if (c->state == CAND_NEW || c->state == CAND_FAILED)
			continue;
		nearest += !is_again(l, i, false);
		if (c->state != CAND_ANSWERED || is_again(l, i, true))
			continue;
		r->holders_asked++;
		if (vx6_dht_add_prefix(prefix, r->prefixes_asked, &c->contact))
			r->prefixes_asked++;
	}
}

static void account(struct vx6_dht_lookup *l, vx6_err err)
{
	bool whole = vx6_dht_lookup_converged(l) * 2 >= l->paths;

	if (vx6_dht_is_led(l->d))
		return;
	vx6_dht_table_touch(l->d, &l->ask.key);
	if (whole && l->answers > 0)
		sense(l);
	if (l->ask.want == VX6_DHT_WANT_NODES)
		return;
	if (vx6_dht_found_best(l))
		vx6_dht_sense_lookup(l->d, l->widened);
	else if (err.code != VX6_E_NOT_FOUND)
		vx6_dht_sense_lookup(l->d, true);
}

void vx6_dht_lookup_end(struct vx6_dht_lookup *l)
{
	struct vx6_dht_value values[FOUND_MAX];
	struct vx6_dht_contact closest[VX6_DHT_K];
	struct result r = {.pub = {
				   .err = verdict(l),
				   .value = values,
				   .values_n = vx6_dht_found_values(l, values),
				   .queries = l->queries,
				   .answers = l->answers,
				   .timeouts = l->timeouts,
				   .paths = l->paths,
				   .converged = vx6_dht_lookup_converged(l),
				   .heard = vx6_dht_lookup_heard(l),
				   .whole = vx6_dht_lookup_whole(l),
				   .ms = (uint32_t)(l->d->now.ms - l->began_ms),
				   .bytes_out = l->bytes_out,
				   .bytes_in = l->bytes_in,
			   }};

	list_closest(l, &r, closest);
	count_asked(l, &r.pub);
	account(l, r.pub.err);
	vx6_dht_lookup_leave_better(l);
	vx6_dht_lookup_detach(l);
	l->done(l->user, &r.pub);
	vx6_dht_lookup_free(l);
}

const uint8_t *vx6_dht_result_token(const struct vx6_dht_result *r, size_t i)
{
	const struct result *whole = VX6_CONTAINER_OF(r, struct result, pub);

	VX6_ASSERT(i < r->closest_n);
	return whole->token[i];
}

uint8_t vx6_dht_result_path(const struct vx6_dht_result *r, size_t i)
{
	const struct result *whole = VX6_CONTAINER_OF(r, struct result, pub);

	VX6_ASSERT(i < r->closest_n);
	return whole->path[i];
}
