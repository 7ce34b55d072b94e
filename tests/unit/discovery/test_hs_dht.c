/* Descriptors of hidden services over circuits: published where they are found, fetched from both keys, weighed. */
#include "tests/unit/discovery/proxy_net.h"

#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "dht/key.h"
#include "discovery/hs_alias.h"
#include "discovery/hs_dht.h"
#include "tests/unit/discovery/alias.h"
#include "tests/unit/vtime.h"
#include "wire/code.h"

enum {
	RUN_MS = 60 * 1000,
	MINUTE_MS = 60 * 1000,
	PERIOD = 90000,
	MIDDLE_S = VX6_HS_PERIOD_S / 2,
	OTHERS = HOSTS - 1,
	HOLDERS = VX6_DHT_HOLDERS,
};

/* ---- time ---- */

static uint64_t began_s, began_ms; /* on the wall, and of the loop */

uint64_t __wrap_vx6_wall_s(void);
uint64_t __wrap_vx6_wall_ms(void);

uint64_t __wrap_vx6_wall_ms(void)
{
	return began_s * 1000 + vtime_ms() - began_ms;
}

uint64_t __wrap_vx6_wall_s(void)
{
	return __wrap_vx6_wall_ms() / 1000;
}

static void set_time(uint64_t into_period_s)
{
	began_s = (uint64_t)PERIOD * VX6_HS_PERIOD_S + into_period_s;
	began_ms = vtime_ms();
}

/* ---- a service ---- */

static struct vx6_sign_keypair service;

struct desc {
	uint8_t b[VX6_HS_DESC_BYTES];
	size_t n;
	uint64_t period, seq;
};

static void describe(struct desc *d, const struct vx6_sign_keypair *of, uint64_t period,
		     uint64_t seq)
{
	struct vx6_hs_desc what = {.seq = seq, .period = period};

	d->period = period;
	d->seq = seq;
	assert_true(vx6_is_ok(vx6_hs_desc_build(&what, of, NULL, 0, &vx6_net_default, vx6_wall_s(),
						d->b, &d->n)));
}

static struct vx6_dht_key key_at(const struct vx6_sign_keypair *of, uint64_t period, unsigned i)
{
	struct vx6_hs_names names;
	struct vx6_dht_key key;

	assert_true(vx6_is_ok(vx6_hs_names(&of->pk, period, &names)));
	vx6_dht_key_descriptor(&vx6_net_default, names.blinded.b, i, period, &key);
	return key;
}

/* ---- holders ---- */

static uint16_t ask(struct host *h, struct vx6_dht_req *req, uint8_t *out,
		    struct vx6_dht_resp *resp)
{
	const struct vx6_dht_requester who = {.ip = {0xfd, [15] = 9}};
	static uint8_t bytes[VX6_DHT_REQ_MAX];
	struct vx6_dht_now now = now_is();
	struct vx6_wr w;

	vx6_wr_init(&w, bytes, sizeof bytes);
	vx6_dht_req_encode(&w, req);
	assert_true(vx6_is_ok(
		vx6_dht_resp_decode(out, vx6_dht_serve(h->dht, &who, bytes, w.len, out, &now),
				    resp)));
	return resp->status;
}

/* @return the status */
static uint16_t put_at(struct host *h, const struct desc *d, const struct vx6_dht_key *key)
{
	static uint8_t out[VX6_DHT_RESPONSE_MAX];
	struct vx6_dht_req req = {.op = VX6_DHT_GET};
	struct vx6_dht_resp resp;

	memcpy(req.key, key->b, sizeof req.key);
	ask(h, &req, out, &resp);
	req.op = VX6_DHT_PUT;
	memcpy(req.token, resp.token, sizeof req.token);
	req.record = d->b;
	req.record_n = d->n;
	return ask(h, &req, out, &resp);
}

/* At @p n of them, under both keys. */
static void put_from(int first, int n, const struct desc *d)
{
	for (unsigned i = 1; i <= 2; i++) {
		struct vx6_dht_key key = key_at(&service, d->period, i);

		for (int k = first; k < first + n; k++)
			assert_int_equal(put_at(&host[k], d, &key), 0);
	}
}

