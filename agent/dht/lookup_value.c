#include <string.h>

#include "base/util.h"
#include "dht/lookup_internal.h"

/* ---- nodes ---- */

static void take_nodes(struct vx6_dht_lookup *l, uint16_t at, struct vx6_dht_resp *resp,
		       struct vx6_dht_trace *t)
{
	uint8_t path = l->cand[at].path;
	struct vx6_dht_node node;

	while (vx6_dht_resp_node(resp, &node)) {
		struct vx6_dht_contact c = {.port = node.port,
					    .via = node.via,
					    .age_days = node.age_days};
		struct vx6_dht_key pos;

		memcpy(c.node.b, node.node_id, sizeof c.node.b);
		memcpy(c.ip, node.ip, sizeof c.ip);
		t->nodes++;
		vx6_dht_contact_pos(&l->d->net, &c, &pos);
		if (vx6_dht_closer(&l->ask.key, &pos, &l->cand[at].pos) < 0)
			t->closer++;
		vx6_dht_cand_add(l, &c, path, at, false);
	}
}

/* ---- values ---- */

static struct dht_found *find(const struct vx6_dht_lookup *l, const struct vx6_record_view *v)
{
	for (size_t i = 0; i < l->found_n; i++)
		if (l->found[i].type == v->type &&
		    memcmp(l->found[i].subject.b, v->subject, sizeof v->subject) == 0)
			return &l->found[i];
	return NULL;
}

static void add_voice(struct dht_found *f, uint16_t cand, uint32_t age_s, bool exact)
{
	for (size_t i = 0; i < f->voices_n; i++)
		if (f->voice[i].cand == cand) {
			f->voice[i].exact |= exact;
			return;
		}
	if (f->voices_n < VOICES_MAX)
		f->voice[f->voices_n++] = (struct dht_voice){cand, exact, age_s};
}

static void keep_bytes(struct dht_found *f, const struct vx6_record_view *v)
{
	free(f->bytes);
	f->bytes = vx6_zalloc(v->n);
	memcpy(f->bytes, v->bytes, v->n);
	f->n = v->n;
	f->seq = v->seq;
	for (size_t i = 0; i < f->voices_n; i++)
		f->voice[i].exact = false;
}

/* A clock that differs, or a type of a later version, is nobody's lie. */
static bool is_lie(vx6_err err)
{
	switch (err.code) {
	case VX6_E_EXPIRED:
	case VX6_E_FUTURE:
	case VX6_E_REVOKED:
	case VX6_E_STALE:
	case VX6_E_UNSUPPORTED:
		return false;
	default:
		return true;
	}
}

static bool may_check(struct vx6_dht_lookup *l, uint16_t cand)
{
	bool led = vx6_dht_is_led(l->d) && cand != FROM_TABLE;
	unsigned *checks = led ? &l->path[l->cand[cand].path].checks : &l->checks;

	return (*checks)++ < (led ? LED_CHECKS_MAX : CHECKS_MAX);
}

/* @return false: whoever gave it is to blame */
static bool take_value(struct vx6_dht_lookup *l, uint16_t cand, uint32_t age_s,
		       const uint8_t *record, size_t n)
{
	struct vx6_record_view v;
	struct vx6_record rec;
	struct dht_found *f;
	vx6_err err = vx6_record_decode(record, n, &v);

	if (!vx6_is_ok(err))
		return !is_lie(err);
	f = find(l, &v);
	if (f && f->n == n && memcmp(f->bytes, record, n) == 0) {
		add_voice(f, cand, age_s, true);
		return true;
	}
	if (f && v.seq <= f->seq) {
		/* older, or a second one under the same number: the first stays */
		add_voice(f, cand, age_s, false);
		return true;
	}
	if (!may_check(l, cand))
		return true;
	err = vx6_dht_check_record(l->d, &l->ask.key, record, n, &rec);
	if (!vx6_is_ok(err))
		return !is_lie(err);
	if (!f) {
		if (l->found_n == FOUND_MAX)
			return true;
		l->found = vx6_realloc_array(l->found, l->found_n + 1, sizeof *l->found);
		f = &l->found[l->found_n++];
		memset(f, 0, sizeof *f);
		f->type = v.type;
		f->subject = rec.subject;
	}
	keep_bytes(f, &v);
	add_voice(f, cand, age_s, true);
	return true;
}

