#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "tests/unit/state/dir.h"

static struct dir d;

static int setup(void **state)
{
	dir_make(&d);
	assert_true(vx6_is_ok(dir_open(&d)));
	return 0;
}

static int teardown(void **state)
{
	dir_remove(&d);
	return 0;
}

static void reopen(void)
{
	dir_close(&d);
	assert_true(vx6_is_ok(dir_open(&d)));
}

static void load__new_directory__is_empty(void **state)
{
	struct vx6_state_image img;

	assert_true(vx6_is_ok(vx6_state_load(d.st, &img)));
	assert_false(img.node.exists);
	assert_int_equal(img.services_n + img.forwards_n + img.peers_n + img.names_n + img.values_n,
			 0);
	assert_int_equal(img.last_seq, 0);
	vx6_state_image_fini(&img);
}

static void load__everything_put__comes_back(void **state)
{
	struct vx6_node_id ids[2] = {{{1, 2, 3}}, {{4, 5, 6}}};
	struct vx6_service_spec svc = {.name = "web",
				       .enabled = true,
				       .visibility = VX6_VISIBILITY_PRIVATE,
				       .access = VX6_ACCESS_LIST,
				       .allow = ids,
				       .allow_n = 2};
	struct vx6_forward_spec fwd = {.name = "f", .to = {.node = "alice", .service = "web"}};
	struct vx6_forward_spec fwd2 = {.name = "g",
					.enabled = true,
					.to = {.service = "db", .has_node_id = true}};
	struct vx6_forward_spec fwd3 = {.name = "h", .to = {.node = "ghost", .is_hidden = true}};
	struct vx6_forward_spec fwd4 = {
		.name = "i", .to = {.is_hidden = true, .has_node_id = true, .node_id = ids[1]}};
	struct vx6_service_spec svc2 = {.name = "ghost", .visibility = VX6_VISIBILITY_HIDDEN};
	struct vx6_peer_spec peer = {.name = "bob",
				     .addrs_n = 2,
				     .has_node_id = true,
				     .enabled = true,
				     .node_id = ids[1]};
	struct vx6_meta s1 = dir_meta("svc_1", 3), f1 = dir_meta("fwd_1", 1),
			f2 = dir_meta("fwd_2", 7), f3 = dir_meta("fwd_3", 1),
			f4 = dir_meta("fwd_4", 1), s2 = dir_meta("svc_2", 1),
			p1 = dir_meta("peer_1", 1);
	struct vx6_name_binding pin = {.kind = VX6_BINDING_PIN,
				       .name = "carol",
				       .node = ids[0],
				       .since_ms = 77},
				pet = {.name = "carol", .node = ids[1], .since_ms = 78};
	struct vx6_stored_node node = {.name = "me",
				       .generation = 9,
				       .created_ms = 1,
				       .updated_ms = UINT64_C(1) << 40,
				       .relay = {.mode = VX6_RELAYING_OFF,
						 .circuits = 100,
						 .memory_mb = 32,
						 .rate_mbit = 7}};
	struct vx6_write *w = vx6_write_new();
	struct vx6_state_image img;

	assert_true(vx6_is_ok(vx6_addr_parse("unix:/run/x.sock", &svc.target)));
	assert_true(vx6_is_ok(vx6_addr_parse("127.0.0.1:0", &fwd.listen)));
	assert_true(vx6_is_ok(vx6_addr_parse("[::1]:8080", &fwd2.listen)));
	assert_true(vx6_is_ok(vx6_addr_parse("[fd00::1]:4242", &fwd2.to.address)));
	assert_true(vx6_is_ok(vx6_addr_parse("[fd00::2]:4242", &peer.addrs[0])));
	assert_true(vx6_is_ok(vx6_addr_parse("192.0.2.1:4242", &peer.addrs[1])));
	fwd3.listen = fwd4.listen = fwd.listen;
	svc2.target = svc.target;
	fwd2.to.node_id = ids[0];
	fwd2.to.transport = VX6_TRANSPORT_TCP_ONLY;
	fwd.to.route = (struct vx6_routing){.via = VX6_ROUTE_RELAY,
					    .hops = 2,
					    .anonymous = true,
					    .nodes_n = 2,
					    .nodes = {ids[1], ids[0]}};
	fwd2.to.route.via = VX6_ROUTE_DIRECT;
	vx6_write_put_node(w, &node);
	vx6_write_put_service(w, &s1, &svc);
	vx6_write_put_forward(w, &f1, &fwd);
	vx6_write_put_forward(w, &f2, &fwd2);
	vx6_write_put_forward(w, &f3, &fwd3);
	vx6_write_put_forward(w, &f4, &fwd4);
	vx6_write_put_service(w, &s2, &svc2);
	vx6_write_put_peer(w, &p1, &peer);
	vx6_write_put_name(w, &pin);
	vx6_write_put_name(w, &pet);
	vx6_write_put_u64(w, "cert_seq", UINT64_MAX - 5);
	vx6_write_put_value(w, "blob", "\0\1\2", 3);
	assert_true(vx6_is_ok(dir_write(&d, w).err));
	reopen();

	assert_true(vx6_is_ok(vx6_state_load(d.st, &img)));
	assert_true(img.node.exists);
	assert_string_equal(img.node.name, "me");
	assert_int_equal(img.node.generation, 9);
	assert_int_equal(img.node.updated_ms, UINT64_C(1) << 40);
	assert_true(vx6_relaying_eq(&img.node.relay, &node.relay));
	assert_int_equal(img.services_n, 2);
	assert_int_equal(img.services[1].spec.visibility, VX6_VISIBILITY_HIDDEN);
	assert_string_equal(img.services[0].meta.id, "svc_1");
	assert_string_equal(img.services[0].meta.labels, "{\"a\":\"b\"}");
	assert_string_equal(img.services[0].meta.managed_by, "api");
	assert_int_equal(img.services[0].meta.generation, 3);
	assert_true(img.services[0].spec.enabled);
	assert_int_equal(img.services[0].spec.access, VX6_ACCESS_LIST);
	assert_int_equal(img.services[0].spec.visibility, VX6_VISIBILITY_PRIVATE);
	assert_int_equal(img.services[0].spec.allow_n, 2);
	assert_memory_equal(img.services[0].spec.allow, ids, sizeof ids);
	assert_true(vx6_addr_eq(&img.services[0].spec.target, &svc.target));
	assert_int_equal(img.forwards_n, 4);
	assert_false(img.forwards[0].spec.to.is_hidden || img.forwards[1].spec.to.is_hidden);
	assert_true(img.forwards[2].spec.to.is_hidden && img.forwards[3].spec.to.is_hidden);
	assert_string_equal(img.forwards[2].spec.to.node, "ghost");
	assert_false(img.forwards[2].spec.to.has_node_id);
	assert_string_equal(img.forwards[3].spec.to.node, "");
	assert_true(vx6_node_id_eq(&img.forwards[3].spec.to.node_id, &ids[1]));
	assert_string_equal(img.forwards[0].spec.to.node, "alice");
	assert_false(img.forwards[0].spec.to.has_node_id);
	assert_int_equal(img.forwards[0].spec.to.address.family, VX6_ADDR_NONE);
	assert_false(img.forwards[0].spec.enabled);
	assert_true(img.forwards[1].spec.to.has_node_id);
	assert_true(vx6_node_id_eq(&img.forwards[1].spec.to.node_id, &ids[0]));
	assert_true(vx6_addr_eq(&img.forwards[1].spec.to.address, &fwd2.to.address));
	assert_int_equal(img.forwards[1].spec.to.transport, VX6_TRANSPORT_TCP_ONLY);
	assert_true(vx6_routing_eq(&img.forwards[0].spec.to.route, &fwd.to.route));
	assert_int_equal(img.forwards[0].spec.to.route.hops, 2);
	assert_true(vx6_routing_eq(&img.forwards[1].spec.to.route, &fwd2.to.route));
	assert_int_equal(img.peers_n, 1);
	assert_int_equal(img.peers[0].spec.addrs_n, 2);
	assert_true(vx6_addr_eq(&img.peers[0].spec.addrs[1], &peer.addrs[1]));
	assert_true(vx6_node_id_eq(&img.peers[0].spec.node_id, &ids[1]));
	assert_int_equal(img.names_n, 2);
	assert_int_equal(img.names[0].kind, VX6_BINDING_PETNAME);
	assert_string_equal(img.names[0].name, "carol");
	assert_true(vx6_node_id_eq(&img.names[0].node, &ids[1]));
	assert_int_equal(img.names[1].kind, VX6_BINDING_PIN);
	assert_true(vx6_node_id_eq(&img.names[1].node, &ids[0]));
	assert_int_equal(img.names[1].since_ms, 77);
	assert_int_equal(vx6_state_image_u64(&img, "cert_seq", 0), UINT64_MAX - 5);
	assert_int_equal(vx6_state_image_u64(&img, "nothing", 4), 4);
	assert_int_equal(vx6_state_image_value(&img, "blob")->n, 3);
	vx6_state_image_fini(&img);
}