static bool holds(struct host *h, const struct desc *d, unsigned i)
{
	static uint8_t out[VX6_DHT_RESPONSE_MAX];
	struct vx6_dht_key key = key_at(&service, d->period, i);
	struct vx6_dht_req req = {.op = VX6_DHT_GET};
	struct vx6_dht_resp resp;
	const uint8_t *record;
	bool found = false;
	uint32_t age_s;
	size_t n;

	memcpy(req.key, key.b, sizeof req.key);
	ask(h, &req, out, &resp);
	while (vx6_dht_resp_value(&resp, &age_s, &record, &n))
		found |= n == d->n && memcmp(record, d->b, n) == 0;
	return found;
}

static unsigned holders(const struct desc *d, unsigned i)
{
	unsigned n = 0;

	for (int k = 1; k < HOSTS; k++)
		n += holds(&host[k], d, i);
	return n;
}

/* What the holders below say that they have; NULL: nothing. */
static const struct desc *said;

/* Takes everything, keeps nothing, and has an answer of its own. */
static size_t serve_badly(struct host *h, const uint8_t *bytes, size_t n,
			  uint8_t out[static VX6_DHT_RESPONSE_MAX])
{
	const struct vx6_dht_requester who = {.ip = {0xfd, [15] = 9}};
	static uint8_t real[VX6_DHT_RESPONSE_MAX];
	struct vx6_dht_now now = now_is();
	struct vx6_dht_resp resp;
	struct vx6_dht_resp_wr b;
	struct vx6_dht_node node;
	struct vx6_dht_req req;
	struct vx6_wr w;

	assert_true(vx6_is_ok(vx6_dht_req_decode(bytes, n, &req)));
	assert_true(vx6_is_ok(vx6_dht_resp_decode(real,
						  vx6_dht_serve(h->dht, &who, bytes, n, real, &now),
						  &resp)));
	vx6_wr_init(&w, out, VX6_DHT_RESPONSE_MAX);
	vx6_dht_resp_begin(&b, &w, req.op, 0, resp.token);
	while (vx6_dht_resp_node(&resp, &node))
		vx6_dht_resp_add_node(&b, &node);
	if (req.op == VX6_DHT_GET && said)
		assert_true(vx6_dht_resp_add_value(&b, 7, said->b, said->n));
	vx6_dht_resp_end(&b);
	return w.len;
}

/* ---- life ---- */

static struct vx6_hs_dht *h;
static const struct vx6_hs_dht_config config = {.ways = &proxy_ways,
						.pick = proxy_pick,
						.other = proxy_other};

static int setup(void **state)
{
	struct vx6_sign_seed seed = {.b = {7}};
	struct vx6_hs_dht_config cfg = config;

	set_time(0);
	proxy_net_start();
	set_time(MIDDLE_S);
	vx6_sign_keypair_from_seed(&seed, &service);
	said = NULL;
	cfg.loop = test_loop;
	cfg.sessions = us->node.m;
	cfg.net = vx6_net_default;
	h = vx6_hs_dht_new(&cfg);
	return 0;
}

static void disown(void);

static int teardown(void **state)
{
	disown(); /* a test that failed has not */
	vx6_hs_dht_free(h);
	proxy_net_end();
	return 0;
}

/* ---- fetching ---- */

struct fetched {
	unsigned done, early;
	struct vx6_hs_fetched f;
	uint8_t record[VX6_HS_DESC_BYTES];
};

static void on_fetched(void *user, const struct vx6_hs_fetched *f)
{
	struct fetched *o = user;

	o->done++;
	o->f = *f;
	if (f->record)
		memcpy(o->record, f->record, f->n);
}

static void on_early(void *user, const struct vx6_hs_fetched *f)
{
	struct fetched *o = user;

	assert_int_equal(o->done, 0);
	assert_int_equal(f->err.code, VX6_E_OK);
	assert_in_range(f->sources, VX6_HS_AGREE, 4);
	assert_false(f->confirmed);
	o->early++;
	memcpy(o->record, f->record, f->n);
}

static struct fetched fetch_as(const struct vx6_hs_fetch_ask *ask)
{
	uint64_t end = vtime_ms() + RUN_MS;
	struct fetched o = {0};

