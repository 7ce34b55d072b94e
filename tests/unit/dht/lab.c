#include "tests/unit/dht/lab.h"

#include "base/util.h"
#include "crypto/secret.h"
#include "dht/dht_internal.h"
#include "dht/holder_internal.h"
#include "record/endpoint.h"
#include "record/hs_desc.h"
#include "record/name_claim.h"
#include "record/relay_info.h"
#include "record/service.h"
#include "wire/code.h"

struct lab_msg {
	struct lab_msg *next;
	uint64_t at_ms, query;
	size_t from, to;
	bool is_answer, is_cancelled;
	size_t n;
	uint8_t b[];
};

static void send_msg(struct lab *l, size_t from, size_t to, uint64_t query, bool is_answer,
		     const uint8_t *b, size_t n)
{
	struct lab_msg *m = vx6_zalloc(sizeof *m + n);

	m->at_ms = l->now.ms + LAB_RTT_MS / 2;
	m->from = from;
	m->to = to;
	m->query = query;
	m->is_answer = is_answer;
	m->n = n;
	memcpy(m->b, b, n);
	if (l->last)
		l->last->next = m;
	else
		l->first = m;
	l->last = m;
	l->bytes += n;
	l->msgs++;
}

static size_t index_of(const struct lab *l, const struct vx6_dht_contact *c)
{
	for (size_t i = 0; i < l->n; i++)
		if (vx6_node_id_eq(&l->host[i].id.id, &c->node))
			return i;
	return SIZE_MAX;
}

static void io_query(void *user, uint64_t query, uint8_t path, const struct vx6_dht_contact *to,
		     const uint8_t *req, size_t n)
{
	struct lab_host *h = user;
	size_t i = index_of(h->lab, to);

	if (i != SIZE_MAX && !h->is_down)
		send_msg(h->lab, (size_t)(h - h->lab->host), i, query, false, req, n);
}

static void io_cancel(void *user, uint64_t query)
{
	struct lab_host *h = user;

	for (struct lab_msg *m = h->lab->first; m; m = m->next)
		if (m->query == query && m->is_answer && m->to == (size_t)(h - h->lab->host))
			m->is_cancelled = true;
}

static bool io_is_warm(void *user, const struct vx6_dht_contact *to)
{
	return true;
}

static void io_random(void *user, void *out, size_t n)
{
	vx6_random_bytes(out, n);
}

static void io_wake_at(void *user, uint64_t ms)
{
	((struct lab_host *)user)->wake_ms = ms;
}

static const struct vx6_dht_io lab_io = {
	.abi = VX6_DHT_IO_ABI,
	.query = io_query,
	.cancel = io_cancel,
	.is_warm = io_is_warm,
	.random = io_random,
	.wake_at = io_wake_at,
};

static void boot(struct lab *l, struct lab_host *h)
{
	struct vx6_dht_config cfg = {.net = vx6_net_default,
				     .self = h->id.id,
				     .io = &lab_io,
				     .user = h};

	h->wake_ms = UINT64_MAX;
	h->d = vx6_dht_new(&cfg);
	vx6_dht_set_self(h->d, &h->contact, &l->now);
}

void lab_init(struct lab *l, size_t n, bool global)
{
	memset(l, 0, sizeof *l);
	l->now = (struct vx6_dht_now){.ms = 1000000, .wall_s = LAB_WALL};
	l->n = n;
	for (size_t i = 0; i < n; i++) {
		struct lab_host *h = &l->host[i];

		h->lab = l;
		assert_ok(vx6_identity_ephemeral(&vx6_net_default, LAB_WALL - 60, &h->id));
		h->contact = (struct vx6_dht_contact){.node = h->id.id,
						      .port = 4242,
						      .via = VX6_DHT_VIA_QUIC};
		h->contact.ip[0] = global ? 0x2a : 0xfd;
		h->contact.ip[4] = global ? (uint8_t)(i + 1) : 0;
		h->contact.ip[15] = (uint8_t)(i + 1);
		boot(l, h);
		if (i > 0) {
			vx6_dht_met(h->d, &l->host[i - 1].contact, VX6_DHT_PROVED, &l->now);
			vx6_dht_met(l->host[i - 1].d, &h->contact, VX6_DHT_PROVED, &l->now);
		}
	}
}