static void put__same_id__replaces(void **state)
{
	struct vx6_state_image img;

	assert_true(vx6_is_ok(dir_write(&d, dir_service("svc_1", "a")).err));
	assert_true(vx6_is_ok(dir_write(&d, dir_service("svc_1", "b")).err));
	assert_true(vx6_is_ok(vx6_state_load(d.st, &img)));
	assert_int_equal(img.services_n, 1);
	assert_string_equal(img.services[0].spec.name, "b");
	vx6_state_image_fini(&img);
}

static void delete_name__one_kind__leaves_the_other(void **state)
{
	struct vx6_name_binding b = {.kind = VX6_BINDING_PIN, .name = "carol"};
	struct vx6_write *w = vx6_write_new();
	struct vx6_state_image img;

	vx6_write_put_name(w, &b);
	b.kind = VX6_BINDING_PETNAME;
	vx6_write_put_name(w, &b);
	vx6_write_delete_name(w, VX6_BINDING_PIN, "carol");
	vx6_write_delete_name(w, VX6_BINDING_PIN, "never there");
	assert_true(vx6_is_ok(dir_write(&d, w).err));
	assert_true(vx6_is_ok(vx6_state_load(d.st, &img)));
	assert_int_equal(img.names_n, 1);
	assert_int_equal(img.names[0].kind, VX6_BINDING_PETNAME);
	vx6_state_image_fini(&img);
}

