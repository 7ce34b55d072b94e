/*
 * The table of catalogs. A change is made on a copy, written to its file by a worker, and put in force when it is there: so what is
 * published is never ahead of what a restart would know.
 */
#include "discovery/catalogs_internal.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "identity/node_id.h"

/* One change on its way to the disk. Secret: wiped. */
struct change {
	struct vx6_job job;
	struct vx6_catalogs *c; /* NULL: the table is gone */
	char dir[CATALOG_PATH];
	struct catalog_data data;
	bool remove;
	vx6_err err;
	vx6_catalog_done *done;
	void *user;
};

/* ---- the table ---- */

static size_t place(const struct vx6_catalogs *c, const char *name)
{
	size_t at = 0;

	while (at < c->n && strcmp(c->row[at]->data.name, name) < 0)
		at++;
	return at;
}

struct catalog *catalog_named(const struct vx6_catalogs *c, const char *name)
{
	size_t at = place(c, name);

	return at < c->n && strcmp(c->row[at]->data.name, name) == 0 ? c->row[at] : NULL;
}

struct catalog *catalog_add(struct vx6_catalogs *c, const struct catalog_data *data)
{
	size_t at = place(c, data->name);
	struct catalog *k;

	if (c->n == VX6_CATALOGS_MAX || catalog_named(c, data->name))
		return NULL;
	k = vx6_zalloc(sizeof *k);
	k->c = c;
	k->data = *data;
	memmove(c->row + at + 1, c->row + at, (c->n - at) * sizeof *c->row);
	c->row[at] = k;
	c->n++;
	if (!k->data.owner)
		(void)catalog_from_registry(k);
	return k;
}

static void catalog_free(struct catalog *k)
{
	catalog_stop(k);
	vx6_wipe_free(k, sizeof *k);
}

static void catalog_remove(struct vx6_catalogs *c, struct catalog *k)
{
	size_t at = place(c, k->data.name);

	c->n--;
	memmove(c->row + at, c->row + at + 1, (c->n - at) * sizeof *c->row);
	catalog_free(k);
}

static void on_loaded(void *user, const struct catalog_data *data)
{
	if (!catalog_add(user, data))
		VX6_ERROR("catalogs", "%s is one catalog too many; it is left out", data->name);
}

static void on_tick(struct vx6_timer *timer)
{
	catalogs_tick(timer->user);
}

struct vx6_catalogs *vx6_catalogs_new(const struct vx6_catalogs_config *cfg)
{
	struct vx6_catalogs *c = vx6_zalloc(sizeof *c);

	c->cfg = *cfg;
	vx6_strlcpy(c->dir, cfg->dir, sizeof c->dir);
	vx6_timer_init(cfg->loop, &c->tick, on_tick, c);
	catalog_files_read(c->dir, on_loaded, c);
	return c;
}

void vx6_catalogs_free(struct vx6_catalogs *c)
{
	if (!c)
		return;
	if (c->change)
		c->change->c = NULL;
	vx6_timer_stop(&c->tick);
	while (c->n > 0)
		catalog_remove(c, c->row[0]);
	free(c);
}

void vx6_catalogs_set_dht(struct vx6_catalogs *c, struct vx6_dht *dht,
			  void (*now)(void *user, struct vx6_dht_now *out), void *user)
{
	for (size_t i = 0; i < c->n; i++)
		catalog_stop(c->row[i]);
	c->dht = dht;
	c->dht_now = now;
	c->dht_user = user;
	if (dht)
		catalogs_tick(c);
}

/* ---- changes ---- */

static void write_it(struct vx6_job *job)
{
	struct change *g = VX6_CONTAINER_OF(job, struct change, job);

	g->err = g->remove ? catalog_file_remove(g->dir, g->data.name)
			   : catalog_file_write(g->dir, &g->data);
}

static void put_in_force(struct vx6_catalogs *c, const struct change *g)
{
	struct catalog *k = catalog_named(c, g->data.name);

	if (g->remove && k) {
		catalog_remove(c, k);
	} else if (!g->remove && k) {
		/* a number that was used meanwhile stays used */
		uint64_t seq = VX6_MAX(k->data.list.seq, g->data.list.seq);

		k->data = g->data;
		k->data.list.seq = seq;
		catalog_renew(k);
	} else if (!g->remove) {
		(void)catalog_add(c, &g->data);
	}
	catalogs_tick(c);
}

static void on_written(struct vx6_job *job)
{
	struct change *g = VX6_CONTAINER_OF(job, struct change, job);
	struct vx6_catalogs *c = g->c;
	char name[VX6_LABEL_TEXT];
	vx6_catalog_done *done = g->done;
	void *user = g->user;
	vx6_err err = g->err;

	vx6_strlcpy(name, g->data.name, sizeof name);
	if (c) {
		c->change = NULL;
		if (vx6_is_ok(err))
			put_in_force(c, g);
	}
	vx6_wipe_free(g, sizeof *g);
	if (!c)
		return;
	if (vx6_is_ok(err) && c->cfg.changed)
		c->cfg.changed(c->cfg.user, name);
	if (done)
		done(user, err);
}

