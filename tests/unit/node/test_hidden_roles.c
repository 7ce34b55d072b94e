/* What a node is besides while it hosts hidden services; and what those who ask for one are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/util.h"
#include "node/circuits_internal.h"
#include "node/hidden_internal.h"

enum { WAIT_MS = 5000 };

static char dir[64];
static struct vx6_node *node;
static int answers;
static vx6_err answered;

static void node_up(bool keep_roles)
{
	struct vx6_node_config cfg = {.name = "alice",
				      .drain_ms = 50,
				      .lan_off = true,
				      .hidden_keep_roles = keep_roles};
	char detail[VX6_DETAIL_MAX];

	cfg.state_dir = dir;
	assert_true(vx6_is_ok(vx6_addr_parse("[::1]:0", &cfg.listen[cfg.listen_n++])));
	if (!vx6_is_ok(vx6_node_new(&cfg, &node, detail)))
		fail_msg("%s", detail);
}

static void node_down(void)
{
	if (!node)
		return;
	vx6_node_request_stop(node);
	vx6_node_run(node);
	vx6_node_free(node);
	node = NULL;
}

static int setup(void **state)
{
	strcpy(dir, "/tmp/vx6-test-XXXXXX");
	assert_non_null(mkdtemp(dir));
	answers = 0;
	return 0;
}

static int teardown(void **state)
{
	char cmd[128];

	node_down();
	snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
	assert_int_equal(system(cmd), 0);
	return 0;
}

/* ---- rounds of the loop ---- */

static void on_turn(struct vx6_timer *timer)
{
	vx6_loop_stop(timer->user);
}

static void turn(void)
{
	struct vx6_timer timer;

	vx6_timer_init(node->loop, &timer, on_turn, node->loop);
	vx6_timer_in_ms(&timer, 2);
	vx6_loop_run(node->loop);
	vx6_timer_stop(&timer);
}

static bool until(bool (*done)(void))
{
	uint64_t end_ms = vx6_now_ms() + WAIT_MS;

	while (!done() && vx6_now_ms() < end_ms)
		turn();
	return done();
}

static bool has_roles(void)
{
	struct vx6_relaying_view relaying;

	circuits_relaying_view(node, &relaying);
	return node->serving && relaying.announced;
}

static bool has_no_roles(void)
{
	struct vx6_relaying_view relaying;

	circuits_relaying_view(node, &relaying);
	return !node->serving && !relaying.announced;
}

static void assert_no_roles_for_a_while(void)
{
	for (int i = 0; i < 50; i++) {
		assert_true(has_no_roles());
		turn();
	}
}

/* ---- services ---- */

static void on_answer(struct vx6_answer *answer, void *user)
{
	answers++;
	answered = answer->err;
	vx6_strlcpy(user, answer->id, VX6_RESOURCE_ID_MAX);
	vx6_snapshot_unref(answer->snapshot);
	answer->snapshot = NULL;
}

static bool is_answered(void)
{
	return answers > 0;
}

static char made[VX6_RESOURCE_ID_MAX];

static vx6_err add(enum vx6_visibility visibility, enum vx6_access access)
{
	struct vx6_cmd *cmd = vx6_zalloc(sizeof *cmd);

	cmd->kind = VX6_CMD_SERVICE_CREATE;
	vx6_strlcpy(cmd->u.service.name, "web", sizeof cmd->u.service.name);
	assert_true(vx6_is_ok(vx6_addr_parse("127.0.0.1:9", &cmd->u.service.target)));
	cmd->u.service.enabled = true;
	cmd->u.service.visibility = visibility;
	cmd->u.service.hidden.force = true; /* there is no relay */
	cmd->u.service.access = access;
	answers = 0;
	assert_true(vx6_node_submit(node, cmd, on_answer, made));
	assert_true(until(is_answered));
	return answered;
}

static void update(bool enabled)
{
	struct vx6_cmd *cmd = vx6_zalloc(sizeof *cmd);

	cmd->kind = VX6_CMD_SERVICE_UPDATE;
	vx6_strlcpy(cmd->id, made, sizeof cmd->id);
	vx6_strlcpy(cmd->u.service.name, "web", sizeof cmd->u.service.name);
	assert_true(vx6_is_ok(vx6_addr_parse("127.0.0.1:9", &cmd->u.service.target)));
	cmd->u.service.enabled = enabled;
	cmd->u.service.visibility = VX6_VISIBILITY_HIDDEN;
	answers = 0;
	assert_true(vx6_node_submit(node, cmd, on_answer, made));
	assert_true(until(is_answered));
	assert_true(vx6_is_ok(answered));
}

