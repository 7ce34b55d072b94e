#include "tests/unit/dht/net.h"

#include "crypto/hash.h"

static struct net_node *node_at(struct net *net, const struct vx6_dht_contact *c)
{
	for (size_t i = 0; i < net->n; i++)
		if (memcmp(net->node[i].contact.ip, c->ip, sizeof c->ip) == 0 &&
		    vx6_node_id_eq(&net->node[i].contact.node, &c->node))
			return &net->node[i];
	return NULL;
}

static void io_query(void *user, uint64_t query, uint8_t path, const struct vx6_dht_contact *to,
		     const uint8_t *req, size_t n)
{
	struct net_node *me = user, *there = node_at(me->net, to);

	assert_true(n <= NET_REQ_MAX);
	me->net->sent++;
	for (size_t i = 0; i < NET_PENDING_MAX; i++) {
		struct net_message *m = &me->net->pending[i];

		if (m->used)
			continue;
		*m = (struct net_message){.from = (size_t)(me - me->net->node),
					  .to = there ? (size_t)(there - me->net->node) : NET_MAX,
					  .query = query,
					  .path = path,
					  .at_ms = me->net->now.ms + NET_RTT_MS,
					  .used = true,
					  .n = n};
		memcpy(m->req, req, n);
		return;
	}
	fail_msg("more messages under way than a test has");
}

static void io_cancel(void *user, uint64_t query)
{
	struct net_node *me = user;

	for (size_t i = 0; i < NET_PENDING_MAX; i++) {
		struct net_message *m = &me->net->pending[i];

		if (m->used && m->query == query && m->from == (size_t)(me - me->net->node))
			m->used = false;
	}
}

static bool io_is_warm(void *user, const struct vx6_dht_contact *to)
{
	return true;
}

static void io_random(void *user, void *out, size_t n)
{
	struct net_node *me = user;
	uint8_t *p = out;

	for (size_t i = 0; i < n; i++) {
		me->net->random = me->net->random * 6364136223846793005u + 1442695040888963407u;
		p[i] = (uint8_t)(me->net->random >> 56);
	}
}

static void io_wake_at(void *user, uint64_t ms)
{
	((struct net_node *)user)->wake_ms = ms;
}

static const struct vx6_dht_io io = {
	.abi = VX6_DHT_IO_ABI,
	.query = io_query,
	.cancel = io_cancel,
	.is_warm = io_is_warm,
	.random = io_random,
	.wake_at = io_wake_at,
};

struct net *net_new(void)
{
	struct net *net = vx6_zalloc(sizeof *net);

	net->pending = vx6_zalloc(NET_PENDING_MAX * sizeof *net->pending);
	net->now = (struct vx6_dht_now){.ms = 1000, .wall_s = 1790000100};
	return net;
}

void net_free(struct net *net)
{
	for (size_t i = 0; i < net->n; i++)
		vx6_dht_free(net->node[i].dht);
	free(net->pending);
	free(net);
}

struct net_node *net_add(struct net *net, const char *ip, net_answer_fn *answer, void *user)
{
	struct net_node *n = &net->node[net->n];
	struct vx6_dht_config cfg = {.net = vx6_net_default, .io = &io, .user = n};
	struct vx6_addr a;
	struct vx6_hash h;
	char text[VX6_ADDR_TEXT];

	assert_true(net->n < NET_MAX);
	snprintf(text, sizeof text, strchr(ip, ':') ? "[%s]:4242" : "%s:4242", ip);
	assert_ok(vx6_addr_parse(text, &a));
	vx6_hash_personal("test node", &net->n, sizeof net->n, &h);
	memcpy(n->contact.node.b, h.b, sizeof n->contact.node.b);
	memcpy(n->contact.ip, a.ip, sizeof a.ip);
	n->contact.port = a.port;
	n->contact.via = VX6_DHT_VIA_QUIC;
	n->net = net;
	n->wake_ms = UINT64_MAX;
	n->answer = answer;
	n->answer_user = user;
	vx6_dht_contact_pos(&vx6_net_default, &n->contact, &n->pos);
	net->n++;
	if (!answer) {
		cfg.self = n->contact.node;
		n->dht = vx6_dht_new(&cfg);
		vx6_dht_set_self(n->dht, &n->contact, &net->now);
	}
	return n;
}

void net_lead(struct net_node *n, const struct vx6_dht_guides *guides, net_lead_fn *lead,
	      void *user)
{
	struct vx6_dht_config cfg = {.net = vx6_net_default,
				     .self = n->contact.node,
				     .io = &n->io,
				     .user = n};

	vx6_dht_free(n->dht);
	n->io = io;
	n->io.guides = guides;
	n->lead = lead;
	n->lead_user = user;
	n->wake_ms = UINT64_MAX;
	n->dht = vx6_dht_new(&cfg);
}