static void delete__row__is_gone(void **state)
{
	struct vx6_write *w = vx6_write_new();
	struct vx6_state_image img;

	assert_true(vx6_is_ok(dir_write(&d, dir_service("svc_1", "a")).err));
	vx6_write_delete(w, VX6_RESOURCE_SERVICE, "svc_1");
	vx6_write_delete(w, VX6_RESOURCE_PEER, "never there");
	assert_true(vx6_is_ok(dir_write(&d, w).err));
	assert_true(vx6_is_ok(vx6_state_load(d.st, &img)));
	assert_int_equal(img.services_n, 0);
	vx6_state_image_fini(&img);
}

/* All of these wait together, so they share a transaction: the one in the middle fails alone, whole, and takes no seq. */
static void submit__one_fails__neighbours_do_not(void **state)
{
	struct vx6_write *bad = vx6_write_new();
	struct vx6_meta meta = dir_meta("svc_x", 1);
	struct vx6_service_spec spec = {.name = "s1"};
	struct vx6_event ev = {.type = "lost"};
	struct vx6_state_image img;
	char id[16], name[16];

	assert_true(vx6_is_ok(vx6_addr_parse("127.0.0.1:80", &spec.target)));
	dir_submit(&d, dir_event(0)); /* keeps the worker busy, so that the rest waits */
	for (int i = 0; i < 10; i++) {
		struct vx6_write *w;

		snprintf(id, sizeof id, "svc_%d", i);
		snprintf(name, sizeof name, "s%d", i);
		w = dir_service(id, name);
		vx6_write_event(w, &(struct vx6_event){.type = "service.created"});
		dir_submit(&d, w);
		if (i == 5) {
			vx6_write_event(bad, &ev);
			vx6_write_put_value(bad, "half", "x", 1);
			vx6_write_put_service(bad, &meta, &spec);
			dir_submit(&d, bad);
		}
	}
	dir_wait(&d);
	for (size_t i = 0; i < d.answered; i++) {
		assert_int_equal(d.results[i].err.code, i == 7 ? VX6_E_EXISTS : VX6_E_OK);
		assert_int_equal(d.results[i].first_seq, i == 7 ? 0 : i < 7 ? i + 1 : i);
	}
	assert_true(vx6_is_ok(vx6_state_load(d.st, &img)));
	assert_int_equal(img.services_n, 10);
	assert_null(vx6_state_image_value(&img, "half"));
	assert_int_equal(vx6_state_pending(d.st), 0);
	vx6_state_image_fini(&img);
}