	assert_non_null(vx6_hs_fetch(h, ask, on_fetched, &o));
	assert_int_equal(o.done, 0);
	while (!o.done && vtime_ms() < end)
		test_run_ms(20);
	assert_int_equal(o.done, 1);
	return o;
}

static struct fetched fetch(bool strict)
{
	return fetch_as(&(struct vx6_hs_fetch_ask){.service = service.pk, .strict = strict});
}

static void assert_brought(const struct fetched *o, const struct desc *d)
{
	assert_int_equal(o->f.err.code, VX6_E_OK);
	assert_int_equal(o->f.n, d->n);
	assert_memory_equal(o->record, d->b, d->n);
	assert_int_equal(o->f.seq, d->seq);
	assert_int_equal(o->f.period, d->period);
}

static void fetch__everybody_has_it__four_sources_agree(void **state)
{
	struct fetched o;
	struct desc d;

	describe(&d, &service, PERIOD, 3);
	put_from(1, OTHERS, &d);
	for (int strict = 0; strict < 2; strict++) {
		o = fetch(strict);
		assert_brought(&o, &d);
		assert_true(o.f.confirmed);
		assert_int_equal(o.f.sources, 4);
		assert_int_equal(o.f.asked, 4);
		assert_true(o.f.holders >= 8);
		assert_int_equal(o.f.refetch_s, 0);
		assert_string_equal(o.f.detail, "");
	}
}

static void fetch__two_agree__is_told_before_the_others_were_heard(void **state)
{
	struct vx6_hs_fetch_ask ask = {.service = service.pk, .early = on_early};
	struct fetched o;
	struct desc d;

	o = fetch_as(&ask);
	assert_int_equal(o.early, 0);
	describe(&d, &service, PERIOD, 3);
	put_from(1, OTHERS, &d);
	o = fetch_as(&ask);
	assert_int_equal(o.early, 1);
	assert_brought(&o, &d);
	assert_true(o.f.confirmed);
	ask.strict = true;
	o = fetch_as(&ask);
	assert_int_equal(o.early, 0);
	assert_true(o.f.confirmed);
	ask.strict = false;
	ask.seen = &(struct vx6_hs_seen){PERIOD, 4};
	ask.seen_n = 1;
	o = fetch_as(&ask);
	assert_int_equal(o.early, 0);
	assert_int_equal(o.f.err.code, VX6_E_STALE);
}

static void fetch__nobody_has_it__is_final(void **state)
{
	struct fetched o = fetch(false);

	assert_int_equal(o.f.err.code, VX6_E_NOT_FOUND);
	assert_null(o.f.record);
	assert_int_equal(o.f.asked, 4);
	assert_string_not_equal(o.f.detail, "");
}

static void fetch__one_key_only__is_found(void **state)
{
	struct vx6_dht_key key = key_at(&service, PERIOD, 2);
	struct fetched o;
	struct desc d;

	describe(&d, &service, PERIOD, 3);
	for (int k = 1; k < HOSTS; k++)
		assert_int_equal(put_at(&host[k], &d, &key), 0);
	o = fetch(true);
	assert_brought(&o, &d);
	assert_true(o.f.confirmed);
	assert_int_equal(o.f.sources, 2);
}

/* Half of the holders, which do not know each other's faults. */
static void bad_half(const struct desc *what)
{
	said = what;
	for (int k = 1; k < HOSTS; k += 2)
		host[k].serve = serve_badly;
}

static void fetch__half_of_the_holders_bad__the_newest_is_confirmed(void **state)
{
	struct vx6_sign_seed seed = {.b = {8}};
	struct desc old, now, foreign, forged;
	const struct desc *bad[] = {&old, &foreign, &forged, NULL};
	struct vx6_sign_keypair other;
	struct fetched o;

	vx6_sign_keypair_from_seed(&seed, &other);
	describe(&old, &service, PERIOD, 3);
	describe(&now, &service, PERIOD, 4);
	describe(&foreign, &other, PERIOD, 9);
	describe(&forged, &service, PERIOD, 9);
	forged.b[forged.n - 1] ^= 1;
	put_from(1, OTHERS, &now);
	for (size_t i = 0; i < VX6_ARRAY_N(bad); i++) {
		bad_half(bad[i]);
		for (int strict = 0; strict < 2; strict++) {
			o = fetch(strict);
			assert_brought(&o, &now);
			assert_true(o.f.confirmed);
		}
	}
}