void lab_fini(struct lab *l)
{
	for (size_t i = 0; i < l->n; i++) {
		vx6_dht_free(l->host[i].d);
		vx6_identity_wipe(&l->host[i].id);
	}
	for (struct lab_msg *m = l->first, *next; m; m = next) {
		next = m->next;
		free(m);
	}
	l->first = l->last = NULL;
}

void lab_restart(struct lab *l, size_t host, size_t friend)
{
	struct lab_host *h = &l->host[host];

	vx6_dht_free(h->d);
	boot(l, h);
	vx6_dht_met(h->d, &l->host[friend].contact, VX6_DHT_PROVED, &l->now);
}

void lab_mesh(struct lab *l)
{
	for (size_t i = 0; i < l->n; i++)
		for (size_t j = 0; j < l->n; j++)
			if (i != j)
				vx6_dht_met(l->host[i].d, &l->host[j].contact, VX6_DHT_PROVED,
					    &l->now);
}

/* ---- time ---- */

static size_t answer_of(struct lab *l, size_t from, size_t to, const uint8_t *req, size_t n,
			uint8_t out[static VX6_DHT_RESPONSE_MAX])
{
	static const uint8_t token[VX6_DHT_TOKEN_BYTES] = {1};
	struct lab_host *h = &l->host[to];
	struct vx6_dht_requester who = {.has_node = true, .node = l->host[from].id.id};
	struct vx6_dht_resp_wr b;
	struct vx6_wr w;

	h->requests++;
	memcpy(who.ip, l->host[from].contact.ip, sizeof who.ip);
	if (req[0] != VX6_DHT_PUT || (!h->forgets && !h->is_full))
		return vx6_dht_serve(h->d, &who, req, n, out, &l->now);
	vx6_wr_init(&w, out, VX6_DHT_RESPONSE_MAX);
	vx6_dht_resp_begin(&b, &w, VX6_DHT_PUT, h->is_full ? VX6_CODE_QUOTA : VX6_CODE_OK, token);
	vx6_dht_resp_end(&b);
	return w.len;
}

static void deliver(struct lab *l, struct lab_msg *m)
{
	uint8_t out[VX6_DHT_RESPONSE_MAX];
	struct lab_host *to = &l->host[m->to];
	size_t n;

	if (to->is_down || m->is_cancelled)
		return;
	if (m->is_answer) {
		vx6_dht_answered(to->d, m->query, m->b, m->n, &l->now);
		return;
	}
	n = answer_of(l, m->from, m->to, m->b, m->n, out);
	send_msg(l, m->to, m->from, m->query, true, out, n);
}

static void go_to(struct lab *l, uint64_t ms)
{
	l->now.wall_s += ms / 1000 - l->now.ms / 1000;
	l->now.ms = ms;
}

void lab_run(struct lab *l, uint64_t ms)
{
	uint64_t end = l->now.ms + ms;

	for (;;) {
		uint64_t next = l->first ? l->first->at_ms : UINT64_MAX;
		struct lab_msg *m = l->first;

		for (size_t i = 0; i < l->n; i++)
			next = VX6_MIN(next, l->host[i].wake_ms);
		if (next > end)
			break;
		go_to(l, VX6_MAX(next, l->now.ms));
		if (m && m->at_ms <= l->now.ms) {
			l->first = m->next;
			if (!l->first)
				l->last = NULL;
			deliver(l, m);
			free(m);
			continue;
		}
		for (size_t i = 0; i < l->n; i++) {
			if (l->host[i].wake_ms > l->now.ms)
				continue;
			l->host[i].wake_ms = UINT64_MAX;
			vx6_dht_step(l->host[i].d, &l->now);
		}
	}
	go_to(l, end);
}

size_t lab_ask(struct lab *l, size_t from, size_t to, const struct vx6_dht_req *req,
	       uint8_t out[static VX6_DHT_RESPONSE_MAX])
{
	uint8_t bytes[VX6_DHT_REQ_MAX];
	struct vx6_wr w;

	vx6_wr_init(&w, bytes, sizeof bytes);
	vx6_dht_req_encode(&w, req);
	assert_ok(w.err);
	return answer_of(l, from, to, bytes, w.len, out);
}