void net_add_many(struct net *net, size_t n)
{
	char ip[64];

	for (size_t i = 0; i < n; i++) {
		snprintf(ip, sizeof ip, "2a00:%zx:%zx::1", 1 + net->n / 256, net->n % 256);
		net_add(net, ip, NULL, NULL);
	}
}

void net_introduce_all(struct net *net)
{
	for (size_t i = 0; i < net->n; i++)
		for (size_t j = 0; j < net->n && net->node[i].dht; j++)
			if (i != j)
				vx6_dht_met(net->node[i].dht, &net->node[j].contact, VX6_DHT_PROVED,
					    &net->now);
}

struct net_node *net_find(struct net *net, const struct vx6_node_id *id)
{
	for (size_t i = 0; i < net->n; i++)
		if (vx6_node_id_eq(&net->node[i].contact.node, id))
			return &net->node[i];
	fail_msg("no such node");
	return NULL;
}

static size_t serve(struct net *net, const struct net_message *m, uint8_t *out)
{
	struct net_node *to = &net->node[m->to], *from = &net->node[m->from];
	struct vx6_dht_requester who = {.has_node = true, .node = from->contact.node};
	struct vx6_dht_req req;

	to->asked++;
	if (to->answer) {
		assert_ok(vx6_dht_req_decode(m->req, m->n, &req));
		return to->answer(to->answer_user, &req, out);
	}
	memcpy(who.ip, from->contact.ip, sizeof who.ip);
	if (from->lead) /* who is seen is whoever leads there */
		who = (struct vx6_dht_requester){.ip = {0x2b, [5] = m->path}};
	return vx6_dht_serve(to->dht, &who, m->req, m->n, out, &net->now);
}

static size_t lead(struct net_node *from, const struct net_message *m, uint8_t *out)
{
	struct vx6_dht_req req;

	assert_ok(vx6_dht_req_decode(m->req, m->n, &req));
	assert_true(from->may_put || req.op != VX6_DHT_PUT);
	return from->lead(from->lead_user, m->path, &req, out);
}

static void deliver(struct net *net, struct net_message *slot)
{
	uint8_t out[VX6_DHT_RESPONSE_MAX];
	struct net_message m = *slot;
	size_t n;

	slot->used = false;
	n = SIZE_MAX;
	if (net->node[m.from].lead)
		n = lead(&net->node[m.from], &m, out);
	if (n == SIZE_MAX) {
		if (m.to == NET_MAX || net->node[m.to].dead)
			return;
		n = serve(net, &m, out);
	}
	if (n > 0)
		vx6_dht_answered(net->node[m.from].dht, m.query, out, n, &net->now);
}

void net_run(struct net *net, uint64_t ms)
{
	uint64_t end = net->now.ms + ms;

	while (net->now.ms <= end) {
		uint64_t next = end + 1;

		for (size_t i = 0; i < NET_PENDING_MAX; i++)
			if (net->pending[i].used && net->pending[i].at_ms <= net->now.ms)
				deliver(net, &net->pending[i]);
		for (size_t i = 0; i < net->n; i++)
			if (net->node[i].wake_ms <= net->now.ms) {
				net->node[i].wake_ms = UINT64_MAX;
				vx6_dht_step(net->node[i].dht, &net->now);
			}
		for (size_t i = 0; i < NET_PENDING_MAX; i++)
			if (net->pending[i].used)
				next = VX6_MIN(next, net->pending[i].at_ms);
		for (size_t i = 0; i < net->n; i++)
			next = VX6_MIN(next, net->node[i].wake_ms);
		net->now.wall_s += VX6_MAX(next, net->now.ms) / 1000 - net->now.ms / 1000;
		net->now.ms = VX6_MAX(next, net->now.ms);
	}
}

size_t net_compose(uint8_t op, const struct vx6_dht_contact *nodes, size_t n, const uint8_t *record,
		   size_t record_n, uint8_t *out)
{
	const uint8_t token[VX6_DHT_TOKEN_BYTES] = {1};
	struct vx6_dht_resp_wr b;
	struct vx6_wr w;
	size_t len;

	vx6_wr_init(&w, out, VX6_DHT_RESPONSE_MAX);
	vx6_dht_resp_begin(&b, &w, op, 0, token);
	for (size_t i = 0; i < n; i++) {
		struct vx6_dht_node node = {.port = nodes[i].port, .via = nodes[i].via};

		memcpy(node.node_id, nodes[i].node.b, sizeof node.node_id);
		memcpy(node.ip, nodes[i].ip, sizeof node.ip);
		vx6_dht_resp_add_node(&b, &node);
	}
	if (record)
		assert_true(vx6_dht_resp_add_value(&b, 1, record, record_n));
	vx6_dht_resp_end(&b);
	assert_ok(vx6_wr_done(&w, &len));
	return len;
}
