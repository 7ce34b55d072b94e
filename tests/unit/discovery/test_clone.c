#include "tests/unit/vectors.h"

#include "base/util.h"
#include "crypto/secret.h"
#include "discovery/clone.h"
#include "record/endpoint.h"
#include "record/service.h"

enum { START = 1790000000, LATER = START + 3600, MINUTE = 60 * 1000 };

struct rig {
	struct vx6_identity id, other;
	struct vx6_clone *c;
	unsigned alarms;
	struct vx6_clone_evidence last;
};

static void alarm_cb(void *user, const struct vx6_clone_evidence *e)
{
	struct rig *r = user;

	r->alarms++;
	r->last = *e;
}

static int setup(void **state)
{
	struct rig *r = vx6_zalloc(sizeof *r);
	struct vx6_clone_config cfg = {.net = vx6_net_default,
				       .started_ms = 10 * MINUTE,
				       .alarm = alarm_cb,
				       .user = r};

	if (!vx6_is_ok(vx6_crypto_init()) ||
	    !vx6_is_ok(vx6_identity_ephemeral(&vx6_net_default, START - 60, &r->id)) ||
	    !vx6_is_ok(vx6_identity_ephemeral(&vx6_net_default, START - 60, &r->other)))
		return 1;
	cfg.self = r->id.id;
	r->c = vx6_clone_new(&cfg);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	vx6_clone_free(r->c);
	vx6_identity_wipe(&r->id);
	vx6_identity_wipe(&r->other);
	free(r);
	return 0;
}

static size_t endpoint(const struct vx6_identity *id, uint64_t seq, uint64_t issued_s,
		       uint8_t out[static VX6_ENDPOINT_MAX])
{
	struct vx6_endpoint e = {.seq = seq, .issued_s = issued_s, .lifetime_s = 7200};
	size_t n;

	assert_ok(vx6_endpoint_build(&e, id, out, &n));
	return n;
}

static size_t service(const struct vx6_identity *id, const char *name, uint64_t seq,
		      uint64_t issued_s, uint8_t out[static VX6_SERVICE_MAX])
{
	struct vx6_service_record s = {.seq = seq,
				       .issued_s = issued_s,
				       .lifetime_s = 7200,
				       .kind = VX6_SERVICE_TCP};
	size_t n;

	vx6_strlcpy(s.name, name, sizeof s.name);
	assert_ok(vx6_service_build(&s, id, out, &n));
	return n;
}

static bool seen(struct rig *r, const uint8_t *b, size_t n)
{
	return vx6_clone_seen(r->c, b, n, LATER, (10 + 60) * MINUTE);
}

static void clone_seen__our_own_records__are_fine(void **state)
{
	struct rig *r = *state;
	uint8_t b[VX6_SERVICE_MAX], old[VX6_SERVICE_MAX];
	size_t old_n = endpoint(&r->id, 5, START + 1, old), n;

	vx6_clone_made(r->c, old, old_n);
	assert_false(seen(r, old, old_n));
	n = endpoint(&r->id, 6, LATER, b);
	vx6_clone_made(r->c, b, n);
	assert_false(seen(r, b, n));
	assert_false(seen(r, old, old_n)); /* still about */
	n = service(&r->id, "web", 7, LATER, b);
	vx6_clone_made(r->c, b, n);
	assert_false(seen(r, b, n));
	assert_int_equal(r->alarms, 0);
}

static void clone_seen__newer_than_what_we_made__alarm_with_it(void **state)
{
	struct rig *r = *state;
	uint8_t b[VX6_ENDPOINT_MAX];
	size_t n = endpoint(&r->id, 5, START + 1, b);

	vx6_clone_made(r->c, b, n);
	n = endpoint(&r->id, 6, LATER, b);
	assert_true(seen(r, b, n));
	assert_int_equal(r->alarms, 1);
	assert_int_equal(r->last.kind, VX6_CLONE_NEWER);
	assert_int_equal(r->last.seq, 6);
	assert_ptr_equal(r->last.record, b);
	assert_int_equal(r->last.n, n);
}