/* ---- records ---- */

static void key_of(struct lab_record *r)
{
	struct vx6_record rec;

	assert_ok(vx6_record_parse(r->b, r->n, &rec));
	assert_ok(vx6_dht_key_of(&vx6_net_default, &rec, &r->key));
}

void lab_endpoint(struct lab *l, size_t host, uint64_t seq, struct lab_record *out)
{
	struct lab_host *h = &l->host[host];
	struct vx6_endpoint e = {.seq = seq,
				 .issued_s = l->now.wall_s,
				 .lifetime_s = VX6_ENDPOINT_LIFETIME_S,
				 .n_addrs = 1};

	e.addrs[0].via = VX6_VIA_QUIC;
	vx6_dht_contact_addr(&h->contact, &e.addrs[0].addr);
	assert_ok(vx6_endpoint_build(&e, &h->id, out->b, &out->n));
	key_of(out);
}

void lab_service(struct lab *l, size_t host, const char *name, uint64_t seq, bool withdrawn,
		 struct lab_record *out)
{
	struct vx6_service_record s = {.seq = seq,
				       .issued_s = l->now.wall_s,
				       .lifetime_s = VX6_SERVICE_LIFETIME_S,
				       .withdrawn = withdrawn,
				       .kind = VX6_SERVICE_TCP};

	vx6_strlcpy(s.name, name, sizeof s.name);
	assert_ok(vx6_service_build(&s, &l->host[host].id, out->b, &out->n));
	key_of(out);
}

void lab_relay(struct lab *l, size_t host, uint64_t seq, struct lab_record *out)
{
	struct vx6_relay_info i = {.seq = seq,
				   .issued_s = l->now.wall_s,
				   .lifetime_s = VX6_RELAY_INFO_LIFETIME_S,
				   .policy = VX6_RELAY_MIDDLE,
				   .keys_n = 1};

	i.keys[0].pk[0] = 9;
	i.keys[0].not_after_s = UINT32_MAX;
	assert_ok(vx6_relay_info_build(&i, &l->host[host].id, out->b, &out->n));
	key_of(out);
}

void lab_claim(struct lab *l, size_t host, const char *name, uint64_t seq, struct lab_record *out)
{
	struct vx6_identity *id = &l->host[host].id;
	struct vx6_name_claim c = {.seq = seq,
				   .issued_s = l->now.wall_s,
				   .lifetime_s = VX6_NAME_CLAIM_LIFETIME_S,
				   .claimed_at_s = l->now.wall_s};

	vx6_strlcpy(c.name, name, sizeof c.name);
	assert_true(vx6_name_work_solve(&id->net, name, &id->id, VX6_NAME_WORK_BITS, 0, UINT64_MAX,
					&c.nonce));
	assert_ok(vx6_name_claim_build(&c, id, out->b, &out->n));
	key_of(out);
}

void lab_descriptor(struct lab *l, uint8_t service, uint64_t period, uint64_t seq, unsigned i,
		    struct lab_record *out)
{
	struct vx6_hs_desc d = {.seq = seq, .period = period};
	struct vx6_sign_seed seed = {.b = {service}};
	struct vx6_sign_keypair key;
	struct vx6_record rec;

	vx6_sign_keypair_from_seed(&seed, &key);
	assert_ok(vx6_hs_desc_build(&d, &key, NULL, 0, &vx6_net_default, l->now.wall_s, out->b,
				    &out->n));
	assert_ok(vx6_record_parse(out->b, out->n, &rec));
	vx6_dht_key_descriptor(&vx6_net_default, rec.subject.b, i, period, &out->key);
}

struct search {
	const struct lab_record *r;
	bool found;
};

static void compare(void *user, uint32_t age_s, const uint8_t *record, size_t n)
{
	struct search *s = user;

	s->found |= n == s->r->n && memcmp(record, s->r->b, n) == 0;
}

unsigned lab_holders(struct lab *l, const struct lab_record *r)
{
	unsigned n = 0;

	for (size_t i = 0; i < l->n; i++) {
		struct search s = {.r = r};

		if (!l->host[i].is_down)
			vx6_dht_holder_get(l->host[i].d, &r->key, compare, &s);
		n += s.found;
	}
	return n;
}
