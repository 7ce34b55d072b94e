/*
 * Who a caller is, and what it may do.
 *
 * On the unix socket the kernel says who calls; over TCP a token does. Tokens are the agent's: this thread has a copy, which is renewed with
 * every answer that shows that they changed, before that answer goes out: a token that was removed opens nothing after the removal is known.
 */
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/server/netmask.h"
#include "api/server/server_internal.h"
#include "api/server/token.h"
#include "base/clock.h"
#include "base/util.h"
#include "crypto/secret.h"

enum { GROUPS_MAX = 256 };

/* ---- tokens ---- */

void api_access_see(struct vx6_api_server *s, const struct vx6_snapshot *now)
{
	struct api_token *fresh;

	if (!now || now->tokens_version == s->tokens_version)
		return;
	fresh = vx6_zalloc(VX6_MAX(now->tokens_n, (size_t)1) * sizeof *fresh);
	for (size_t i = 0; i < now->tokens_n; i++) {
		const struct api_token *before = api_access_by_id(s, now->tokens[i].meta.id);

		vx6_strlcpy(fresh[i].id, now->tokens[i].meta.id, sizeof fresh[i].id);
		fresh[i].spec = now->tokens[i].spec;
		fresh[i].used_ms = before ? before->used_ms : 0;
	}
	free(s->tokens);
	s->tokens = fresh;
	s->tokens_n = now->tokens_n;
	s->tokens_version = now->tokens_version;
}

const struct api_token *api_access_by_id(const struct vx6_api_server *s, const char *id)
{
	for (const struct api_token *t = s->tokens; t < s->tokens + s->tokens_n; t++)
		if (strcmp(t->id, id) == 0)
			return t;
	return NULL;
}

static struct api_token *find(struct vx6_api_server *s, const char *text)
{
	const char *public_id = text + VX6_TOKEN_PUBLIC_AT;
	struct api_token *found = NULL;
	struct vx6_hash hash;

	if (!vx6_token_is_valid(text))
		return NULL;
	vx6_token_stored_hash(text, &hash);
	for (struct api_token *t = s->tokens; t < s->tokens + s->tokens_n && !found; t++)
		if (vx6_ct_eq(t->spec.public_id, public_id, VX6_TOKEN_PUBLIC_MAX - 1) &&
		    vx6_ct_eq(hash.b, t->spec.hash, sizeof hash.b))
			found = t;
	vx6_wipe(&hash, sizeof hash);
	return found;
}

/* ---- where from ---- */

/*
 * Whether a list that is stored lets something pass: an empty one does, and one that cannot be read lets nothing.
 * @param one called with each text of it
 */
static bool list_lets(const char *text, bool (*one)(const char *item, const void *user),
		      const void *user)
{
	struct vx6_scan_fault fault;
	struct vx6_value *list = NULL;
	bool good = false;

	if (strcmp(text, "[]") == 0)
		return true;
	if (!vx6_is_ok(vx6_value_parse(text, strlen(text), &list, &fault)))
		return false;
	for (const struct vx6_value *v = vx6_value_first(list); v && !good; v = vx6_value_next(v)) {
		const char *item = vx6_value_string(v);

		good = item && one(item, user);
	}
	vx6_value_free(list);
	return good;
}

static bool is_in(const char *item, const void *user)
{
	const struct api_connection *c = user;
	struct vx6_netmask mask;

	return vx6_netmask_parse(item, &mask) &&
	       vx6_netmask_has(&mask, c->listener->tcp ? &c->remote : NULL);
}

/* ---- scopes ---- */

/* "services" of "/v1/services/{id}/hidden:rotate". */
static size_t part_of(const struct vx6_route *route, const char **part)
{
	*part = route->path + strlen("/v1/");
	return strcspn(*part, "/:.");
}

bool api_scope_is_known(const char *scope)
{
	size_t n = strcspn(scope, ":"), m;
	const char *part;

	if (n == 1 && scope[0] == '*')
		return true;
	for (size_t i = 0; i < VX6_OP_N; i++) {
		m = part_of(&vx6_routes[i], &part);
		if (m == n && memcmp(part, scope, n) == 0)
			return true;
	}
	return false;
}

static bool scope_covers(const char *scope, const void *user)
{
	const struct vx6_route *route = user;
	const char *part, *colon = strchr(scope, ':');
	size_t n = part_of(route, &part), m;

	if (!colon || (strcmp(colon + 1, "write") != 0 && strcmp(route->method, "GET") != 0))
		return false;
	m = (size_t)(colon - scope);
	return (m == 1 && scope[0] == '*') || (m == n && memcmp(scope, part, n) == 0);
}

bool api_access_covers(const struct api_request *r)
{
	const struct api_token *t;

	if (!r->token_id[0])
		return true;
	t = api_access_by_id(r->server, r->token_id);
	return t && list_lets(t->spec.scopes, scope_covers, r->match.route);
}

/* ---- the caller ---- */

static bool is_member(int fd, gid_t group)
{
	gid_t groups[GROUPS_MAX];
	socklen_t n = sizeof groups;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &n) != 0)
		return false;
	for (size_t i = 0; i < n / sizeof groups[0]; i++)
		if (groups[i] == group)
			return true;
	return false;
}