static struct change *change_new(struct vx6_catalogs *c, const struct catalog_data *data,
				 vx6_catalog_done *done, void *user)
{
	struct change *g = vx6_zalloc(sizeof *g);

	g->job = (struct vx6_job){.work = write_it, .done = on_written};
	g->c = c;
	g->done = done;
	g->user = user;
	vx6_strlcpy(g->dir, c->dir, sizeof g->dir);
	if (data)
		g->data = *data;
	g->data.updated_ms = vx6_wall_ms();
	return g;
}

/* @param g taken */
static vx6_err change_submit(struct change *g)
{
	struct vx6_catalogs *c = g->c;
	vx6_err err = vx6_loop_work(c->cfg.loop, &g->job);

	if (vx6_is_ok(err))
		c->change = g;
	else
		vx6_wipe_free(g, sizeof *g);
	return err;
}

static vx6_err check_new(const struct vx6_catalogs *c, const char *name)
{
	if (!vx6_label_is_valid(name, strnlen(name, VX6_LABEL_TEXT)))
		return VX6_ERR(INVALID);
	if (catalog_named(c, name))
		return VX6_ERR(EXISTS);
	if (c->n == VX6_CATALOGS_MAX)
		return VX6_ERR(FULL);
	return c->change ? VX6_ERR(AGAIN) : VX6_OK;
}

vx6_err vx6_catalogs_create(struct vx6_catalogs *c, const char *name, vx6_catalog_done *done,
			    void *user)
{
	struct vx6_sign_keypair kp;
	struct change *g;

	VX6_TRY(check_new(c, name));
	g = change_new(c, NULL, done, user);
	vx6_sign_keypair_random(&kp);
	vx6_strlcpy(g->data.name, name, sizeof g->data.name);
	vx6_strlcpy(g->data.list.title, name, sizeof g->data.list.title);
	g->data.owner = true;
	g->data.key.pk = kp.pk;
	g->data.seed = kp.seed;
	vx6_random_bytes(g->data.key.secret, sizeof g->data.key.secret);
	g->data.created_ms = g->data.updated_ms;
	vx6_sign_keypair_wipe(&kp);
	return change_submit(g);
}

static vx6_err parse_invite(const char *invite, struct vx6_catalog_key *out)
{
	char text[VX6_CATALOG_INVITE_TEXT], *dot;
	vx6_err err;

	if (vx6_strlcpy(text, invite, sizeof text) >= sizeof text || !(dot = strchr(text, '.')))
		return VX6_ERR(FORMAT);
	*dot = '\0';
	err = vx6_key_parse(VX6_KEY_CATALOG, text, out->pk.b);
	if (vx6_is_ok(err))
		err = vx6_key_parse(VX6_KEY_CLIENT, dot + 1, out->secret);
	if (vx6_is_ok(err) && !vx6_sign_pk_is_valid(&out->pk))
		err = VX6_ERR(KEY);
	vx6_wipe(text, sizeof text);
	return err;
}

vx6_err vx6_catalogs_join(struct vx6_catalogs *c, const char *name, const char *invite,
			  vx6_catalog_done *done, void *user)
{
	struct vx6_catalog_key key;
	struct change *g;
	vx6_err err = parse_invite(invite, &key);

	if (vx6_is_ok(err))
		err = check_new(c, name);
	for (size_t i = 0; i < c->n && vx6_is_ok(err); i++)
		if (vx6_ct_eq(c->row[i]->data.key.pk.b, key.pk.b, sizeof key.pk.b))
			err = VX6_ERR(EXISTS);
	if (vx6_is_ok(err)) {
		g = change_new(c, NULL, done, user);
		vx6_strlcpy(g->data.name, name, sizeof g->data.name);
		g->data.key = key;
		g->data.created_ms = g->data.updated_ms;
		err = change_submit(g);
	}
	vx6_wipe(&key, sizeof key);
	return err;
}

vx6_err vx6_catalogs_remove(struct vx6_catalogs *c, const char *name, vx6_catalog_done *done,
			    void *user)
{
	const struct catalog *k = catalog_named(c, name);
	struct change *g;

	if (!k)
		return VX6_ERR(NOT_FOUND);
	if (c->change)
		return VX6_ERR(AGAIN);
	g = change_new(c, &k->data, done, user);
	g->remove = true;
	return change_submit(g);
}

static vx6_err check_ours(const struct vx6_catalogs *c, const struct catalog *k)
{
	if (!k)
		return VX6_ERR(NOT_FOUND);
	if (!k->data.owner)
		return VX6_ERR(REFUSED);
	return c->change ? VX6_ERR(AGAIN) : VX6_OK;
}

