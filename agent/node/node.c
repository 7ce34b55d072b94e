/*
 * An agent's life: state and identity, then the overlay, then the loop; and back in reverse.
 *
 *   run --stop asked--> drain (no new connections, streams may end) --none left, or drain_ms--> end
 */
#include "node/node.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "identity/keyfile.h"
#include "node/circuits_internal.h"
#include "node/hidden_internal.h"
#include "node/node_internal.h"
#include "node/stats_internal.h"

enum {
	DRAIN_DEFAULT_MS = 2000,
	DRAIN_TICK_MS = 50,
	RENEW_CHECK_MS = 3600 * 1000,
	RENEW_WARN_S = 24 * 3600
};

/* ---- state directory and identity ---- */

static vx6_err open_dir(struct vx6_node *node, char *detail)
{
	struct stat st;

	if (vx6_strlcpy(node->state_dir, node->cfg.state_dir, sizeof node->state_dir) >=
	    sizeof node->state_dir) {
		snprintf(detail, VX6_DETAIL_MAX, "the state directory's path is too long");
		return VX6_ERR(LIMIT);
	}
	if (mkdir(node->state_dir, 0700) < 0 && errno != EEXIST) {
		snprintf(detail, VX6_DETAIL_MAX, "cannot create %.160s: %s", node->state_dir,
			 strerror(errno));
		return vx6_err_from_errno(errno);
	}
	if (stat(node->state_dir, &st) < 0 || !S_ISDIR(st.st_mode)) {
		snprintf(detail, VX6_DETAIL_MAX, "%.160s is not a directory", node->state_dir);
		return VX6_ERR(INVALID);
	}
	return VX6_OK;
}

static vx6_err open_identity(struct vx6_node *node, char *detail)
{
	struct vx6_passphrase pass = {0}, *given = NULL;
	char dir[300];
	vx6_err err;

	snprintf(dir, sizeof dir, "%s/identity", node->state_dir);
	if (node->cfg.passphrase) {
		pass.text = node->cfg.passphrase;
		pass.n = strlen(node->cfg.passphrase);
		given = &pass;
	}
	err = vx6_identity_load(dir, &vx6_net_default, &node->identity);
	if (err.code == VX6_E_NOT_FOUND)
		err = vx6_identity_create(dir, &vx6_net_default, vx6_wall_s(), given,
					  &node->identity);
	if (vx6_is_ok(err) && vx6_identity_wants_renewal(&node->identity, vx6_wall_s())) {
		struct vx6_subkey renewed;
		vx6_err renew = vx6_identity_renew(dir, &vx6_net_default, &node->identity.subkey,
						   given, vx6_wall_s(), &renewed);

		if (vx6_is_ok(renew))
			node->identity.subkey = renewed;
		else
			VX6_WARN("node", "the online key could not be renewed: %s",
				 vx6_err_text(renew));
		vx6_wipe(&renewed, sizeof renewed);
	}
	if (!vx6_is_ok(err))
		snprintf(detail, VX6_DETAIL_MAX, "identity in %.160s: %s%s", dir, vx6_err_text(err),
			 err.code == VX6_E_LOOSE_MODE ? "; run: chmod -R go= on it" : "");
	else if (vx6_identity_is_expired(&node->identity, vx6_wall_s()))
		VX6_WARN("node", "this node's certificate has expired; peers will refuse it until "
				 "it is renewed");
	return err;
}

/* ---- the node's name ---- */