static void submit__queue_full__is_refused(void **state)
{
	size_t sent = 0;
	vx6_err err;

	do
		err = vx6_state_submit(d.st, dir_event(0), NULL, NULL);
	while (vx6_is_ok(err) && ++sent < 3 * VX6_STATE_QUEUE_MAX);
	assert_int_equal(err.code, VX6_E_FULL);
	assert_in_range(sent, VX6_STATE_QUEUE_MAX, VX6_STATE_QUEUE_MAX + 1);
}

static void close__writes_wait__are_on_disk(void **state)
{
	struct vx6_state_image img;
	char id[16];

	for (int i = 0; i < 700; i++) {
		vx6_err err;

		snprintf(id, sizeof id, "n%d", i);
		err = vx6_state_submit(d.st, dir_service(id, id), NULL, NULL);
		assert_true(vx6_is_ok(err));
	}
	reopen();
	assert_true(vx6_is_ok(vx6_state_load(d.st, &img)));
	assert_int_equal(img.services_n, 700);
	vx6_state_image_fini(&img);
}

/* ---- events ---- */

static struct {
	vx6_err err;
	struct vx6_event *events;
	size_t n;
	uint64_t oldest;
} got;

static void on_events(void *user, vx6_err err, struct vx6_event *events, size_t n, uint64_t oldest)
{
	got.err = err;
	got.events = events;
	got.n = n;
	got.oldest = oldest;
	vx6_loop_stop(d.loop);
}

static void read_events(uint64_t since, uint32_t limit)
{
	vx6_err err = vx6_state_read_events(d.st, since, limit, on_events, NULL);

	assert_true(vx6_is_ok(err));
	vx6_loop_run(d.loop);
	assert_true(vx6_is_ok(got.err));
}

static void read_events__since_and_limit__give_that_range(void **state)
{
	char data[32];

	for (unsigned i = 1; i <= 20; i++)
		dir_submit(&d, dir_event(i));
	dir_wait(&d);
	read_events(5, 10);
	assert_int_equal(got.n, 10);
	assert_int_equal(got.oldest, 1);
	for (unsigned i = 0; i < 10; i++) {
		snprintf(data, sizeof data, "{\"n\":%u}", i + 6);
		assert_int_equal(got.events[i].seq, i + 6);
		assert_string_equal(got.events[i].data, data);
		assert_string_equal(got.events[i].type, "peer.up");
		assert_string_equal(got.events[i].subject_id, "peer_1");
	}
	vx6_events_free(got.events, got.n);
	read_events(20, 10);
	assert_int_equal(got.n, 0);
	vx6_events_free(got.events, got.n);
	read_events(UINT64_MAX, 10);
	assert_int_equal(got.n, 0);
	vx6_events_free(got.events, got.n);
}