static bool is_hosted(void)
{
	return vx6_host_count(node->hidden->host) == 1;
}

static bool is_not_hosted(void)
{
	const struct hidden_service *s = hidden_service_find(node, made);

	return vx6_host_count(node->hidden->host) == 0 && !s->publisher;
}

static void drop(void)
{
	struct vx6_cmd *cmd = vx6_zalloc(sizeof *cmd);

	cmd->kind = VX6_CMD_SERVICE_DELETE;
	vx6_strlcpy(cmd->id, made, sizeof cmd->id);
	answers = 0;
	assert_true(vx6_node_submit(node, cmd, on_answer, made));
	assert_true(until(is_answered));
	assert_true(vx6_is_ok(answered));
}

/* ---- tests ---- */

static void roles__of_a_node_without_hidden_services__stay(void **state)
{
	node_up(false);
	assert_true(until(has_roles));
	assert_true(vx6_is_ok(add(VX6_VISIBILITY_PRIVATE, VX6_ACCESS_ANY)));
	for (int i = 0; i < 20; i++)
		turn();
	assert_true(has_roles());
}

static void roles__first_hidden_service__off_until_a_start_without(void **state)
{
	struct vx6_relaying_budget given;

	node_up(false);
	assert_true(until(has_roles));
	assert_true(vx6_is_ok(add(VX6_VISIBILITY_HIDDEN, VX6_ACCESS_ANY)));
	assert_true(until(has_no_roles));
	assert_true(node->hidden_roles_given_up);
	given = hidden_roles_budget(node, &node->stored.relay);
	assert_int_equal(given.mode, VX6_RELAYING_OFF);
	assert_int_equal(node->stored.relay.mode, VX6_RELAYING_PUBLIC); /* what the user wants */
	/* it is not to be seen when a service comes and goes */
	drop();
	assert_no_roles_for_a_while();
	node_down();
	node_up(false);
	assert_true(until(has_roles));
}

static void roles__start_with_a_hidden_service__never_on(void **state)
{
	node_up(false);
	assert_true(vx6_is_ok(add(VX6_VISIBILITY_HIDDEN, VX6_ACCESS_ANY)));
	node_down();
	node_up(false);
	assert_no_roles_for_a_while();
	assert_false(node->hidden_roles_given_up);
	assert_int_not_equal(vx6_services_scope(node->services, made), 0);
}

static void roles__told_to_keep_them__stay(void **state)
{
	node_up(true);
	assert_true(vx6_is_ok(add(VX6_VISIBILITY_HIDDEN, VX6_ACCESS_ANY)));
	assert_true(until(has_roles));
	node_down();
	node_up(true);
	assert_true(until(has_roles));
}

static void hidden_service__seen_by_nobody(void **state)
{
	node_up(false);
	assert_true(vx6_is_ok(add(VX6_VISIBILITY_HIDDEN, VX6_ACCESS_ANY)));
	assert_false(announce_may_see(node, "web", &node->identity.id));
	assert_false(announce_is_public(node, "web"));
}

static void hidden_service__with_a_list_of_nodes__refused(void **state)
{
	node_up(false);
	assert_int_equal(add(VX6_VISIBILITY_HIDDEN, VX6_ACCESS_LIST).code, VX6_E_INVALID);
	assert_true(until(has_roles));
}

static void hidden_service__disabled__neither_hosted_nor_published(void **state)
{
	node_up(false);
	assert_true(vx6_is_ok(add(VX6_VISIBILITY_HIDDEN, VX6_ACCESS_ANY)));
	assert_true(until(is_hosted));
	assert_non_null(hidden_service_find(node, made)->publisher);
	update(false);
	assert_true(is_not_hosted());
	update(true);
	assert_true(is_hosted());
	assert_non_null(hidden_service_find(node, made)->publisher);
}

/* Its key is on its way to the disk meanwhile. */
static void hidden_service__disabled_at_once__not_hosted(void **state)
{
	node_up(false);
	assert_true(vx6_is_ok(add(VX6_VISIBILITY_HIDDEN, VX6_ACCESS_ANY)));
	update(false);
	for (int i = 0; i < 50; i++)
		turn();
	assert_true(is_not_hosted());
	node_down();
	node_up(false);
	for (int i = 0; i < 50; i++)
		turn();
	assert_true(is_not_hosted());
	update(true);
	assert_true(is_hosted());
}

