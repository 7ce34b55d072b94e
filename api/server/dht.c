/* The DHT: its state, its table, and who holds our records. */
#include "api/server/server_internal.h"
#include "base/util.h"

static const char *const modes[] = {[VX6_DHT_MODE_AUTO] = "auto",
				    [VX6_DHT_MODE_SERVER] = "server",
				    [VX6_DHT_MODE_CLIENT] = "client",
				    [VX6_DHT_MODE_OFF] = "off"};
static const char *const diversities[] = {[VX6_DIVERSITY_AUTO] = "auto",
					  [VX6_DIVERSITY_OFF] = "off",
					  [VX6_DIVERSITY_PREFIX] = "prefix",
					  [VX6_DIVERSITY_ASN] = "asn"};

/* What is in force; before the DHT has decided, that is nothing. */
static const char *in_force(enum vx6_diversity d)
{
	return d == VX6_DIVERSITY_AUTO ? "off" : diversities[d];
}

static void put_size(struct vx6_json *j, double size)
{
	if (size > 0)
		vx6_json_real(j, "network_size", size);
	else
		vx6_json_str(j, "network_size", NULL);
}

void api_put_dht_summary(struct vx6_json *j, const char *key, const struct vx6_dht_view *v)
{
	vx6_json_object(j, key);
	vx6_json_str(j, "mode", modes[v->mode]);
	vx6_json_bool(j, "serving", v->info.serving);
	vx6_json_str(j, "diversity", in_force(v->info.diversity));
	vx6_json_u64(j, "contacts", v->info.contacts);
	put_size(j, v->info.network_size);
	vx6_json_bool(j, "alarm", v->info.alarm);
	vx6_json_end_object(j);
}

static void put_counters(struct vx6_json *j, const struct vx6_dht_info *i)
{
	api_put_pair(j, "stored", "records", i->stored, "bytes", i->stored_bytes);
	api_put_pair(j, "requests", "served", i->served, "refused", i->refused);
	vx6_json_object(j, "queries");
	vx6_json_u64(j, "asked", i->asked);
	vx6_json_u64(j, "answered", i->answered);
	vx6_json_u64(j, "failed", i->failed);
	vx6_json_end_object(j);
}

static void dht_then(struct api_request *r, struct vx6_answer *a)
{
	const struct vx6_dht_view *v = a->snapshot ? &a->snapshot->node.dht : NULL;
	struct vx6_json j = {0};

	if (!vx6_is_ok(a->err) || !v) {
		api_reply_failure(r, a);
		return;
	}
	vx6_json_object(&j, NULL);
	vx6_json_str(&j, "mode", modes[v->mode]);
	vx6_json_bool(&j, "serving", v->info.serving);
	api_put_hex(&j, "position", v->info.serving ? v->info.pos.b : NULL);
	vx6_json_object(&j, "diversity");
	vx6_json_str(&j, "configured", diversities[v->wanted]);
	vx6_json_str(&j, "in_force", in_force(v->info.diversity));
	vx6_json_bool(&j, "asn_map", v->asn_map);
	vx6_json_end_object(&j);
	vx6_json_u64(&j, "contacts", v->info.contacts);
	vx6_json_u64(&j, "candidates", v->info.candidates);
	vx6_json_u64(&j, "buckets", v->info.buckets);
	put_size(&j, v->info.network_size);
	vx6_json_bool(&j, "alarm", v->info.alarm);
	vx6_json_real(&j, "failure_rate", VX6_MIN(VX6_MAX(v->info.failure_rate, 0.0), 1.0));
	vx6_json_u64(&j, "paths", v->info.paths);
	vx6_json_u64(&j, "lookups", v->info.lookups);
	vx6_json_u64(&j, "kept", v->info.kept);
	put_counters(&j, &v->info);
	vx6_json_end_object(&j);
	api_reply_json(r, MHD_HTTP_OK, &j);
}

void api_dht_get(struct api_request *r)
{
	api_call(r, api_cmd_look(r, VX6_SELECT_NONE), API_CALL_MS, dht_then);
}

/* ---- rows ---- */

void api_put_node_addr(struct vx6_json *j, const char *key, const struct vx6_addr *addr, bool quic,
		       bool tcp)
{
	vx6_json_object(j, key);
	api_put_addr(j, "address", addr);
	vx6_json_array(j, "transports");
	if (quic)
		vx6_json_str(j, NULL, "quic");
	if (tcp)
		vx6_json_str(j, NULL, "tcp");
	vx6_json_end_array(j);
	vx6_json_end_object(j);
}

