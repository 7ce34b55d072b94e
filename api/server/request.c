/*
 * A request from its first line to its end, and the order in which it is checked: cheap checks and those that protect
 * the later ones come first, nothing of the body is read before the caller may send one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/server/guard.h"
#include "api/server/server_internal.h"
#include "base/clock.h"
#include "base/util.h"
#include "crypto/secret.h"

enum { REQUESTS_PER_S = 2000, REQUESTS_BURST = 4000, GUESSES_PER_S = 1, GUESSES_BURST = 10 };

struct vx6_faults *api_request_faults(struct api_request *r)
{
	if (!r->faults)
		r->faults = vx6_zalloc(sizeof *r->faults);
	return r->faults;
}

const char *api_request_header(const struct api_request *r, const char *name)
{
	return MHD_lookup_connection_value(r->http, MHD_HEADER_KIND, name);
}

void api_request_resume(struct api_request *r)
{
	if (!r->suspended || (r->support && !api_support_step(r)))
		return;
	r->suspended = false;
	MHD_resume_connection(r->http);
}

/* ---- begin and end ---- */

void *api_request_begin(void *user, const char *target, struct MHD_Connection *http)
{
	struct vx6_api_server *s = user;
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(http, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct api_request *r = vx6_zalloc(sizeof *r);

	r->server = s;
	r->begun_ns = vx6_now_ns();
	r->http = http;
	r->connection = info->socket_context;
	r->target_long = strnlen(target, VX6_TARGET_MAX + 1) > VX6_TARGET_MAX;
	if (!r->target_long)
		r->target = vx6_strdup(target);
	vx6_list_push(&s->requests, &r->node);
	s->requests_n++;
	return r;
}

void api_request_end(void *user, struct MHD_Connection *http, void **request,
		     enum MHD_RequestTerminationCode why)
{
	struct vx6_api_server *s = user;
	struct api_request *r = *request;

	if (!r)
		return;
	*request = NULL;
	api_tally(r);
	if (r->call)
		api_call_abandon(r->call);
	api_stream_free(r);
	api_support_free(r->support);
	vx6_list_remove(&r->node);
	s->requests_n--;
	vx6_value_free(r->json);
	free(r->faults);
	vx6_wipe_free(r->body, r->body_cap);
	vx6_wipe_free(r->secret, r->secret ? strlen(r->secret) : 0);
	free(r->target);
	if (!r->reply.borrowed)
		free(r->reply.body);
	free(r);
}

/* ---- checks ---- */

static bool is_request_id(const char *text)
{
	size_t n = strlen(text);

	return n > 0 && n <= 64 &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
		       n;
}

static void name_request(struct api_request *r)
{
	const char *given = api_request_header(r, "X-Request-Id");

	if (given && is_request_id(given))
		vx6_strlcpy(r->id, given, sizeof r->id);
	else
		snprintf(r->id, sizeof r->id, "req_%016llx", (unsigned long long)vx6_random_u64());
}

struct header_facts {
	unsigned host_n, origin_n, length_n, transfer_n, auth_n, type_n;
};

static enum MHD_Result count_header(void *user, enum MHD_ValueKind kind, const char *name,
				    const char *value)
{
	struct header_facts *f = user;

	f->host_n += strcasecmp(name, "Host") == 0;
	f->origin_n += strcasecmp(name, "Origin") == 0;
	f->length_n += strcasecmp(name, "Content-Length") == 0;
	f->transfer_n += strcasecmp(name, "Transfer-Encoding") == 0;
	f->auth_n += strcasecmp(name, "Authorization") == 0;
	f->type_n += strcasecmp(name, "Content-Type") == 0;
	return MHD_YES;
}

static bool problem(struct api_request *r, enum vx6_problem_code code, const char *detail)
{
	api_reply_problem(r, code, "%s", detail);
	return false;
}

static bool check_size(struct api_request *r)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(r->http, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

	if (r->target_long)
		return problem(r, VX6_PROBLEM_URI_TOO_LONG,
			       "path and query have more than 2048 bytes");
	if (info && info->header_size > API_HEADER_BYTES)
		return problem(r, VX6_PROBLEM_HEADERS_TOO_LARGE,
			       "the headers have more than 16 KiB");
	return true;
}

static bool check_origin(struct api_request *r, const struct header_facts *facts)
{
	struct vx6_http_guard guard = {
		.tcp = r->connection->listener->tcp,
		.port = r->connection->listener->port,
		.host_n = facts->host_n,
		.origin_n = facts->origin_n,
		.host = api_request_header(r, "Host"),
		.origin = api_request_header(r, "Origin"),
		.fetch_site = api_request_header(r, "Sec-Fetch-Site"),
		.fetch_mode = api_request_header(r, "Sec-Fetch-Mode"),
	};
	enum vx6_problem_code code = vx6_guard_check(&guard);

	if (code == VX6_PROBLEM_N)
		return true;
	return problem(r, code,
		       code == VX6_PROBLEM_HOST_REFUSED
			       ? "Host must be localhost, 127.0.0.1 or [::1] with the API's port"
			       : "requests of other origins are refused");
}

static bool check_route(struct api_request *r)
{
	vx6_err err = vx6_uri_split(r->target, &r->query);

	if (!vx6_is_ok(err))
		return problem(r, VX6_PROBLEM_BAD_REQUEST,
			       err.code == VX6_E_LIMIT ? "too many parameters"
						       : "malformed path or query");
	vx6_route_find(r->method, r->target, &r->match);
	if (r->match.route)
		return true;
	if (!r->match.path_known)
		return problem(r, VX6_PROBLEM_ROUTE_UNKNOWN, "there is nothing at this path");
	vx6_strlcpy(r->reply.allow, r->match.allow, sizeof r->reply.allow);
	return problem(r, VX6_PROBLEM_METHOD_NOT_ALLOWED, "see the Allow header");
}

static bool check_rate(struct api_request *r)
{
	struct api_bucket *bucket =
		r->connection->listener->tcp ? &r->server->tcp_bucket : &r->server->unix_bucket;

	if (api_bucket_take(bucket, r->server->now_ms, REQUESTS_BURST, REQUESTS_PER_S))
		return true;
	return problem(r, VX6_PROBLEM_RATE_LIMITED, "too many requests");
}

static bool check_role(struct api_request *r, const struct header_facts *facts)
{
	if (r->match.route->role == VX6_API_ROLE_PUBLIC)
		return true;
	if (!api_access_authenticate(r, facts->auth_n) &&
	    !api_bucket_take(&r->server->guess_bucket, r->server->now_ms, GUESSES_BURST,
			     GUESSES_PER_S))
		return problem(r, VX6_PROBLEM_RATE_LIMITED, "too many wrong credentials");
	if (r->role == VX6_API_ROLE_PUBLIC && r->connection->listener->tcp)
		return problem(r, VX6_PROBLEM_UNAUTHENTICATED,
			       "send Authorization: Bearer with a token of this agent");
	if (r->role < r->match.route->role)
		return problem(r, VX6_PROBLEM_FORBIDDEN, "the role of this caller is not enough");
	if (!api_access_covers(r))
		return problem(r, VX6_PROBLEM_FORBIDDEN,
			       "the scopes of this token do not cover that");
	return true;
}

static bool check_body_headers(struct api_request *r, const struct header_facts *facts)
{
	const struct vx6_route *route = r->match.route;
	const char *type = api_request_header(r, "Content-Type"),
		   *length = api_request_header(r, "Content-Length");
	const char *wanted =
		route->merge_patch ? "application/merge-patch+json" : "application/json";
	unsigned long long n = length ? strtoull(length, NULL, 10)
				      : 0; /* libmicrohttpd has refused what is no number */

	if (facts->length_n > 1 || (facts->length_n && facts->transfer_n))
		return problem(r, VX6_PROBLEM_BAD_REQUEST, "the length of the body is told twice");
	if (!route->body && (n > 0 || facts->transfer_n))
		return problem(r, VX6_PROBLEM_PAYLOAD_TOO_LARGE, "this route takes no body");
	if (!route->body)
		return true;
	if (facts->type_n != 1 || !vx6_media_type_is(type, wanted)) {
		api_reply_problem(r, VX6_PROBLEM_MEDIA_TYPE_UNSUPPORTED, "send Content-Type: %s",
				  wanted);
		return false;
	}
	if (!length)
		return problem(r, VX6_PROBLEM_LENGTH_REQUIRED, "send Content-Length");
	if (n > route->max_body) {
		api_reply_problem(r, VX6_PROBLEM_PAYLOAD_TOO_LARGE, "at most %u bytes",
				  route->max_body);
		return false;
	}
	r->body_cap = (size_t)n;
	return true;
}

static bool check_parameters(struct api_request *r)
{
	if (r->query.n == 0 || vx6_query_check(r->match.route, &r->query, api_request_faults(r)))
		return true;
	api_reply_faults(r, VX6_PROBLEM_INVALID_PARAMETER);
	return false;
}

/*
 * Everything that can be decided before the body.
 * @return whether a refusal should be sent at once; libmicrohttpd closes the connection then, which spares reading the body
 */
static bool check_all(struct api_request *r)
{
	struct header_facts facts = {0};
	const char *length;

	name_request(r);
	MHD_get_connection_values(r->http, MHD_HEADER_KIND, count_header, &facts);
	length = api_request_header(r, "Content-Length");
	if (check_size(r) && check_origin(r, &facts) && check_route(r) && check_rate(r) &&
	    check_role(r, &facts) && check_body_headers(r, &facts))
		check_parameters(r);
	return facts.transfer_n > 0 || (length && strcmp(length, "0") != 0);
}

static bool check_body(struct api_request *r)
{
	struct vx6_scan_fault fault;
	vx6_err err;

	if (!r->match.route->body)
		return true;
	err = vx6_value_parse(r->body ? r->body : "", r->body_n, &r->json, &fault);
	if (!vx6_is_ok(err)) {
		api_reply_problem(r, VX6_PROBLEM_INVALID_JSON, "byte %zu: %s", fault.offset,
				  fault.text);
		return false;
	}
	if (vx6_validate(r->match.route->body, r->json, api_request_faults(r)))
		return true;
	api_reply_faults(r, VX6_PROBLEM_INVALID_BODY);
	return false;
}

/* ---- run ---- */

static enum MHD_Result finish_or_wait(struct api_request *r)
{
	if (r->reply.hang_up)
		return MHD_NO;
	if (api_audit_due(r))
		api_audit_write(r);
	if (r->reply.status && !r->call)
		return api_reply_send(r);
	if (r->stage == API_STAGE_DONE) /* an event stream has queued its own response */
		return MHD_YES;
	r->suspended = true;
	MHD_suspend_connection(r->http);
	return MHD_YES;
}

static void take_body(struct api_request *r, const char *data, size_t n)
{
	if (n > r->body_cap - r->body_n) { /* cannot be: Content-Length was checked */
		api_reply_problem(r, VX6_PROBLEM_PAYLOAD_TOO_LARGE,
				  "more than Content-Length says");
		return;
	}
	if (!r->body)
		r->body = vx6_zalloc(r->body_cap);
	memcpy(r->body + r->body_n, data, n);
	r->body_n += n;
}

enum MHD_Result api_request_handle(void *user, struct MHD_Connection *http, const char *url,
				   const char *method, const char *version, const char *data,
				   size_t *data_n, void **request)
{
	struct vx6_api_server *s = user;
	struct api_request *r = *request;
	bool at_once = true;

	switch (r->stage) {
	case API_STAGE_CHECK:
		r->method = method;
		r->head = strcmp(method, "HEAD") == 0;
		r->stage = API_STAGE_BODY;
		if (__atomic_load_n(&s->stopping, __ATOMIC_ACQUIRE))
			api_reply_problem(r, VX6_PROBLEM_UNAVAILABLE, "the agent is stopping");
		else
			at_once = check_all(r);
		if (!r->reply.status || !at_once)
			return MHD_YES;
		if (api_audit_due(r))
			api_audit_note(r);
		return api_reply_send(r);
	case API_STAGE_BODY:
		if (*data_n > 0) {
			if (!r->reply.status)
				take_body(r, data, *data_n);
			*data_n = 0;
			return MHD_YES;
		}
		r->stage = API_STAGE_RUN;
		if (!r->reply.status && check_body(r))
			api_handle(r);
		return finish_or_wait(r);
	case API_STAGE_RUN:
		return finish_or_wait(r);
	case API_STAGE_DONE:
		*data_n = 0;
		return MHD_YES;
	}
	return MHD_NO;
}

/* ---- dispatch ---- */

static void openapi(struct api_request *r)
{
	api_reply_static(r, "application/json", vx6_openapi.bytes, vx6_openapi.n);
}

void api_handle(struct api_request *r)
{
	switch (r->match.route->op) {
	case VX6_OP_HEALTH_LIVE:
	case VX6_OP_HEALTH_READY:
	case VX6_OP_HEALTH_STARTUP:
		api_health(r);
		break;
	case VX6_OP_VERSION_GET:
		api_version(r);
		break;
	case VX6_OP_ENDPOINTS_LIST:
		api_endpoints(r);
		break;
	case VX6_OP_METRICS_GET:
		api_metrics(r);
		break;
	case VX6_OP_STATS_GET:
		api_stats_get(r);
		break;
	case VX6_OP_STATS_SERIES_GET:
		api_stats_series_get(r);
		break;
	case VX6_OP_LOG_LIST:
		api_logs_list(r);
		break;
	case VX6_OP_LOG_LEVELS_GET:
		api_log_levels_get(r);
		break;
	case VX6_OP_LOG_LEVELS_REPLACE:
		api_log_levels_replace(r);
		break;
	case VX6_OP_OPENAPI_GET:
		openapi(r);
		break;
	case VX6_OP_SCHEMA_GET:
		api_schema(r);
		break;
	case VX6_OP_NODE_GET:
		api_node_get(r);
		break;
	case VX6_OP_NODE_UPDATE:
		api_node_update(r);
		break;
	case VX6_OP_IDENTITY_GET:
		api_identity_get(r);
		break;
	case VX6_OP_EVENT_LIST:
		api_events_handle(r);
		break;
	case VX6_OP_CONNECT_OPEN:
		api_connect(r);
		break;
	case VX6_OP_IDENTITY_ROTATE:
		api_identity_rotate(r);
		break;
	case VX6_OP_IDENTITY_REVOKE:
		api_identity_revoke(r);
		break;
	case VX6_OP_IDENTITY_EXPORT:
		api_identity_export(r);
		break;
	case VX6_OP_BACKUP_CREATE:
		api_backup_create(r);
		break;
	case VX6_OP_SUPPORT_CREATE:
		api_support_create(r);
		break;
	case VX6_OP_CONFIG_GET:
		api_config_get(r);
		break;
	case VX6_OP_CONFIG_VALIDATE:
		api_config_validate(r);
		break;
	case VX6_OP_CONFIG_RELOAD:
		api_config_reload(r);
		break;
	case VX6_OP_DHT_GET:
		api_dht_get(r);
		break;
	case VX6_OP_NAME_PUT:
		api_name_put(r);
		break;
	case VX6_OP_NAME_DELETE:
		api_name_delete(r);
		break;
	case VX6_OP_LOOKUP_CREATE:
		api_lookup_create(r);
		break;
	case VX6_OP_REGISTRY_REFRESH:
		api_registry_refresh(r);
		break;
	case VX6_OP_OPERATION_CANCEL:
		api_operation_cancel(r);
		break;
	case VX6_OP_CATALOG_CREATE:
		api_catalog_create(r);
		break;
	case VX6_OP_CATALOG_JOIN:
		api_catalog_join(r);
		break;
	case VX6_OP_CATALOG_DELETE:
		api_catalog_delete(r);
		break;
	case VX6_OP_CATALOG_ADD:
	case VX6_OP_CATALOG_REMOVE:
		api_catalog_entry(r);
		break;
	case VX6_OP_CATALOG_INVITE:
		api_catalog_invite(r);
		break;
	case VX6_OP_CIRCUIT_CREATE:
		api_circuit_create(r);
		break;
	case VX6_OP_CIRCUIT_REBUILD:
		api_circuit_rebuild(r);
		break;
	case VX6_OP_CIRCUIT_DELETE:
		api_circuit_delete(r);
		break;
	case VX6_OP_TOKEN_CREATE:
		api_token_create(r);
		break;
	case VX6_OP_AUDIT_LIST:
		api_audit_list(r);
		break;
	case VX6_OP_AUDIT_CHECK:
		api_audit_check(r);
		break;
	case VX6_OP_HIDDEN_SERVICE_GET:
		api_rows_get(r, &api_hidden);
		break;
	case VX6_OP_HIDDEN_SERVICE_ROTATE:
		api_hidden_rotate(r);
		break;
	case VX6_OP_HIDDEN_INVITE_CREATE:
		api_hidden_invite_create(r);
		break;
	case VX6_OP_HIDDEN_INVITE_DELETE:
	case VX6_OP_HIDDEN_CLIENT_DELETE:
		api_hidden_revoke(r);
		break;
	case VX6_OP_HIDDEN_ALIAS_CREATE:
		api_hidden_alias_create(r);
		break;
	case VX6_OP_HIDDEN_ALIAS_FIND:
		api_hidden_alias_find(r);
		break;
	case VX6_OP_HIDDEN_ALIAS_UPDATE:
		api_hidden_alias_update(r);
		break;
	case VX6_OP_HIDDEN_ALIAS_DELETE:
		api_hidden_alias_delete(r);
		break;
#define LIST(NAME, rows)                                                                           \
	case VX6_OP_##NAME##_LIST:                                                                 \
		api_rows_list(r, &(rows));                                                         \
		break
#define ROWS(NAME, rows)                                                                           \
	LIST(NAME, rows);                                                                          \
	case VX6_OP_##NAME##_GET:                                                                  \
		api_rows_get(r, &(rows));                                                          \
		break
		ROWS(REGISTRY_NODE, api_known_nodes);
		LIST(REGISTRY_SERVICE, api_known_services);
		ROWS(NAME, api_bindings);
		LIST(NAME_CONFLICT, api_conflicts);
		LIST(DHT_CONTACT, api_contacts);
		LIST(DHT_REPLICA, api_replicas);
		ROWS(LOOKUP, api_lookups);
		ROWS(OPERATION, api_operations);
		ROWS(CATALOG, api_catalogs);
		ROWS(RELAY, api_relays);
		ROWS(CIRCUIT, api_circuits);
		LIST(CIRCUIT_DECISION, api_decisions);
		ROWS(HIDDEN_INVITE, api_hidden_invites);
		ROWS(HIDDEN_CLIENT, api_hidden_clients);
		ROWS(HIDDEN_ALIAS, api_hidden_aliases);
		LIST(HIDDEN_CONNECT, api_hidden_attempts);
#undef ROWS
#undef LIST
#define RESOURCE(NAME, resource)                                                                   \
	case VX6_OP_##NAME##_CREATE:                                                               \
		api_resource_create(r, &(resource));                                               \
		break;                                                                             \
		KEPT(NAME, resource)
#define KEPT(NAME, resource)                                                                       \
	case VX6_OP_##NAME##_LIST:                                                                 \
		api_resource_list(r, &(resource));                                                 \
		break;                                                                             \
	case VX6_OP_##NAME##_GET:                                                                  \
		api_resource_get(r, &(resource));                                                  \
		break;                                                                             \
	case VX6_OP_##NAME##_REPLACE:                                                              \
		api_resource_replace(r, &(resource));                                              \
		break;                                                                             \
	case VX6_OP_##NAME##_UPDATE:                                                               \
		api_resource_update(r, &(resource));                                               \
		break;                                                                             \
	case VX6_OP_##NAME##_DELETE:                                                               \
		api_resource_delete(r, &(resource));                                               \
		break
		RESOURCE(PEER, api_peers);
		RESOURCE(SERVICE, api_services);
		RESOURCE(FORWARD, api_forwards);
		KEPT(TOKEN, api_tokens);
#undef KEPT
#undef RESOURCE
	case VX6_OP_N:
		break;
	}
}