static void fetch__one_source__is_flagged_or_refused(void **state)
{
	struct fetched o;
	struct desc d;

	describe(&d, &service, PERIOD, 3);
	put_from(1, OTHERS, &d);
	only = 4;
	for (int k = 2; k <= 4; k++)
		host[k].lies = true; /* as proxies */
	o = fetch(false);
	assert_brought(&o, &d);
	assert_false(o.f.confirmed);
	assert_int_equal(o.f.sources, 1);
	assert_int_equal(o.f.refetch_s, VX6_HS_REFETCH_S);
	assert_string_not_equal(o.f.detail, "");
	o = fetch(true);
	assert_int_equal(o.f.err.code, VX6_E_NO_QUORUM);
	assert_null(o.f.record);
	assert_int_equal(o.f.sources, 1);
	/* the circuits were others the second time: as many proxies as can be were asked */
	assert_int_equal(o.f.asked, 4);
}

static void fetch__proxies_are_few__none_serves_both_keys(void **state)
{
	struct fetched o;
	struct desc d;

	describe(&d, &service, PERIOD, 3);
	put_from(1, OTHERS, &d);
	only = 2;
	o = fetch(true);
	assert_brought(&o, &d);
	assert_int_equal(o.f.asked, 2);
	only = 1;
	o = fetch(false);
	assert_brought(&o, &d);
	assert_int_equal(o.f.asked, 1);
	assert_false(o.f.confirmed);
	only = 0;
	o = fetch(false);
	assert_int_equal(o.f.err.code, VX6_E_NO_RELAYS);
	only = OTHERS;
	ordinary = NULL;
	o = fetch(false);
	assert_int_equal(o.f.err.code, VX6_E_UNREACHABLE);
	ordinary = us->dht;
}

static void fetch__older_than_what_was_seen__is_never_taken(void **state)
{
	struct vx6_hs_seen seen[] = {{PERIOD - 1, 90}, {PERIOD, 4}};
	struct vx6_hs_fetch_ask ask = {.service = service.pk, .seen = seen, .seen_n = 2};
	struct fetched o;
	struct desc d;

	describe(&d, &service, PERIOD, 4);
	put_from(1, OTHERS, &d);
	o = fetch_as(&ask);
	assert_brought(&o, &d);
	seen[1].seq = 5;
	for (int strict = 0; strict < 2; strict++) {
		ask.strict = strict;
		o = fetch_as(&ask);
		assert_int_equal(o.f.err.code, VX6_E_STALE);
		assert_null(o.f.record);
	}
}

static void fetch__near_an_edge__the_neighbour_is_good(void **state)
{
	struct fetched o;
	struct desc d;

	set_time(VX6_HS_EDGE_S - 60);
	describe(&d, &service, PERIOD - 1, 3);
	put_from(1, OTHERS, &d);
	o = fetch(true);
	assert_brought(&o, &d);
	set_time(VX6_HS_EDGE_S + 60);
	o = fetch(true);
	assert_int_equal(o.f.err.code, VX6_E_NOT_FOUND);
	set_time(VX6_HS_PERIOD_S - 60);
	describe(&d, &service, PERIOD + 1, 3);
	put_from(1, OTHERS, &d);
	o = fetch(true);
	assert_brought(&o, &d);
}

static void fetch__key_that_is_none__is_said(void **state)
{
	struct vx6_hs_fetch_ask ask = {.service = {.b = {0}}};
	struct fetched o = fetch_as(&ask);

	assert_int_equal(o.f.err.code, VX6_E_KEY);
}

/* @return how many proxies there is a way to; @p out: which */
static unsigned ready(struct host *out[static HOSTS])
{
	unsigned n = 0;

	for (int k = 1; k < HOSTS; k++)
		if (host[k].from_us)
			out[n++] = &host[k];
	return n;
}