void api_put_contact(struct vx6_json *j, const char *key, const struct vx6_dht_contact *c)
{
	struct vx6_addr addr;

	vx6_dht_contact_addr(c, &addr);
	api_put_node_addr(j, key, &addr, c->via & VX6_DHT_VIA_QUIC, c->via & VX6_DHT_VIA_TCP);
}

void api_put_replicas(struct vx6_json *j, const char *key, uint32_t wanted, uint32_t stored,
		      uint32_t proved)
{
	vx6_json_object(j, key);
	vx6_json_u64(j, "wanted", wanted);
	vx6_json_u64(j, "stored", stored);
	vx6_json_u64(j, "proved", proved);
	vx6_json_end_object(j);
}

const char *api_record_type(uint8_t rtype)
{
	static const char *const names[] = {
		[VX6_RTYPE_ENDPOINT] = "endpoint",     [VX6_RTYPE_SERVICE] = "service",
		[VX6_RTYPE_CATALOG] = "catalog",       [VX6_RTYPE_NAME] = "name",
		[VX6_RTYPE_REVOCATION] = "revocation", [VX6_RTYPE_RELAY] = "relay"};

	return rtype < VX6_ARRAY_N(names) && names[rtype] ? names[rtype] : "other";
}

static char *encode_contact(const struct vx6_page *p, size_t i)
{
	const struct vx6_contact_row *v = &p->u.contacts[i];
	struct vx6_json j = {0};

	vx6_json_object(&j, NULL);
	api_put_node_id(&j, "id", &v->row.contact.node);
	vx6_json_str(&j, "kind", "dht_contact");
	api_put_node_id(&j, "node_id", &v->row.contact.node);
	api_put_contact(&j, "address", &v->row.contact);
	api_put_hex(&j, "position", v->row.pos.b);
	vx6_json_u64(&j, "bucket", v->row.bucket);
	vx6_json_bool(&j, "proved", v->row.proved);
	api_put_rtt(&j, v->row.rtt_ms * 1000);
	api_put_time(&j, "heard_at", v->heard_ms);
	vx6_json_u64(&j, "failures", v->row.failures);
	vx6_json_end_object(&j);
	return vx6_json_take(&j);
}

const struct api_rows api_contacts = {.path = "/v1/dht/contacts",
				      .what = "contact",
				      .kind = VX6_PAGE_CONTACTS,
				      .encode = encode_contact};

static void put_holders(struct vx6_json *j, const struct vx6_dht_kept_info *k)
{
	static const char *const holder_states[] = {"asked", "stored", "proved", "failed"};

	vx6_json_array(j, "holders");
	for (uint32_t i = 0; i < k->holders_n && i < VX6_DHT_HOLDERS_REGION; i++) {
		vx6_json_object(j, NULL);
		api_put_node_id(j, "node_id", &k->holder[i].node);
		api_put_contact(j, "address", &k->holder[i]);
		vx6_json_str(j, "state", holder_states[VX6_MIN(k->holder_state[i], 3)]);
		vx6_json_end_object(j);
	}
	vx6_json_end_array(j);
}

static char *encode_replica(const struct vx6_page *p, size_t i)
{
	const struct vx6_replica_row *v = &p->u.replicas[i];
	struct vx6_json j = {0};

	vx6_json_object(&j, NULL);
	api_put_hex(&j, "id", v->info.key.b);
	vx6_json_str(&j, "kind", "dht_replica");
	api_put_hex(&j, "key", v->info.key.b);
	vx6_json_str(&j, "type", api_record_type(v->info.type));
	api_put_text(&j, "name", v->name);
	vx6_json_u64(&j, "wanted", v->info.wanted);
	vx6_json_u64(&j, "stored", v->info.stored);
	vx6_json_u64(&j, "proved", v->info.proved);
	api_put_time(&j, "proved_at", v->proved_ms);
	api_put_count(&j, "took_ms", v->info.took_ms != 0, v->info.took_ms);
	vx6_json_str(&j, "last_error",
		     vx6_is_ok(v->info.last_err) ? NULL : api_failure_code(v->info.last_err));
	put_holders(&j, &v->info);
	vx6_json_end_object(&j);
	return vx6_json_take(&j);
}

const struct api_rows api_replicas = {.path = "/v1/dht/replicas",
				      .what = "record",
				      .kind = VX6_PAGE_REPLICAS,
				      .encode = encode_replica};