void api_access_peer(const struct vx6_api_server *s, struct api_connection *c, int fd)
{
	struct sockaddr_storage ss;
	socklen_t n = sizeof ss;
	struct ucred cred;

	c->role = VX6_API_ROLE_PUBLIC;
	if (c->listener->tcp) {
		if (getpeername(fd, (struct sockaddr *)&ss, &n) != 0 ||
		    !vx6_is_ok(vx6_addr_from_sockaddr((struct sockaddr *)&ss, n, &c->remote)))
			c->remote = (struct vx6_addr){.family = VX6_ADDR_NONE};
		return;
	}
	n = sizeof cred;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) != 0)
		return;
	c->uid = cred.uid;
	if (cred.uid == 0 || cred.uid == geteuid())
		c->role = VX6_API_ROLE_ADMIN;
	else if (s->has_operators && (cred.gid == s->operators || is_member(fd, s->operators)))
		c->role = VX6_API_ROLE_OPERATOR;
	else
		c->role = s->others;
}

static void name_actor(struct api_request *r, const char *kind, const char *who)
{
	snprintf(r->actor, sizeof r->actor, "%s:%s", kind, who);
}

static bool by_token(struct api_request *r, const char *text)
{
	struct vx6_api_server *s = r->server;
	struct api_token *t;
	struct vx6_hash hash;
	bool good;

	vx6_token_hash(s->key, text, &hash);
	good = s->has_token && vx6_ct_eq(hash.b, s->token.b, sizeof hash.b);
	vx6_wipe(&hash, sizeof hash);
	if (good) {
		r->role = VX6_API_ROLE_ADMIN;
		name_actor(r, "token", "file");
		return true;
	}
	t = find(s, text);
	if (!t || (t->spec.expires_ms && t->spec.expires_ms <= vx6_wall_ms()) ||
	    !list_lets(t->spec.allow_from, is_in, r->connection))
		return false;
	t->used_ms = vx6_wall_ms();
	r->role = (enum vx6_api_role)t->spec.role;
	vx6_strlcpy(r->token_id, t->id, sizeof r->token_id);
	name_actor(r, "token", t->id);
	return true;
}

bool api_access_authenticate(struct api_request *r, unsigned headers_n)
{
	static const char scheme[] = "Bearer ";
	const char *value = api_request_header(r, "Authorization");
	char uid[16];

	vx6_strlcpy(r->actor, "anonymous", sizeof r->actor);
	r->role = r->connection->role;
	if (!r->connection->listener->tcp) {
		snprintf(uid, sizeof uid, "%u", r->connection->uid);
		name_actor(r, "uid", uid);
	}
	/* who may do everything already needs no token; one of less is for others */
	if (r->role == VX6_API_ROLE_ADMIN || !value)
		return true;
	if (headers_n != 1 || strncasecmp(value, scheme, sizeof scheme - 1) != 0)
		return false;
	return by_token(r, value + sizeof scheme - 1);
}

/* ---- at the start ---- */

static void seen_at_start(struct vx6_api_server *server, struct api_letter *letter)
{
	struct api_first_look *look = VX6_CONTAINER_OF(letter, struct api_first_look, letter);

	if (server)
		api_access_see(server, look->snapshot);
	if (look->snapshot)
		vx6_snapshot_unref(look->snapshot);
	api_mail_unref(look->mail);
	free(look);
}

/* On the agent's thread. */
static void first_look(struct vx6_answer *answer, void *user)
{
	struct api_first_look *look = user;

	look->snapshot = answer->snapshot;
	api_mail_send(look->mail, &look->letter);
}

/* In the file first: what the C library would load to ask further costs more memory than all that is here. */
static bool find_group(const char *name, bool anywhere, unsigned *out)
{
	FILE *f = fopen("/etc/group", "re");
	const struct group *g = NULL;

	while (f && (g = fgetgrent(f)) != NULL && strcmp(g->gr_name, name) != 0)
		;
	if (!g && anywhere)
		g = getgrnam(name);
	if (g)
		*out = g->gr_gid;
	if (f)
		fclose(f);
	return g != NULL;
}

void api_access_begin(struct vx6_api_server *s, const struct vx6_api_config *cfg)
{
	s->has_operators =
		cfg->operators && find_group(cfg->operators, cfg->operators_named, &s->operators);
	s->others = cfg->others_view ? VX6_API_ROLE_VIEWER : VX6_API_ROLE_PUBLIC;
}

void api_access_ask(struct vx6_api_server *s)
{
	struct vx6_cmd *cmd = vx6_zalloc(sizeof *cmd);
	struct api_first_look *look = vx6_zalloc(sizeof *look);

	look->letter.deliver = seen_at_start;
	look->mail = api_mail_ref(s->mail);
	cmd->kind = VX6_CMD_SNAPSHOT;
	cmd->select.what = VX6_SELECT_NONE; /* with the tokens, as all */
	if (vx6_node_submit(s->node, cmd, first_look, look))
		return;
	vx6_cmd_free(cmd);
	api_mail_unref(look->mail);
	free(look);
}