static void fetch__soon_after_another__its_proxies_stand_ready(void **state)
{
	struct host *first[HOSTS], *next[HOSTS];
	unsigned before;
	struct desc d;

	describe(&d, &service, PERIOD, 3);
	put_from(1, OTHERS, &d);
	assert_int_equal(ready(first), 0); /* nobody is asked before there is something to ask */
	(void)fetch(false);
	assert_int_equal(ready(first), 0);
	test_run_ms(2000);
	assert_int_equal(ready(first), 2);
	before = first[0]->vias + first[1]->vias;
	assert_true(fetch(false).f.confirmed);
	assert_true(first[0]->vias + first[1]->vias > before);
	/* they have served: others stand ready now */
	assert_int_equal(ready(first), 0);
	test_run_ms(2000);
	assert_int_equal(ready(first), 2);
	/* one that is lost is replaced */
	vx6_session_close(first[0]->from_us, VX6_ERR(IDLE));
	test_run_ms(16000);
	assert_int_equal(ready(next), 2);
	assert_true(next[0] != first[0] && next[1] != first[0]);
	/* nothing was looked for */
	test_run_ms(10 * MINUTE_MS);
	assert_int_equal(ready(first), 0);
}

static void fetch__cancelled_or_left__is_silent(void **state)
{
	struct vx6_hs_fetch_ask ask = {.service = service.pk};
	struct fetched o = {0};
	struct vx6_hs_fetch *f;

	for (unsigned ms = 0; ms < 60; ms += 4) {
		f = vx6_hs_fetch(h, &ask, on_fetched, &o);
		test_run_ms(ms);
		if (!o.done)
			vx6_hs_fetch_cancel(f);
		o.done = 0;
		test_run_ms(100);
		assert_int_equal(o.done, 0);
	}
	vx6_hs_fetch(h, &ask, on_fetched, &o); /* teardown frees all */
}

/* ---- publishing ---- */

static struct {
	struct vx6_hs_publisher *p;
	unsigned changed, renewed, newer;
	uint64_t renew_period, newer_seq, renew_ms;
	bool gives; /* a newer one when it is asked */
	bool leaves;
} owner;

static void on_changed(void *user)
{
	owner.changed++;
	if (owner.leaves)
		vx6_hs_publisher_free(owner.p);
	if (owner.leaves)
		owner.p = NULL;
	owner.leaves = false;
}

static void on_renew(void *user, uint64_t period)
{
	struct desc d;

	owner.renewed++;
	owner.renew_period = period;
	owner.renew_ms = vtime_ms();
	describe(&d, &service, period, 50 + owner.renewed);
	if (owner.gives)
		assert_true(vx6_is_ok(vx6_hs_publish(owner.p, d.b, d.n)));
}

static void on_newer(void *user, const uint8_t *record, size_t n)
{
	struct vx6_record rec;

	assert_true(vx6_is_ok(vx6_record_parse(record, n, &rec)));
	owner.newer++;
	owner.newer_seq = rec.view.seq;
}

static void own(void)
{
	static const struct vx6_hs_publisher_events events = {.changed = on_changed,
							      .renew = on_renew,
							      .newer = on_newer};

	memset(&owner, 0, sizeof owner);
	owner.p = vx6_hs_publisher_new(h, &events, NULL);
}

static void disown(void)
{
	vx6_hs_publisher_free(owner.p);
	owner.p = NULL;
}

static struct vx6_hs_publish_row row(size_t i)
{
	struct vx6_hs_publish_info info;

	vx6_hs_publisher_info(owner.p, &info);
	assert_true(i < info.rows_n);
	return info.row[i];
}

static size_t rows(void)
{
	struct vx6_hs_publish_info info;

	vx6_hs_publisher_info(owner.p, &info);
	return info.rows_n;
}

static bool is_proved(size_t i)
{
	struct vx6_hs_publish_row r = row(i);

	return !r.index[0].busy && !r.index[1].busy && r.index[0].proved_ms && r.index[1].proved_ms;
}

static void wait_proved(size_t i)
{
	uint64_t end = vtime_ms() + RUN_MS;

	while (!is_proved(i) && vtime_ms() < end)
		test_run_ms(20);
	assert_true(is_proved(i));
}

