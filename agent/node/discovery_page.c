/* Pages as values: their keys, and their end. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/util.h"
#include "node/facade_discovery.h"

static void lookup_fini(struct vx6_lookup_view *v)
{
	free(v->conflict);
	free(v->values);
	free(v->steps);
}

void vx6_page_free(struct vx6_page *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n; i++) {
		if (p->kind == VX6_PAGE_NODES)
			free(p->u.nodes[i].services);
		else if (p->kind == VX6_PAGE_OPERATIONS)
			lookup_fini(&p->u.operations[i].lookup);
		else if (p->kind == VX6_PAGE_CATALOGS)
			free(p->u.catalogs[i].items);
	}
	free(p->u.rows);
	free(p);
}

static void service_key(const struct vx6_service_row *v, char out[static VX6_PAGE_KEY])
{
	char id[VX6_NODE_ID_TEXT];

	snprintf(out, VX6_PAGE_KEY, "%s.%s", vx6_node_id_format(&v->node, id), v->name);
}

static void contact_key(const struct vx6_contact_row *v, char out[static VX6_PAGE_KEY])
{
	char id[VX6_NODE_ID_TEXT];

	snprintf(out, VX6_PAGE_KEY, "%03u.%s", v->row.bucket,
		 vx6_node_id_format(&v->row.contact.node, id));
}

static void replica_key(const struct vx6_replica_row *v, char out[static VX6_PAGE_KEY])
{
	for (size_t i = 0; i < VX6_DHT_KEY_BYTES; i++)
		snprintf(out + 2 * i, 3, "%02x", v->info.key.b[i]);
}

void vx6_page_key(const struct vx6_page *p, size_t i, char out[static VX6_PAGE_KEY])
{
	char id[VX6_NODE_ID_TEXT];

	switch (p->kind) {
	case VX6_PAGE_NODES:
		vx6_strlcpy(out, vx6_node_id_format(&p->u.nodes[i].node, id), VX6_PAGE_KEY);
		break;
	case VX6_PAGE_SERVICES:
		service_key(&p->u.services[i], out);
		break;
	case VX6_PAGE_BINDINGS:
		snprintf(out, VX6_PAGE_KEY, "%s:%s",
			 p->u.bindings[i].kind == VX6_BINDING_PIN ? "pin" : "petname",
			 p->u.bindings[i].name);
		break;
	case VX6_PAGE_CONFLICTS:
		vx6_strlcpy(out, p->u.conflicts[i].name, VX6_PAGE_KEY);
		break;
	case VX6_PAGE_CONTACTS:
		contact_key(&p->u.contacts[i], out);
		break;
	case VX6_PAGE_REPLICAS:
		replica_key(&p->u.replicas[i], out);
		break;
	case VX6_PAGE_OPERATIONS:
		vx6_strlcpy(out, p->u.operations[i].id, VX6_PAGE_KEY);
		break;
	case VX6_PAGE_CATALOGS:
		vx6_strlcpy(out, p->u.catalogs[i].id, VX6_PAGE_KEY);
		break;
	case VX6_PAGE_RELAYS:
		vx6_strlcpy(out, vx6_node_id_format(&p->u.relays[i].node, id), VX6_PAGE_KEY);
		break;
	case VX6_PAGE_CIRCUITS:
		vx6_strlcpy(out, p->u.circuits[i].id, VX6_PAGE_KEY);
		break;
	case VX6_PAGE_DECISIONS:
		snprintf(out, VX6_PAGE_KEY, "%" PRIu64, p->u.decisions[i].seq);
		break;
	case VX6_PAGE_HIDDEN:
		vx6_strlcpy(out, p->u.hidden[i].id, VX6_PAGE_KEY);
		break;
	case VX6_PAGE_HIDDEN_CLIENTS:
		vx6_strlcpy(out, p->u.hidden_clients[i].id, VX6_PAGE_KEY);
		break;
	case VX6_PAGE_HIDDEN_ALIASES:
		vx6_strlcpy(out, p->u.hidden_aliases[i].alias, VX6_PAGE_KEY);
		break;
	case VX6_PAGE_HIDDEN_ATTEMPTS:
		snprintf(out, VX6_PAGE_KEY, "%" PRIu64, p->u.hidden_attempts[i].attempt.id);
		break;
	case VX6_PAGE_HIDDEN_FOUND:
		vx6_strlcpy(out, p->u.hidden_found[i].alias, VX6_PAGE_KEY);
		break;
	case VX6_PAGES_N:
		out[0] = 0;
	}
}