static void hidden_service__node_drains__published_no_more(void **state)
{
	node_up(false);
	assert_true(vx6_is_ok(add(VX6_VISIBILITY_HIDDEN, VX6_ACCESS_ANY)));
	assert_true(until(is_hosted));
	hidden_drain(node);
	assert_null(hidden_service_find(node, made)->publisher);
}

/* ---- what is stored first ---- */

static int published, unpublished;

vx6_err __wrap_vx6_hs_publish(struct vx6_hs_publisher *p, const uint8_t *record, size_t n);
vx6_err __wrap_vx6_hs_publish(struct vx6_hs_publisher *p, const uint8_t *record, size_t n)
{
	published++;
	return VX6_OK;
}

void __wrap_vx6_host_unpublished(struct vx6_host *h, uint64_t scope);
void __wrap_vx6_host_unpublished(struct vx6_host *h, uint64_t scope)
{
	unpublished++;
}

static bool is_written(void)
{
	return !hidden_service_find(node, made)->file.job;
}

static void hidden_service__number_cannot_be_stored__descriptor_not_published(void **state)
{
	char hidden_dir[VX6_HIDDEN_PATH];
	struct hidden_service *s;

	node_up(false);
	assert_true(vx6_is_ok(add(VX6_VISIBILITY_HIDDEN, VX6_ACCESS_ANY)));
	assert_true(until(is_hosted) && until(is_written));
	s = hidden_service_find(node, made);
	vx6_strlcpy(hidden_dir, node->hidden->dir, sizeof hidden_dir);
	published = unpublished = 0;
	s->due_n = 2;
	vx6_strlcpy(node->hidden->dir, "/proc/there/is/none", sizeof node->hidden->dir);
	hidden_file_save(&s->file, NULL);
	assert_true(until(is_written));
	assert_int_equal(s->due_n, 0);
	assert_int_equal(published, 0);
	assert_int_equal(unpublished, 1);
	vx6_strlcpy(node->hidden->dir, hidden_dir, sizeof node->hidden->dir);
	s->due_n = 2;
	hidden_file_save(&s->file, NULL);
	assert_true(until(is_written));
	assert_int_equal(published, 2);
	assert_int_equal(unpublished, 1);
}

/* ---- what circuits are told ---- */

static int not_joined;

void __wrap_vx6_circuits_not_joined(struct vx6_circuits *c, uint64_t leg, vx6_err err,
				    const char *detail, bool x_is_fine);
void __wrap_vx6_circuits_not_joined(struct vx6_circuits *c, uint64_t leg, vx6_err err,
				    const char *detail, bool x_is_fine)
{
	not_joined++;
}

static void rendezvous__while_it_stops__nothing_is_said_from_inside(void **state)
{
	static const struct vx6_node_id id = {{1}};

	node_up(false);
	not_joined = 0;
	node->stopping = true;
	hidden_rendezvous(node, 7, &id, NULL, &id);
	node->stopping = false;
	assert_int_equal(not_joined, 0);
}

/* ---- aliases ---- */

static struct vx6_cmd *alias_cmd(int kind)
{
	struct vx6_cmd *cmd = vx6_zalloc(sizeof *cmd);
	struct vx6_sign_keypair kp;
	struct vx6_sign_seed seed = {{1}};
	struct vx6_node_id id;

	cmd->kind = kind;
	vx6_sign_keypair_from_seed(&seed, &kp);
	memcpy(id.b, kp.pk.b, sizeof id.b);
	vx6_strlcpy(cmd->id, "ghost", sizeof cmd->id);
	vx6_strlcpy(cmd->u.hidden.name, "ghost", sizeof cmd->u.hidden.name);
	vx6_hidden_key_format(&id, cmd->u.hidden.invite);
	return cmd;
}

static vx6_err told[3];
static int told_n;

static void on_told(struct vx6_answer *answer, void *user)
{
	*(vx6_err *)user = answer->err;
	told_n++;
	vx6_snapshot_unref(answer->snapshot);
	answer->snapshot = NULL;
}

static void ask(int kind, int n)
{
	assert_true(vx6_node_submit(node, alias_cmd(kind), on_told, &told[n]));
}

static bool all_told(void)
{
	return told_n == 3;
}