static void publish__both_keys__holders_prove_it(void **state)
{
	struct fetched o;
	struct desc d;

	own();
	describe(&d, &service, PERIOD, 1);
	assert_true(vx6_is_ok(vx6_hs_publish(owner.p, d.b, d.n)));
	wait_proved(0);
	for (unsigned i = 0; i < 2; i++) {
		struct vx6_hs_publish_row r = row(0);

		assert_int_equal(r.index[i].wanted, HOLDERS);
		assert_int_equal(r.index[i].proved, HOLDERS);
		assert_int_equal(r.index[i].holders_n, HOLDERS);
		assert_true(r.index[i].took_ms > 0);
		assert_true(vx6_is_ok(r.index[i].last_err));
		assert_true(holders(&d, i + 1) >= HOLDERS);
	}
	assert_true(owner.changed > 0);
	assert_int_equal(owner.newer, 0);
	o = fetch(true);
	assert_brought(&o, &d);
	disown();
}

static void publish__a_newer_one__replaces_it_under_way_or_later(void **state)
{
	struct desc d[3];

	own();
	for (unsigned i = 0; i < 3; i++)
		describe(&d[i], &service, PERIOD, i + 1);
	assert_true(vx6_is_ok(vx6_hs_publish(owner.p, d[0].b, d[0].n)));
	test_run_ms(0); /* it has begun: the whole of it takes less than a millisecond */
	assert_true(row(0).index[0].busy && row(0).index[1].busy);
	assert_true(vx6_is_ok(vx6_hs_publish(owner.p, d[1].b, d[1].n)));
	assert_int_equal(vx6_hs_publish(owner.p, d[0].b, d[0].n).code, VX6_E_STALE);
	wait_proved(0);
	assert_int_equal(holders(&d[0], 1) + holders(&d[0], 2), 0);
	assert_true(holders(&d[1], 1) >= HOLDERS && holders(&d[1], 2) >= HOLDERS);
	assert_true(vx6_is_ok(vx6_hs_publish(owner.p, d[2].b, d[2].n)));
	test_run_ms(RUN_MS);
	assert_true(holders(&d[2], 1) >= HOLDERS && holders(&d[2], 2) >= HOLDERS);
	assert_int_equal(row(0).seq, 3);
	assert_int_equal(rows(), 1);
	disown();
}

static void publish__an_hour_or_two__it_is_asked_for_and_goes_out_again(void **state)
{
	uint64_t began = vtime_ms();
	struct desc d;
	int before;

	own();
	describe(&d, &service, PERIOD, 1);
	assert_true(vx6_is_ok(vx6_hs_publish(owner.p, d.b, d.n)));
	wait_proved(0);
	for (int k = 1; k < HOSTS; k++)
		host[k].puts = 0;
	while (owner.renewed == 0 && vtime_ms() < began + 121 * MINUTE_MS)
		test_run_ms(1000);
	assert_int_equal(owner.renewed, 1);
	assert_int_equal(owner.renew_period, PERIOD);
	assert_in_range(owner.renew_ms - began, VX6_HS_PUBLISH_MIN_MS,
			VX6_HS_PUBLISH_MAX_MS + MINUTE_MS);
	/* nobody gives one: the same again after a minute; holders have it, so they are only asked for it */
	before = us->node.ups;
	test_run_ms(2 * MINUTE_MS);
	wait_proved(0);
	assert_true(us->node.ups > before);
	assert_int_equal(row(0).seq, 1);
	disown();
}

static void publish__asked_for_a_newer_one__that_goes_out(void **state)
{
	struct fetched o;
	struct desc d;

	own();
	owner.gives = true;
	describe(&d, &service, PERIOD, 1);
	assert_true(vx6_is_ok(vx6_hs_publish(owner.p, d.b, d.n)));
	while (owner.renewed == 0)
		test_run_ms(1000);
	assert_int_equal(row(0).seq, 51);
	wait_proved(0);
	o = fetch(true);
	assert_int_equal(o.f.err.code, VX6_E_OK);
	assert_int_equal(o.f.seq, 51);
	disown();
}

static void publish__two_periods__side_by_side_until_they_are_over(void **state)
{
	struct desc before, now;

	set_time(VX6_HS_EDGE_S / 2);
	own();
	describe(&now, &service, PERIOD, 1);
	describe(&before, &service, PERIOD - 1, 7);
	assert_true(vx6_is_ok(vx6_hs_publish(owner.p, now.b, now.n)));
	assert_true(vx6_is_ok(vx6_hs_publish(owner.p, before.b, before.n)));
	assert_int_equal(rows(), 2);
	assert_int_equal(row(0).period, PERIOD - 1);
	assert_int_equal(row(1).period, PERIOD);
	wait_proved(0);
	wait_proved(1);
	assert_true(holders(&before, 1) >= HOLDERS && holders(&now, 2) >= HOLDERS);
	test_run_ms(125 * MINUTE_MS);
	assert_int_equal(rows(), 1);
	assert_int_equal(row(0).period, PERIOD);
	disown();
}