static void events__more_than_kept__oldest_go_and_seq_goes_on(void **state)
{
	for (unsigned i = 1; i <= 3000; i++)
		dir_submit(&d, dir_event(i));
	dir_wait(&d);
	read_events(0, 5);
	assert_in_range(got.oldest, 3000 - 1000 - 600, 2001);
	assert_int_equal(got.events[0].seq, got.oldest);
	vx6_events_free(got.events, got.n);
	reopen();
	assert_int_equal(dir_write(&d, dir_event(1)).first_seq, 3001);
}

static void close__read_under_way__is_dropped(void **state)
{
	vx6_err err = vx6_state_read_events(d.st, 0, 10, on_events, NULL);

	got.n = 99;
	assert_true(vx6_is_ok(err));
	dir_close(&d);
	assert_int_equal(got.n, 99);
}

/* ---- revocations ---- */

static void revocation__put_twice__the_last_is_there_and_others_can_be_dropped(void **state)
{
	struct vx6_hwm_key key = {.subject = {1, 2}, .type = VX6_RTYPE_REVOCATION},
			   service = {.subject = {9}, .type = VX6_RTYPE_SERVICE};
	struct vx6_state_image img;
	struct vx6_write *w = vx6_write_new();

	vx6_write_put_revocation(w, &key, (const uint8_t *)"first", 5);
	vx6_write_put_revocation(w, &key, (const uint8_t *)"second", 6);
	vx6_write_put_revocation(w, &service, (const uint8_t *)"third", 5);
	assert_true(vx6_is_ok(dir_write(&d, w).err));
	reopen();
	assert_true(vx6_is_ok(vx6_state_load(d.st, &img)));
	assert_int_equal(img.marks_n, 2);
	assert_memory_equal(&img.marks[0].key, &key, sizeof key);
	assert_int_equal(img.marks[0].mark.n, 6);
	assert_memory_equal(img.marks[0].mark.record, "second", 6);
	vx6_state_image_fini(&img);
	w = vx6_write_new();
	vx6_write_drop_old_marks(w);
	assert_true(vx6_is_ok(dir_write(&d, w).err));
	assert_true(vx6_is_ok(vx6_state_load(d.st, &img)));
	assert_int_equal(img.marks_n, 1);
	assert_int_equal(img.marks[0].key.type, VX6_RTYPE_REVOCATION);
	vx6_state_image_fini(&img);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(load__new_directory__is_empty, setup, teardown),
		cmocka_unit_test_setup_teardown(load__everything_put__comes_back, setup, teardown),
		cmocka_unit_test_setup_teardown(put__same_id__replaces, setup, teardown),
		cmocka_unit_test_setup_teardown(delete_name__one_kind__leaves_the_other, setup,
						teardown),
		cmocka_unit_test_setup_teardown(delete__row__is_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(submit__one_fails__neighbours_do_not, setup,
						teardown),
		cmocka_unit_test_setup_teardown(submit__queue_full__is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(close__writes_wait__are_on_disk, setup, teardown),
		cmocka_unit_test_setup_teardown(read_events__since_and_limit__give_that_range,
						setup, teardown),
		cmocka_unit_test_setup_teardown(events__more_than_kept__oldest_go_and_seq_goes_on,
						setup, teardown),
		cmocka_unit_test_setup_teardown(close__read_under_way__is_dropped, setup, teardown),
		cmocka_unit_test_setup_teardown(
			revocation__put_twice__the_last_is_there_and_others_can_be_dropped, setup,
			teardown),
	};

	if (!vx6_is_ok(vx6_crypto_init()))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