void vx6_dht_take_value(struct vx6_dht_lookup *l, uint16_t cand, uint32_t age_s,
			const uint8_t *record, size_t n)
{
	take_value(l, cand, age_s, record, n);
}

void vx6_dht_take_answer(struct vx6_dht_lookup *l, uint16_t cand, struct vx6_dht_resp *resp,
			 struct vx6_dht_trace *t)
{
	const uint8_t *record;
	uint32_t age_s;
	size_t n;

	take_nodes(l, cand, resp, t);
	while (vx6_dht_resp_value(resp, &age_s, &record, &n)) {
		t->values++;
		if (take_value(l, cand, age_s, record, n))
			continue;
		vx6_dht_blame(l->d, &l->cand[cand].contact);
		return;
	}
}

/* ---- what was found ---- */

unsigned vx6_dht_found_paths(const struct vx6_dht_lookup *l, const struct dht_found *f)
{
	unsigned seen = 0;

	for (size_t i = 0; i < f->voices_n; i++)
		if (f->voice[i].exact && f->voice[i].cand != FROM_TABLE)
			seen |= 1U << l->cand[f->voice[i].cand].path;
	return (unsigned)__builtin_popcount(seen);
}

const struct dht_found *vx6_dht_found_best(const struct vx6_dht_lookup *l)
{
	const struct dht_found *best = NULL;

	for (size_t i = 0; i < l->found_n; i++) {
		const struct dht_found *f = &l->found[i];

		if (l->ask.type && f->type != l->ask.type)
			continue;
		if (!best || f->seq > best->seq)
			best = f;
	}
	return best;
}

static uint32_t count_prefixes(const struct vx6_dht_lookup *l, const struct dht_found *f)
{
	uint8_t prefix[VOICES_MAX][VX6_DHT_PREFIX_BYTES];
	uint32_t n = 0;

	for (size_t i = 0; i < f->voices_n; i++) {
		if (!f->voice[i].exact || f->voice[i].cand == FROM_TABLE)
			continue;
		if (vx6_dht_add_prefix(prefix, n, &l->cand[f->voice[i].cand].contact))
			n++;
	}
	return n;
}

static uint32_t median_age_s(const struct dht_found *f)
{
	uint32_t sorted[VOICES_MAX];

	for (size_t i = 0; i < f->voices_n; i++) {
		size_t at = i;

		for (; at > 0 && sorted[at - 1] > f->voice[i].age_s; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = f->voice[i].age_s;
	}
	return f->voices_n > 0 ? sorted[(f->voices_n - 1) / 2] : 0;
}

/* One holder that several paths asked. */
static bool is_again(const struct vx6_dht_lookup *l, const struct dht_found *f, size_t voice)
{
	const struct dht_voice *v = f->voice;

	for (size_t i = 0; i < voice; i++)
		if (v[i].exact && v[i].cand != FROM_TABLE && v[voice].cand != FROM_TABLE &&
		    vx6_node_id_eq(&l->cand[v[i].cand].contact.node,
				   &l->cand[v[voice].cand].contact.node))
			return true;
	return false;
}

static struct vx6_dht_value value_of(const struct vx6_dht_lookup *l, const struct dht_found *f)
{
	struct vx6_dht_value v = {
		.record = f->bytes,
		.n = f->n,
		.prefixes = count_prefixes(l, f),
		.paths = vx6_dht_found_paths(l, f),
		.median_age_s = median_age_s(f),
	};

	for (size_t j = 0; j < f->voices_n; j++)
		v.holders += f->voice[j].exact && !is_again(l, f, j);
	return v;
}

size_t vx6_dht_found_values(const struct vx6_dht_lookup *l, struct vx6_dht_value *out)
{
	for (size_t i = 0; i < l->found_n; i++)
		out[i] = value_of(l, &l->found[i]);
	return l->found_n;
}

bool vx6_dht_lookup_best(const struct vx6_dht_lookup *l, struct vx6_dht_value *out)
{
	const struct dht_found *best = vx6_dht_found_best(l);

	if (best)
		*out = value_of(l, best);
	return best != NULL;
}