static void publish__an_earlier_life_was_further__its_owner_learns(void **state)
{
	struct desc d, earlier;

	own();
	describe(&earlier, &service, PERIOD, 9);
	put_from(1, OTHERS, &earlier);
	describe(&d, &service, PERIOD, 1);
	assert_true(vx6_is_ok(vx6_hs_publish(owner.p, d.b, d.n)));
	for (unsigned i = 0; i < 200 && owner.newer == 0; i++)
		test_run_ms(100);
	assert_true(owner.newer > 0);
	assert_int_equal(owner.newer_seq, 9);
	assert_int_equal(row(0).index[0].proved, 0);
	describe(&d, &service, PERIOD, 10);
	assert_true(vx6_is_ok(vx6_hs_publish(owner.p, d.b, d.n)));
	wait_proved(0);
	assert_true(holders(&d, 1) >= HOLDERS);
	disown();
}

static void publish__proxies_that_swallow_it__are_found_out(void **state)
{
	struct fetched o;
	struct desc d;

	own();
	for (int k = 1; k <= 3; k++)
		host[k].lies = true;
	describe(&d, &service, PERIOD, 1);
	assert_true(vx6_is_ok(vx6_hs_publish(owner.p, d.b, d.n)));
	/* the tries become rare, and each may meet liars again: chance may take it all the time that there is */
	for (unsigned ms = 0; ms < VX6_HS_PUBLISH_MIN_MS - MINUTE_MS && !is_proved(0);
	     ms += 10 * 1000)
		test_run_ms(10 * 1000);
	assert_true(is_proved(0));
	assert_true(holders(&d, 1) >= 5 && holders(&d, 2) >= 5);
	for (int k = 1; k <= 3; k++)
		host[k].lies = false;
	o = fetch(true);
	/* those that swallowed it are not asked for a while: too few may be left for two that agree */
	for (unsigned i = 0; i < 5 && !vx6_is_ok(o.f.err); i++) {
		test_run_ms(MINUTE_MS);
		o = fetch(true);
	}
	assert_brought(&o, &d);
	disown();
}

static void publish__nothing_to_reach_anybody__is_tried_again(void **state)
{
	struct desc d;

	own();
	ordinary = NULL;
	describe(&d, &service, PERIOD, 1);
	assert_true(vx6_is_ok(vx6_hs_publish(owner.p, d.b, d.n)));
	test_run_ms(30 * 1000);
	assert_int_equal(row(0).index[0].last_err.code, VX6_E_UNREACHABLE);
	assert_int_equal(row(0).index[1].proved, 0);
	ordinary = us->dht;
	test_run_ms(2 * MINUTE_MS);
	assert_true(is_proved(0));
	disown();
}

static void publish__what_is_none__is_refused(void **state)
{
	struct desc d;

	own();
	describe(&d, &service, PERIOD, 1);
	assert_false(vx6_is_ok(vx6_hs_publish(owner.p, d.b, d.n - 1)));
	d.b[4] = VX6_RTYPE_CATALOG;
	assert_false(vx6_is_ok(vx6_hs_publish(owner.p, d.b, d.n)));
	assert_int_equal(rows(), 0);
	disown();
}

static void publisher__left_at_any_moment__leaves_nothing_behind(void **state)
{
	struct desc d;

	describe(&d, &service, PERIOD, 1);
	for (unsigned ms = 0; ms < 80; ms += 4) {
		own();
		assert_true(vx6_is_ok(vx6_hs_publish(owner.p, d.b, d.n)));
		test_run_ms(ms);
		disown();
		test_run_ms(20);
	}
	own();
	owner.leaves = true; /* from inside a callback */
	assert_true(vx6_is_ok(vx6_hs_publish(owner.p, d.b, d.n)));
	test_run_ms(1000);
	assert_null(owner.p);
}

