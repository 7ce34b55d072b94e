/* The parts of hidden services: made, connected with circuits and the DHT, stopped. hidden_internal.h says what is in which file. */
#include "node/hidden_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "node/circuits_internal.h"

/* ---- what circuits say ---- */

void hidden_rendezvous(void *user, uint64_t leg, const struct vx6_node_id *service,
		       struct vx6_circuit *circuit, const struct vx6_node_id *x)
{
	struct vx6_node *node = user;

	/* else circuits are about to be freed: those who wait are told then, for nothing may be from in here */
	if (node->hidden && !node->stopping)
		vx6_guests_rendezvous(node->hidden->guests, leg, service, circuit, x);
}

void hidden_rendezvous_begins(void *user, uint64_t leg, const struct vx6_node_id *service,
			      const struct vx6_node_id *x)
{
	struct vx6_node *node = user;

	if (node->hidden && !node->stopping)
		vx6_guests_begin(node->hidden->guests, leg, service, x);
}

void hidden_rendezvous_gone(void *user, uint64_t leg)
{
	struct vx6_node *node = user;

	if (node->hidden)
		vx6_guests_gone(node->hidden->guests, leg);
}

void hidden_rendezvous_said(void *user, uint64_t leg, uint8_t type, const uint8_t *data, size_t n)
{
	struct vx6_node *node = user;

	if (node->hidden)
		vx6_guests_said(node->hidden->guests, leg, type, data, n);
}

/* ---- events ---- */

void hidden_tell(struct vx6_node *node, const char *type, const char *kind, const char *id,
		 const char *alias, const char *text)
{
	struct vx6_json j = {0};

	if (node->stopping)
		return;
	vx6_json_object(&j, NULL);
	vx6_json_str(&j, "alias", alias);
	if (text && text[0])
		vx6_json_str(&j, "detail", text);
	vx6_json_end_object(&j);
	tell_event(node, type, kind, id, vx6_json_take(&j));
}

/* ---- life ---- */

static void load_keys(struct hidden *h, const struct vx6_state_image *img)
{
	const size_t prefix_n = sizeof HIDDEN_KEY_PREFIX - 1;

	for (size_t i = 0; i < img->values_n; i++) {
		if (strncmp(img->values[i].key, HIDDEN_KEY_PREFIX, prefix_n) != 0)
			continue;
		h->keys = vx6_realloc_array(h->keys, h->keys_n + 1, sizeof *h->keys);
		vx6_strlcpy(h->keys[h->keys_n++], img->values[i].key + prefix_n, sizeof *h->keys);
	}
}

void hidden_start(struct vx6_node *node, const struct vx6_state_image *img)
{
	struct hidden *h = node->hidden = vx6_zalloc(sizeof *h);

	h->node = node;
	snprintf(h->dir, sizeof h->dir, "%s/hidden", node->state_dir);
	vx6_list_init(&h->services);
	vx6_list_init(&h->claims);
	vx6_list_init(&h->visits);
	vx6_list_init(&h->fetches);
	vx6_list_init(&h->finds);
	h->dht = circuits_make_hs_dht(node);
	h->guests = hidden_guests_make(node);
	h->host = hidden_host_make(node);
	hidden_visits_load(node);
	load_keys(h, img);
}

void hidden_moved(struct vx6_node *node)
{
	if (node->hidden)
		vx6_host_moved(node->hidden->host);
}

void hidden_drain(struct vx6_node *node)
{
	if (node->hidden)
		vx6_host_drain(node->hidden->host);
}

void hidden_stop(struct vx6_node *node)
{
	struct hidden *h = node->hidden;

	if (!h)
		return;
	while (!vx6_list_is_empty(&h->services))
		hidden_service_free(
			VX6_CONTAINER_OF(h->services.next, struct hidden_service, node));
	vx6_host_free(h->host);
	vx6_guests_free(h->guests);
	hidden_fetches_stop(node);
	hidden_finds_stop(node);
	hidden_claims_stop(node);
	while (!vx6_list_is_empty(&h->visits))
		hidden_visit_free(VX6_CONTAINER_OF(h->visits.next, struct hidden_visit, node));
	vx6_hs_dht_free(h->dht);
	node->hidden = NULL;
	free(h->keys);
	free(h);
}