/* The first label of the host's name, as far as it is a label. */
static void name_from_host(char out[VX6_LABEL_TEXT])
{
	char host[256] = "", *dot;

	gethostname(host, sizeof host - 1);
	dot = strchr(host, '.');
	if (dot)
		*dot = 0;
	for (char *c = host; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	if (!vx6_label_is_valid(host, strlen(host)))
		vx6_strlcpy(host, "node", sizeof host);
	vx6_strlcpy(out, host, VX6_LABEL_TEXT);
}

static vx6_err choose_name(struct vx6_node *node, const struct vx6_state_image *img, char *detail)
{
	if (node->cfg.name) {
		if (!vx6_label_is_valid(node->cfg.name, strlen(node->cfg.name))) {
			snprintf(detail, VX6_DETAIL_MAX,
				 "%.40s is no name for a node: use a-z, 0-9 and - (at most %d)",
				 node->cfg.name, VX6_LABEL_MAX);
			return VX6_ERR(INVALID);
		}
		vx6_strlcpy(node->name, node->cfg.name, sizeof node->name);
	} else if (img->node.exists) {
		vx6_strlcpy(node->name, img->node.name, sizeof node->name);
	} else {
		name_from_host(node->name);
	}
	return VX6_OK;
}

/* What was said at the start is stored as what was set through the API. */
static vx6_err choose_settings(struct vx6_node *node, const struct vx6_state_image *img,
			       char *detail)
{
	struct vx6_write *w;

	VX6_TRY(choose_name(node, img, detail));
	node->stored = img->node;
	vx6_relaying_apply(&node->stored.relay, &node->cfg.relay);
	if (img->node.exists && strcmp(img->node.name, node->name) == 0 &&
	    vx6_relaying_eq(&img->node.relay, &node->stored.relay))
		return VX6_OK;
	node->stored.updated_ms = vx6_wall_ms();
	if (!img->node.exists)
		node->stored.created_ms = node->stored.updated_ms;
	node->stored.exists = true;
	node->stored.generation++;
	vx6_strlcpy(node->stored.name, node->name, sizeof node->stored.name);
	w = vx6_write_new();
	vx6_write_put_node(w, &node->stored);
	return vx6_state_submit(node->state, w, NULL, NULL);
}

/* ---- stored and configured objects ---- */

static struct row *row_new(struct vx6_meta *meta, bool stored)
{
	struct row *row = vx6_zalloc(sizeof *row);

	row->stored = stored;
	row->meta = *meta;
	*meta = (struct vx6_meta){0};
	return row;
}

static void load_rows(struct vx6_node *node, struct vx6_state_image *img)
{
	for (size_t i = 0; i < img->services_n; i++) {
		struct row *row = row_new(&img->services[i].meta, true);

		row->spec.service = img->services[i].spec;
		img->services[i].spec = (struct vx6_service_spec){0};
		rows_add(&node->service_rows, row);
		row_apply(node, VX6_RESOURCE_SERVICE, row, NULL);
	}
	for (size_t i = 0; i < img->tokens_n; i++) {
		struct row *row = row_new(&img->tokens[i].meta, true);

		row->spec.token = img->tokens[i].spec;
		rows_add(&node->token_rows, row);
	}
	for (size_t i = 0; i < img->forwards_n; i++) {
		struct row *row = row_new(&img->forwards[i].meta, true);

		row->spec.forward = img->forwards[i].spec;
		rows_add(&node->forward_rows, row);
		row_apply(node, VX6_RESOURCE_FORWARD, row, NULL);
	}
	for (size_t i = 0; i < img->peers_n; i++) {
		struct row *row = row_new(&img->peers[i].meta, true);

		row->spec.peer = img->peers[i].spec;
		rows_add(&node->peer_rows, row);
		row_apply(node, VX6_RESOURCE_PEER, row, NULL);
	}
}

/* Configured peers have ids that stay the same from start to start: made of what was configured. */
static void config_peer_id(const struct vx6_peer_spec *spec, char out[static VX6_RESOURCE_ID_MAX])
{
	struct vx6_hash_state st;
	struct vx6_hash h;
	char text[VX6_ADDR_TEXT];

	vx6_hash_init(&st, "VX6-peer-id");
	for (size_t i = 0; i < spec->addrs_n; i++) {
		vx6_addr_format(&spec->addrs[i], text);
		vx6_hash_update(&st, text, strlen(text) + 1);
	}
	if (spec->has_node_id)
		vx6_hash_update(&st, spec->node_id.b, sizeof spec->node_id.b);
	vx6_hash_final(&st, &h);
	snprintf(out, VX6_RESOURCE_ID_MAX, "peer_c%02x%02x%02x%02x%02x%02x", h.b[0], h.b[1], h.b[2],
		 h.b[3], h.b[4], h.b[5]);
}

static void add_config_peers(struct vx6_node *node)
{
	for (size_t i = 0; i < node->cfg.peers_n; i++) {
		struct vx6_meta meta = {.generation = 1,
					.created_ms = node->started_ms,
					.updated_ms = node->started_ms};
		struct row *row;

		config_peer_id(&node->cfg.peers[i], meta.id);
		if (rows_find(&node->peer_rows, meta.id))
			continue;
		vx6_strlcpy(meta.managed_by, "config", sizeof meta.managed_by);
		meta.labels = vx6_strdup("{}");
		row = row_new(&meta, false);
		row->spec.peer = node->cfg.peers[i];
		rows_add(&node->peer_rows, row);
		row_apply(node, VX6_RESOURCE_PEER, row, NULL);
	}
}

/* ---- renewal of the online key ---- */

struct renewal {
	struct vx6_job job;
	struct vx6_node *node;
	char dir[300];
	struct vx6_subkey current, renewed;
	vx6_err err;
};

static void renew_work(struct vx6_job *job)
{
	struct renewal *r = VX6_CONTAINER_OF(job, struct renewal, job);

	/* a master key under a passphrase is renewed at the next start, when the passphrase is at hand */
	r->err = vx6_identity_renew(r->dir, &vx6_net_default, &r->current, NULL, vx6_wall_s(),
				    &r->renewed);
}

vx6_err identity_take_subkey(struct vx6_node *node, const struct vx6_subkey *renewed)
{
	/* transports and certificate change hands in one step; links made so far keep what they were made with */
	VX6_TRY(vx6_sessions_set_key(node->sessions, renewed));
	node->identity.subkey = *renewed;
	node->snapshot_dirty = true;
	vx6_publisher_refresh(node->publisher);
	VX6_INFO("node", "the online key was renewed");
	return VX6_OK;
}

static void renew_done(struct vx6_job *job)
{
	struct renewal *r = VX6_CONTAINER_OF(job, struct renewal, job);

	if (vx6_is_ok(r->err) && !r->node->stopping)
		r->err = identity_take_subkey(r->node, &r->renewed);
	if (!vx6_is_ok(r->err))
		VX6_WARN("node", "the online key could not be renewed: %s", vx6_err_text(r->err));
	r->node->renewing = false;
	vx6_wipe_free(r, sizeof *r);
}

/* Early and again every day: whoever holds the master key has half of the certificate's life to act. */
static void warn_renewal(struct vx6_node *node)
{
	uint64_t now = vx6_wall_s(), end = node->identity.subkey.cert.not_after_s;
	bool absent = node->identity.master == VX6_MASTER_ABSENT;

	if (now < node->renewal_warned_s + RENEW_WARN_S)
		return;
	node->renewal_warned_s = now;
	if (now >= end)
		VX6_WARN("node",
			 "this node's certificate has expired: peers refuse it; start the "
			 "agent with %s to renew it",
			 absent ? "its master key in place" : "the passphrase");
	else
		VX6_WARN("node",
			 "this node's certificate ends in %llu days and %s; start the agent "
			 "with it once before then, or peers will refuse this node",
			 (unsigned long long)((end - now) / (24 * 3600)),
			 absent ? "the master key that renews it is not here"
				: "its renewal needs the passphrase of the master key");
}

static void on_renew_timer(struct vx6_timer *timer)
{
	struct vx6_node *node = timer->user;
	struct renewal *r;

	vx6_timer_in_ms(&node->renew_timer, RENEW_CHECK_MS);
	if (node->renewing || node->stopping ||
	    !vx6_identity_wants_renewal(&node->identity, vx6_wall_s()))
		return;
	if (node->identity.master != VX6_MASTER_READY) {
		warn_renewal(node);
		return;
	}
	r = vx6_zalloc(sizeof *r);
	r->job = (struct vx6_job){.work = renew_work, .done = renew_done};
	r->node = node;
	r->current = node->identity.subkey;
	snprintf(r->dir, sizeof r->dir, "%s/identity", node->state_dir);
	node->renewing = vx6_is_ok(vx6_loop_work(node->loop, &r->job));
	if (!node->renewing)
		vx6_wipe_free(r, sizeof *r);
}

/* ---- stop ---- */

static void on_drain_tick(struct vx6_timer *timer)
{
	struct vx6_node *node = timer->user;

	if (vx6_sessions_streams(node->sessions) == 0 ||
	    vx6_loop_now_ms(node->loop) >= node->drain_deadline_ms)
		vx6_loop_stop(node->loop);
	else
		vx6_timer_in_ms(&node->drain_timer, DRAIN_TICK_MS);
}

static void begin_stop(struct vx6_node *node)
{
	struct vx6_event ev;

	if (node->draining) {
		vx6_loop_stop(node->loop);
		return;
	}
	VX6_INFO("node", "stopping");
	event_init(&ev, "node.stopping", "node", "", NULL);
	event_emit(node, &ev);
	node->draining = true;
	node->snapshot_dirty = true;
	vx6_forwards_drain(node->forwards);
	hidden_drain(node);
	circuits_drain(node, node->cfg.drain_ms ? node->cfg.drain_ms : DRAIN_DEFAULT_MS);
	vx6_sessions_drain(node->sessions);
	node->drain_deadline_ms = vx6_loop_now_ms(node->loop) +
				  (node->cfg.drain_ms ? node->cfg.drain_ms : DRAIN_DEFAULT_MS);
	vx6_timer_in_ms(&node->drain_timer, 1);
}

static void on_signal(int signum, void *user)
{
	(void)signum;
	begin_stop(user);
}

static void on_stop_mail(struct vx6_mail *mail)
{
	begin_stop(VX6_CONTAINER_OF(mail, struct vx6_node, stop_mail));
}

void vx6_node_request_stop(struct vx6_node *node)
{
	if (!atomic_flag_test_and_set(&node->stop_asked))
		(void)!vx6_loop_post(node->loop, &node->stop_mail);
}

/* ---- SIGHUP ---- */

static void begin_reload(struct vx6_node *node)
{
	node->reloading = vx6_is_ok(vx6_loop_work(node->loop, &node->reload_job));
}

static void reload_work(struct vx6_job *job)
{
	struct vx6_node *node = VX6_CONTAINER_OF(job, struct vx6_node, reload_job);

	node->cfg.reload(node->cfg.reload_user);
}

static void reload_done(struct vx6_job *job)
{
	struct vx6_node *node = VX6_CONTAINER_OF(job, struct vx6_node, reload_job);

	node->reloading = false;
	if (node->reload_again && !node->stopping)
		begin_reload(node);
	node->reload_again = false;
}

/* One that comes while the file is read may be about what is newer than that. */
static void on_hangup(int signum, void *user)
{
	struct vx6_node *node = user;

	(void)signum;
	if (node->reloading)
		node->reload_again = true;
	else if (node->cfg.reload)
		begin_reload(node);
}

/* ---- life ---- */

/* What has ended stays so over a restart. */
static void load_revocation(struct vx6_node *node, const struct vx6_state_image *img)
{
	const struct vx6_stored_value *v = vx6_state_image_value(img, identity_revocation_key);

	if (!v)
		return;
	VX6_WARN("node", "this node's identity has been revoked: nobody accepts it any more");
	identity_revoked(node, v->value, v->n);
}

static vx6_err start_parts(struct vx6_node *node, char *detail)
{
	struct vx6_state_image img = {0};
	vx6_err err = vx6_state_load(node->state, &img);

	if (!vx6_is_ok(err)) {
		snprintf(detail, VX6_DETAIL_MAX, "cannot read %.160s/state.db: %s", node->state_dir,
			 vx6_err_text(err));
		return err;
	}
	node->event_index = img.last_seq;
	err = choose_settings(node, &img, detail);
	hidden_roles_start(node, &img);
	if (vx6_is_ok(err))
		err = wiring_start(node, &img, detail);
	if (vx6_is_ok(err)) {
		load_rows(node, &img);
		add_config_peers(node);
		load_revocation(node, &img);
		circuits_set_budget(node, &node->stored.relay);
		node->operations = operations_new(node);
	}
	vx6_state_image_fini(&img);
	return err;
}

static vx6_err watch_signals(struct vx6_node *node)
{
	VX6_TRY(vx6_loop_on_signal(node->loop, SIGINT, on_signal, node));
	VX6_TRY(vx6_loop_on_signal(node->loop, SIGHUP, on_hangup, node));
	return vx6_loop_on_signal(node->loop, SIGTERM, on_signal, node);
}

static vx6_err node_start(struct vx6_node *node, char *detail)
{
	struct vx6_state_config state = {.dir = node->state_dir};
	struct vx6_event ev;

	VX6_TRY(vx6_crypto_init());
	VX6_TRY(open_dir(node, detail));
	VX6_TRY(vx6_loop_new(&node->loop));
	state.loop = node->loop;
	/* the lock of the database guards the identity too */
	VX6_TRY(vx6_state_open(&state, &node->state, detail));
	VX6_TRY(open_identity(node, detail));
	VX6_TRY(watch_signals(node));
	VX6_TRY(start_parts(node, detail));
	vx6_timer_init(node->loop, &node->drain_timer, on_drain_tick, node);
	vx6_timer_init(node->loop, &node->renew_timer, on_renew_timer, node);
	vx6_timer_in_ms(&node->renew_timer, 0); /* warns at once where it must */
	stats_start(node);
	event_init(&ev, "node.started", "node", "", NULL);
	event_emit(node, &ev);
	return VX6_OK;
}

vx6_err vx6_node_new(const struct vx6_node_config *cfg, struct vx6_node **out, char *detail)
{
	struct vx6_node *node = vx6_zalloc(sizeof *node);
	vx6_err err;

	detail[0] = 0;
	node->cfg = *cfg;
	node->started_ms = vx6_wall_ms();
	node->stop_mail.deliver = on_stop_mail;
	node->reload_job = (struct vx6_job){.work = reload_work, .done = reload_done};
	atomic_flag_clear(&node->stop_asked);
	vx6_list_init(&node->mutations);
	vx6_list_init(&node->emissions);
	vx6_list_init(&node->reads);
	err = node_start(node, detail);
	if (!vx6_is_ok(err)) {
		if (!detail[0])
			vx6_strlcpy(detail, vx6_err_text(err), VX6_DETAIL_MAX);
		vx6_node_free(node);
		return err;
	}
	/* borrowed for the call only */
	node->cfg.state_dir = node->cfg.name = node->cfg.passphrase = NULL;
	*out = node;
	return VX6_OK;
}

void vx6_node_run(struct vx6_node *node)
{
	vx6_loop_run(node->loop);
}

void vx6_node_free(struct vx6_node *node)
{
	if (!node)
		return;
	if (node->loop)
		mutations_abort(node);
	vx6_timer_stop(&node->drain_timer);
	vx6_timer_stop(&node->renew_timer);
	stats_stop(node);
	operations_free(node->operations);
	wiring_stop(node);
	vx6_state_close(node->state);
	events_abort(node);
	reads_abort(node);
	snapshot_drop(node);
	rows_fini(&node->service_rows, VX6_RESOURCE_SERVICE);
	rows_fini(&node->forward_rows, VX6_RESOURCE_FORWARD);
	rows_fini(&node->token_rows, VX6_RESOURCE_TOKEN);
	rows_fini(&node->peer_rows, VX6_RESOURCE_PEER);
	vx6_loop_free(node->loop);
	vx6_identity_wipe(&node->identity);
	free(node);
}