/* ---- what it goes over ---- */

static struct vx6_routing how[64];
static unsigned hows;

uint64_t __wrap_vx6_circuits_route(struct vx6_circuits *c, const struct vx6_node_id *target,
				   const struct vx6_routing *r);
uint64_t __wrap_vx6_circuits_route(struct vx6_circuits *c, const struct vx6_node_id *target,
				   const struct vx6_routing *r)
{
	if (hows < VX6_ARRAY_N(how))
		how[hows++] = *r;
	return 0; /* there is no way */
}

static void nothing_found(void *user, const struct vx6_hs_alias_found *f)
{
	(void)user;
	assert_false(vx6_is_ok(f->err));
}

static void nothing(void *user)
{
	(void)user;
}

/* As what it publishes and fetches, what a service claims and who looks for that goes over circuits that nothing else uses. */
static void claim_or_find(bool claims)
{
	static const struct vx6_hs_claim_events events = {.changed = nothing};
	struct vx6_hs_claim *c = NULL;
	struct alias_claim what;

	if (!claims) {
		assert_non_null(vx6_hs_alias_find(h, "ghost", nothing_found, NULL));
		test_run_ms(RUN_MS);
		return;
	}
	alias_claim(&what, 7, "ghost", 1, false);
	c = vx6_hs_claim_new(h, "ghost", &events, NULL);
	assert_true(vx6_is_ok(vx6_hs_claim_publish(c, what.b, what.n)));
	test_run_ms(1000);
	vx6_hs_claim_free(c);
}

static void circuits__of_all__a_vanguard_and_one_more_before_the_proxy(void **state)
{
	struct vx6_hs_dht_config cfg = config;
	struct desc d;
	const char *why;

	vx6_hs_dht_free(h);
	cfg.ways = NULL;
	cfg.loop = test_loop;
	cfg.sessions = us->node.m;
	cfg.net = vx6_net_default;
	h = vx6_hs_dht_new(&cfg);
	for (int what = 0; what < 4; what++) {
		hows = 0;
		own();
		describe(&d, &service, PERIOD, 1);
		if (what >= 2) {
			claim_or_find(what == 3);
		} else if (what == 1) {
			assert_true(vx6_is_ok(vx6_hs_publish(owner.p, d.b, d.n)));
			test_run_ms(1000);
		} else {
			(void)fetch(false);
		}
		assert_true(hows >= 4);
		for (unsigned i = 0; i < hows; i++) {
			assert_true(how[i].vanguard && how[i].anonymous && how[i].apart);
			assert_int_equal(vx6_routing_relays(&how[i]), 3);
			assert_true(vx6_routing_is_valid(&how[i], &why));
		}
		disown();
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(fetch__everybody_has_it__four_sources_agree),
		TEST(fetch__two_agree__is_told_before_the_others_were_heard),
		TEST(fetch__nobody_has_it__is_final),
		TEST(fetch__one_key_only__is_found),
		TEST(fetch__half_of_the_holders_bad__the_newest_is_confirmed),
		TEST(fetch__one_source__is_flagged_or_refused),
		TEST(fetch__proxies_are_few__none_serves_both_keys),
		TEST(fetch__older_than_what_was_seen__is_never_taken),
		TEST(fetch__near_an_edge__the_neighbour_is_good),
		TEST(fetch__key_that_is_none__is_said),
		TEST(fetch__soon_after_another__its_proxies_stand_ready),
		TEST(fetch__cancelled_or_left__is_silent),
		TEST(publish__both_keys__holders_prove_it),
		TEST(publish__a_newer_one__replaces_it_under_way_or_later),
		TEST(publish__an_hour_or_two__it_is_asked_for_and_goes_out_again),
		TEST(publish__asked_for_a_newer_one__that_goes_out),
		TEST(publish__two_periods__side_by_side_until_they_are_over),
		TEST(publish__an_earlier_life_was_further__its_owner_learns),
		TEST(publish__proxies_that_swallow_it__are_found_out),
		TEST(publish__nothing_to_reach_anybody__is_tried_again),
		TEST(publish__what_is_none__is_refused),
		TEST(publisher__left_at_any_moment__leaves_nothing_behind),
		TEST(circuits__of_all__a_vanguard_and_one_more_before_the_proxy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
