#include "discovery/claims.h"

#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "discovery/peers.h"
#include "record/name_claim.h"

static void hex_of(const struct vx6_hash *h, char out[static 65])
{
	for (size_t i = 0; i < sizeof h->b; i++)
		snprintf(out + 2 * i, 3, "%02x", h->b[i]);
}

/* What is known of the claimant beside the record. */
static void add_dealings(const struct vx6_claims_view *v, struct vx6_name_claim_seen *seen)
{
	struct vx6_known_node k;

	seen->configured = v->peers && vx6_peers_has_node(v->peers, &seen->node);
	if (!vx6_registry_node(v->registry, &seen->node, v->now_s, &k))
		return;
	seen->direct = k.contact.met_s != 0 || (k.has_endpoint && k.source == VX6_SOURCE_SUBJECT);
	seen->introduced = k.introduced;
	seen->by = k.by;
}

static bool read_claim(const struct vx6_record *rec, const struct vx6_claims_view *v,
		       char name[static VX6_LABEL_TEXT], struct vx6_name_claim_seen *seen)
{
	struct vx6_name_claim c;

	if (!vx6_is_ok(vx6_name_claim_read(rec, v->net, &c)) || c.withdrawn)
		return false;
	memcpy(name, c.name, VX6_LABEL_TEXT);
	seen->claimed_at_s = c.claimed_at_s;
	seen->work_bits = (uint8_t)VX6_MIN(c.work_bits, 255u);
	return true;
}

bool vx6_claim_of_record(const struct vx6_claims_view *v, const uint8_t *record, size_t n,
			 char name[static VX6_LABEL_TEXT], struct vx6_name_claim_seen *seen)
{
	struct vx6_endpoint e;
	struct vx6_record rec;
	bool found = false;

	memset(seen, 0, sizeof *seen);
	name[0] = '\0';
	if (!vx6_is_ok(vx6_record_parse(record, n, &rec)))
		return false;
	seen->node = rec.subject;
	if (rec.view.type == VX6_RTYPE_NAME) {
		found = read_claim(&rec, v, name, seen);
	} else if (rec.view.type == VX6_RTYPE_ENDPOINT && vx6_is_ok(vx6_endpoint_read(&rec, &e))) {
		memcpy(name, e.name, VX6_LABEL_TEXT);
		found = name[0] != '\0';
	}
	if (!found)
		return false;
	hex_of(&rec.hash, seen->record_hash);
	add_dealings(v, seen);
	return true;
}

struct gathering {
	const struct vx6_claims_view *v;
	const char *name;
	struct vx6_claims *out;
};

static void gather(void *user, const struct vx6_known_record *rec)
{
	const struct gathering *g = user;
	struct vx6_name_claim_seen seen;
	char said[VX6_LABEL_TEXT];

	if (rec->bytes && vx6_claim_of_record(g->v, rec->bytes, rec->n, said, &seen) &&
	    strcmp(said, g->name) == 0)
		vx6_claims_add(g->out, &seen);
}

void vx6_claims_of_registry(const struct vx6_claims_view *v, const char *name,
			    struct vx6_claims *out)
{
	struct gathering g = {v, name, out};

	vx6_registry_each_claim(v->registry, name, v->now_s, gather, &g);
}

/* A node has one name: a claim older than what is known of it counts no more, and one of a revoked node never does. */
static bool is_outdated(const struct vx6_claims_view *v, const struct vx6_record *rec)
{
	struct vx6_hwm_key key = {.type = VX6_RTYPE_NAME};
	struct vx6_known_record known;
	struct vx6_revocation r;

	if (vx6_registry_revocation(v->registry, &rec->subject, &r) &&
	    r.reason != VX6_REVOKE_SUBKEY)
		return true;
	memcpy(key.subject, rec->subject.b, sizeof key.subject);
	return vx6_registry_find(v->registry, &key, v->now_s, &known) && known.seq > rec->view.seq;
}

void vx6_claims_add_value(const struct vx6_claims_view *v, const char *name,
			  const struct vx6_dht_value *value, struct vx6_claims *out)
{
	struct vx6_name_claim_seen seen;
	char said[VX6_LABEL_TEXT];
	struct vx6_record rec;

	if (!vx6_claim_of_record(v, value->record, value->n, said, &seen) ||
	    strcmp(said, name) != 0 ||
	    !vx6_is_ok(vx6_record_parse(value->record, value->n, &rec)) ||
	    rec.view.type != VX6_RTYPE_NAME || is_outdated(v, &rec))
		return;
	seen.holders = value->holders;
	seen.prefixes = value->prefixes;
	seen.median_age_s = value->median_age_s;
	vx6_claims_add(out, &seen);
}