static bool one_told(void)
{
	return told_n == 1;
}

static void alias__forgotten_and_added_at_once__again_until_its_file_is_gone(void **state)
{
	node_up(false);
	told_n = 0;
	ask(VX6_CMD_ALIAS_ADD, 0);
	assert_true(until(one_told));
	assert_true(vx6_is_ok(told[0]));
	ask(VX6_CMD_ALIAS_DELETE, 1);
	ask(VX6_CMD_ALIAS_ADD, 2);
	assert_true(until(all_told));
	assert_true(vx6_is_ok(told[1]));
	assert_int_equal(told[2].code, VX6_E_AGAIN);
	told_n = 0;
	ask(VX6_CMD_ALIAS_ADD, 0);
	assert_true(until(one_told));
	assert_true(vx6_is_ok(told[0]));
	node_down();
	node_up(false);
	assert_non_null(hidden_visit_find(node, "ghost"));
}

static bool no_visits(void)
{
	return node->hidden->visits_n == 0;
}

static void alias__cannot_be_stored__undone(void **state)
{
	node_up(false);
	vx6_strlcpy(node->hidden->dir, "/proc/there/is/none", sizeof node->hidden->dir);
	told_n = 0;
	ask(VX6_CMD_ALIAS_ADD, 0);
	assert_true(until(one_told));
	assert_false(vx6_is_ok(told[0]));
	assert_true(until(no_visits));
}

/* Whoever is told that it failed may be the one who frees it. */
static struct hidden_file lost;
static int touched;

static void on_touched(struct hidden_file *f, vx6_err err)
{
	touched++;
}

static void free_it(struct hidden_wait *w)
{
	hidden_file_fini(&lost);
	lost = (struct hidden_file){.written = on_touched};
}

static void file__freed_by_who_is_told__not_touched_any_more(void **state)
{
	static const struct vx6_hidden_visit visit = {.alias = "ghost"};
	struct vx6_answer answer = {.err = VX6_OK};
	struct request *rq;
	struct hidden_wait *w;

	node_up(false);
	vx6_strlcpy(node->hidden->dir, "/proc/there/is/none", sizeof node->hidden->dir);
	hidden_file_init(&lost, node);
	lost.visit = &visit;
	rq = vx6_zalloc(sizeof *rq);
	*rq = (struct request){.owner = node, .done = on_told, .user = &told[0]};
	w = hidden_wait_new(rq, &answer);
	w->undo = free_it;
	told_n = touched = 0;
	hidden_file_save(&lost, w);
	assert_true(until(one_told));
	assert_int_equal(touched, 0);
}

/* It was killed between the file with the key and the value that says that there is one. */
static void hidden_service__key_is_there_unknown__remembered_at_the_next_start(void **state)
{
	struct vx6_write *w = vx6_write_new();
	char key[VX6_STATE_KEY_MAX];

	node_up(false);
	assert_true(vx6_is_ok(add(VX6_VISIBILITY_HIDDEN, VX6_ACCESS_ANY)));
	assert_true(until(is_hosted));
	snprintf(key, sizeof key, "%s%s", HIDDEN_KEY_PREFIX, made);
	vx6_write_delete_value(w, key);
	assert_true(vx6_is_ok(vx6_state_submit(node->state, w, NULL, NULL)));
	for (int i = 0; i < 3; i++) {
		node_down();
		node_up(false);
		assert_int_equal(node->hidden->keys_n, i > 0);
		assert_true(is_hosted());
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(roles__of_a_node_without_hidden_services__stay),
		T(roles__first_hidden_service__off_until_a_start_without),
		T(roles__start_with_a_hidden_service__never_on),
		T(roles__told_to_keep_them__stay),
		T(hidden_service__seen_by_nobody),
		T(hidden_service__with_a_list_of_nodes__refused),
		T(hidden_service__disabled__neither_hosted_nor_published),
		T(hidden_service__disabled_at_once__not_hosted),
		T(hidden_service__node_drains__published_no_more),
		T(rendezvous__while_it_stops__nothing_is_said_from_inside),
		T(alias__forgotten_and_added_at_once__again_until_its_file_is_gone),
		T(alias__cannot_be_stored__undone),
		T(file__freed_by_who_is_told__not_touched_any_more),
		T(hidden_service__number_cannot_be_stored__descriptor_not_published),
		T(hidden_service__key_is_there_unknown__remembered_at_the_next_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
