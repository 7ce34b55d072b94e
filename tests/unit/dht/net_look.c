#include "tests/unit/dht/net_look.h"

void on_done(void *user, const struct vx6_dht_result *r)
{
	struct outcome *o = user;

	assert_false(o->done);
	o->done = true;
	o->r = *r;
	memcpy(o->closest, r->closest, r->closest_n * sizeof o->closest[0]);
	for (size_t i = 0; i < VX6_MIN(r->values_n, 4U); i++) {
		struct vx6_record rec;

		o->value[i] = r->value[i];
		assert_ok(vx6_record_parse(r->value[i].record, r->value[i].n, &rec));
		o->seq[i] = rec.view.seq;
	}
}

static void on_trace(void *user, const struct vx6_dht_trace *t)
{
	struct outcome *o = user;

	o->kinds[t->kind]++;
	if (t->kind == VX6_DHT_STEP_ASKED)
		for (size_t i = 0; i < o->net->n; i++)
			o->asked[i] += memcmp(&o->net->node[i].contact.node, &t->peer.node,
					      sizeof t->peer.node) == 0;
}

struct outcome *look(struct net *net, const struct vx6_dht_key *key, enum vx6_dht_want want)
{
	struct vx6_dht_ask ask = {.key = *key, .want = want, .trace = on_trace};
	struct outcome *o = vx6_zalloc(sizeof *o);

	o->net = net;
	assert_non_null(vx6_dht_look(net->node[0].dht, &ask, on_done, o, &net->now));
	assert_false(o->done);
	for (unsigned i = 0; i < 400 && !o->done; i++)
		net_run(net, 50);
	assert_true(o->done);
	return o;
}

void sign(struct someone *s, uint64_t seq)
{
	struct vx6_service_record svc = {.seq = seq,
					 .issued_s = NOW,
					 .lifetime_s = 3600,
					 .name = "web",
					 .kind = VX6_SERVICE_TCP};

	assert_ok(vx6_service_build(&svc, &s->id, s->record, &s->n));
}

void someone(struct someone *s, uint8_t number)
{
	struct vx6_sign_seed seed = {.b = {number}}, sub = {.b = {number, 1}};
	struct vx6_subkey *k = &s->id.subkey;
	struct vx6_sign_keypair master;

	memset(&s->id, 0, sizeof s->id);
	vx6_sign_keypair_from_seed(&seed, &master);
	vx6_sign_keypair_from_seed(&sub, &k->key);
	vx6_node_id_from_pk(&master.pk, &s->id.id);
	s->id.net = vx6_net_default;
	k->cert = (struct vx6_subkey_cert){.kind = VX6_SUBKEY_SIGN,
					   .purposes = VX6_PURPOSE_TLS | VX6_PURPOSE_RECORD,
					   .not_before_s = NOW - 3600,
					   .not_after_s = NOW + 86400,
					   .cert_seq = 1,
					   .subject = k->key.pk};
	assert_ok(vx6_subkey_cert_sign(&k->cert, &master, &s->id.net, k->cert_bytes));
	vx6_dht_key_service(&vx6_net_default, &s->id.id, "web", &s->key);
	sign(s, 1);
}

void put(struct net *net, struct net_node *at, const struct someone *s)
{
	struct vx6_dht_requester who = {.ip = {0x2b}};
	struct vx6_dht_req req = {.op = VX6_DHT_GET};
	uint8_t out[VX6_DHT_RESPONSE_MAX], bytes[VX6_DHT_REQ_MAX];
	struct vx6_dht_resp resp;
	struct vx6_wr w;

	memcpy(req.key, s->key.b, sizeof req.key);
	for (int step = 0; step < 2; step++) {
		vx6_wr_init(&w, bytes, sizeof bytes);
		vx6_dht_req_encode(&w, &req);
		assert_ok(vx6_dht_resp_decode(
			out, vx6_dht_serve(at->dht, &who, bytes, w.len, out, &net->now), &resp));
		assert_int_equal(resp.status, 0);
		req.op = VX6_DHT_PUT;
		memcpy(req.token, resp.token, sizeof req.token);
		req.record = s->record;
		req.record_n = s->n;
	}
}

size_t rank_of(const struct net *net, const struct vx6_dht_key *key, const struct net_node *n)
{
	size_t closer = 0;

	for (size_t i = 0; i < net->n; i++)
		closer += vx6_dht_closer(key, &net->node[i].pos, &n->pos) < 0;
	return closer;
}

struct net_node *nth_nearest(struct net *net, const struct vx6_dht_key *key, size_t rank)
{
	for (size_t i = 0; i < net->n; i++)
		if (rank_of(net, key, &net->node[i]) == rank)
			return &net->node[i];
	fail_msg("no node of that rank");
	return NULL;
}

void put_near(struct net *net, const struct someone *s, size_t n)
{
	for (size_t i = 0; n > 0; i++) {
		struct net_node *at = nth_nearest(net, &s->key, i);

		if (!at->dht || at == &net->node[0])
			continue;
		put(net, at, s);
		n--;
	}
}