static size_t alias_place(const struct vx6_catalog *list, const char *alias)
{
	size_t i = 0;

	while (i < list->entries_n && strcmp(list->entries[i].alias, alias) != 0)
		i++;
	return i;
}

/* Whether a record of it can be made, as it will have to be. */
static vx6_err try_record(const struct vx6_catalogs *c, const struct catalog_data *data)
{
	struct vx6_catalog *list = vx6_zalloc(sizeof *list);
	uint8_t record[VX6_CATALOG_MAX];
	struct vx6_sign_keypair kp;
	vx6_err err;
	size_t n;

	*list = data->list;
	list->issued_s = vx6_wall_s();
	list->period = vx6_catalog_period(list->issued_s);
	list->lifetime_s = VX6_CATALOG_LIFETIME_S;
	vx6_sign_keypair_from_seed(&data->seed, &kp);
	err = vx6_catalog_build(list, &kp, data->key.secret, &c->cfg.net, record, &n);
	vx6_sign_keypair_wipe(&kp);
	vx6_wipe(record, sizeof record);
	vx6_wipe_free(list, sizeof *list);
	return err;
}

static vx6_err submit_list(struct change *g)
{
	vx6_err err = try_record(g->c, &g->data);

	if (vx6_is_ok(err))
		return change_submit(g);
	vx6_wipe_free(g, sizeof *g);
	return err;
}

vx6_err vx6_catalogs_put(struct vx6_catalogs *c, const char *name,
			 const struct vx6_catalog_entry *e, vx6_catalog_done *done, void *user)
{
	const struct catalog *k = catalog_named(c, name);
	struct change *g;
	size_t at;

	VX6_TRY(check_ours(c, k));
	at = alias_place(&k->data.list, e->alias);
	if (at == VX6_CATALOG_ENTRIES_MAX)
		return VX6_ERR(LIMIT);
	g = change_new(c, &k->data, done, user);
	g->data.list.entries[at] = *e;
	if (at == g->data.list.entries_n)
		g->data.list.entries_n++;
	return submit_list(g);
}

vx6_err vx6_catalogs_drop(struct vx6_catalogs *c, const char *name, const char *alias,
			  vx6_catalog_done *done, void *user)
{
	const struct catalog *k = catalog_named(c, name);
	struct vx6_catalog *list;
	struct change *g;
	size_t at;

	VX6_TRY(check_ours(c, k));
	at = alias_place(&k->data.list, alias);
	if (at == k->data.list.entries_n)
		return VX6_ERR(NOT_FOUND);
	g = change_new(c, &k->data, done, user);
	list = &g->data.list;
	list->entries_n--;
	memmove(list->entries + at, list->entries + at + 1,
		(list->entries_n - at) * sizeof *list->entries);
	return submit_list(g);
}

/* ---- questions ---- */

bool vx6_catalogs_info(const struct vx6_catalogs *c, const char *name, struct vx6_catalog_info *out)
{
	const struct catalog *k = catalog_named(c, name);

	memset(out, 0, sizeof *out);
	if (!k)
		return false;
	vx6_strlcpy(out->name, k->data.name, sizeof out->name);
	out->pk = k->data.key.pk;
	out->owner = k->data.owner;
	out->created_ms = k->data.created_ms;
	out->updated_ms = k->data.updated_ms;
	out->fetched_ms = k->fetched_ms;
	out->expires_s = k->expires_s;
	out->last_err = k->last_err;
	out->last_err_ms = k->last_err_ms;
	out->published = k->slot[0].kept != NULL;
	if (out->published)
		vx6_dht_kept_info(k->slot[0].kept, &out->kept);
	out->list = &k->data.list;
	return true;
}

size_t vx6_catalogs_page(const struct vx6_catalogs *c, const char *after,
			 char (*out)[VX6_LABEL_TEXT], size_t max)
{
	size_t at = after ? place(c, after) : 0, n = 0;

	if (after && at < c->n && strcmp(c->row[at]->data.name, after) == 0)
		at++;
	for (; at < c->n && n < max; at++)
		vx6_strlcpy(out[n++], c->row[at]->data.name, VX6_LABEL_TEXT);
	return n;
}

bool vx6_catalogs_invite(const struct vx6_catalogs *c, const char *name,
			 char out[static VX6_CATALOG_INVITE_TEXT])
{
	const struct catalog *k = catalog_named(c, name);
	size_t n;

	out[0] = '\0';
	if (!k)
		return false;
	vx6_key_format(VX6_KEY_CATALOG, k->data.key.pk.b, out);
	n = strlen(out);
	out[n++] = '.';
	vx6_key_format(VX6_KEY_CLIENT, k->data.key.secret, out + n);
	return true;
}