static void clone_seen__same_number_other_bytes__alarm(void **state)
{
	struct rig *r = *state;
	uint8_t b[VX6_ENDPOINT_MAX];
	size_t n = endpoint(&r->id, 5, START + 1, b);

	vx6_clone_made(r->c, b, n);
	n = endpoint(&r->id, 5, START + 2, b);
	assert_true(seen(r, b, n));
	assert_int_equal(r->last.kind, VX6_CLONE_OTHER);
}

static void clone_seen__a_service_that_we_never_offered__alarm(void **state)
{
	struct rig *r = *state;
	uint8_t b[VX6_SERVICE_MAX];
	size_t n = endpoint(&r->id, 50, LATER, b);

	vx6_clone_made(r->c, b, n);
	n = service(&r->id, "web", 20, LATER, b); /* its number is below our highest */
	assert_true(seen(r, b, n));
	assert_int_equal(r->alarms, 1);
}

static void clone_seen__of_a_run_before__is_ours(void **state)
{
	struct rig *r = *state;
	uint8_t b[VX6_SERVICE_MAX];

	assert_false(seen(r, b, service(&r->id, "web", 900, START - 1800, b)));
	assert_false(seen(r, b, endpoint(&r->id, 901, START + 2, b)));
	assert_int_equal(r->alarms, 0);
}

static void clone_seen__of_others_or_forged__nothing(void **state)
{
	struct rig *r = *state;
	uint8_t b[VX6_ENDPOINT_MAX];
	size_t n = endpoint(&r->other, 6, LATER, b);

	assert_false(seen(r, b, n));
	n = endpoint(&r->id, 6, LATER, b);
	b[n - 1] ^= 1;
	assert_false(seen(r, b, n));
	for (size_t cut = 0; cut < n; cut++) {
		uint8_t *copy = exact_copy(b, cut);

		assert_false(seen(r, copy, cut));
		free(copy);
	}
	assert_int_equal(r->alarms, 0);
}

static void clone_alarm__once_in_five_minutes__and_says_how_many_more(void **state)
{
	struct rig *r = *state;
	uint8_t b[VX6_ENDPOINT_MAX];

	for (uint64_t i = 0; i < 10; i++) {
		size_t n = endpoint(&r->id, 100 + i, LATER, b);

		assert_true(vx6_clone_seen(r->c, b, n, LATER, (30 + i) * MINUTE));
	}
	assert_int_equal(r->alarms, 2);
	assert_int_equal(r->last.suppressed, 4);
}

static void clone_met__alarm_with_its_address(void **state)
{
	static const struct vx6_addr a = {.family = VX6_ADDR_IP, .port = 77};
	struct rig *r = *state;

	for (unsigned i = 0; i < 100; i++)
		vx6_clone_met(r->c, &a, 1000 + i);
	assert_int_equal(r->alarms, 1);
	assert_int_equal(r->last.kind, VX6_CLONE_SESSION);
	assert_int_equal(r->last.addr.port, 77);
	assert_null(r->last.record);
	vx6_clone_met(r->c, &a, 6 * MINUTE);
	assert_int_equal(r->alarms, 2);
	assert_int_equal(r->last.suppressed, 99);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(clone_seen__our_own_records__are_fine),
		TEST(clone_seen__newer_than_what_we_made__alarm_with_it),
		TEST(clone_seen__same_number_other_bytes__alarm),
		TEST(clone_seen__a_service_that_we_never_offered__alarm),
		TEST(clone_seen__of_a_run_before__is_ours),
		TEST(clone_seen__of_others_or_forged__nothing),
		TEST(clone_alarm__once_in_five_minutes__and_says_how_many_more),
		TEST(clone_met__alarm_with_its_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
