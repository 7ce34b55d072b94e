/*
 * Names in the agent: what they stand for is stored, what becomes of them is told.
 */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "discovery/claims.h"
#include "discovery/names.h"
#include "discovery/resolve.h"
#include "node/node_internal.h"

static void tell_name(struct vx6_node *node, const char *type, const char *name, struct vx6_json *j)
{
	vx6_json_end_object(j);
	tell_event(node, type, "name", name, vx6_json_take(j));
}

static void put_node(struct vx6_json *j, const char *field, const struct vx6_node_id *id)
{
	char text[VX6_NODE_ID_TEXT];

	vx6_json_str(j, field, vx6_node_id_format(id, text));
}

static void on_pinned(void *user, const struct vx6_name_binding *pin)
{
	struct vx6_node *node = user;
	struct vx6_write *w = vx6_write_new();
	struct vx6_json j = {0};
	char text[VX6_NODE_ID_TEXT];

	vx6_write_put_name(w, pin);
	if (!vx6_is_ok(vx6_state_submit(node->state, w, NULL, NULL)))
		VX6_WARN("node", "the pin of %s could not be stored", pin->name);
	VX6_INFO("node", "%s is %s from now on", pin->name, vx6_node_id_format(&pin->node, text));
	vx6_json_object(&j, NULL);
	put_node(&j, "node_id", &pin->node);
	tell_name(node, "name.new", pin->name, &j);
}

static void put_claims(struct vx6_json *j, const struct vx6_name_conflict *c)
{
	if (c->pinned)
		put_node(j, "pinned_to", &c->pin);
	vx6_json_array(j, "claims");
	for (size_t i = 0; i < c->claims_n; i++) {
		vx6_json_object(j, NULL);
		put_node(j, "node_id", &c->claim[i].node);
		if (c->claim[i].record_hash[0])
			vx6_json_str(j, "record_hash", c->claim[i].record_hash);
		vx6_json_end_object(j);
	}
	vx6_json_end_array(j);
}

static void on_conflict(void *user, const struct vx6_name_conflict *c,
			const struct vx6_name_claim_seen *newcomer)
{
	struct vx6_json j = {0};

	if (c->pinned) {
		char a[VX6_NODE_ID_TEXT], b[VX6_NODE_ID_TEXT];

		VX6_WARN("node",
			 "%s is pinned to %s, but %s calls itself that too; it is not trusted",
			 c->name, vx6_node_id_format(&c->pin, a),
			 vx6_node_id_format(&newcomer->node, b));
	}
	vx6_json_object(&j, NULL);
	put_node(&j, "node_id", &newcomer->node);
	put_claims(&j, c);
	tell_name(user, "name.conflict", c->name, &j);
}

static void on_clash(void *user, const struct vx6_name_conflict *c,
		     const struct vx6_name_claim_seen *other)
{
	struct vx6_node *node = user;
	struct vx6_json j = {0};
	char text[VX6_NODE_ID_TEXT];

	VX6_WARN("node", "%s calls itself %s, as this node does: others cannot tell by the name",
		 vx6_node_id_format(&other->node, text), c->name);
	vx6_json_object(&j, NULL);
	put_node(&j, "node_id", &node->identity.id);
	put_node(&j, "other", &other->node);
	if (other->record_hash[0])
		vx6_json_str(&j, "record_hash", other->record_hash);
	put_claims(&j, c);
	tell_name(node, "name.clash", c->name, &j);
	vx6_clash_tell(node->clash, &other->node);
}

static void on_mismatch(void *user, const struct vx6_name_conflict *c)
{
	struct vx6_json j = {0};

	vx6_json_object(&j, NULL);
	put_claims(&j, c);
	tell_name(user, "name.pin_mismatch", c->name, &j);
}

static const struct vx6_names_events names_events = {
	.pinned = on_pinned,
	.conflict = on_conflict,
	.clash = on_clash,
	.mismatch = on_mismatch,
};

void naming_start(struct vx6_node *node, const struct vx6_state_image *img)
{
	node->names = vx6_names_new(&node->identity.id, &names_events, node);
	for (size_t i = 0; i < img->names_n; i++)
		if (!vx6_is_ok(vx6_names_bind(node->names, &img->names[i])))
			VX6_WARN("node", "what %s stands for could not be loaded",
				 img->names[i].name);
}

static void view_of(const struct vx6_node *node, struct vx6_claims_view *out)
{
	*out = (struct vx6_claims_view){
		.net = &node->identity.net,
		.registry = node->registry,
		.peers = node->peers,
		.now_s = vx6_wall_s(),
	};
}

static void heard_claim(struct vx6_node *node, const uint8_t *record, size_t n)
{
	struct vx6_name_claim_seen seen;
	char name[VX6_LABEL_TEXT];
	struct vx6_claims_view view;

	view_of(node, &view);
	if (vx6_claim_of_record(&view, record, n, name, &seen))
		vx6_names_claimed(node->names, name, &seen, vx6_wall_ms());
}

void naming_heard(struct vx6_node *node, const struct vx6_registry_change *c)
{
	if (node->names)
		heard_claim(node, c->record->bytes, c->record->n);
}

/* Whoever is known from before to go by the name that is ours now. */
void naming_own(struct vx6_node *node)
{
	struct vx6_claims *claims;
	struct vx6_claims_view view;

	if (strcmp(vx6_names_own(node->names), node->name) == 0)
		return;
	vx6_names_set_own(node->names, node->name);
	claims = vx6_zalloc(sizeof *claims);
	view_of(node, &view);
	vx6_claims_of_registry(&view, node->name, claims);
	for (size_t i = 0; i < claims->n; i++)
		vx6_names_claimed(node->names, node->name, &claims->claim[i], vx6_wall_ms());
	free(claims);
}

void naming_looked_up(void *user, const uint8_t *record, size_t n)
{
	const struct vx6_source from = {.kind = VX6_SOURCE_DHT};

	hear_record(user, NULL, record, n, &from);
}

void naming_clashed(void *user, const uint8_t *record, size_t n)
{
	struct vx6_node *node = user;

	if (node->stopping)
		return;
	naming_looked_up(node, record, n);
	heard_claim(node, record, n); /* also where it was known before this start */
}

size_t naming_own_claim(void *user, uint8_t *out, size_t cap)
{
	const struct vx6_node *node = user;
	size_t n = vx6_publisher_claim(node->publisher, out, cap);

	return n ? n : vx6_publisher_endpoint(node->publisher, out, cap);
}
