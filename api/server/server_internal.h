/**
 * @file server_internal.h
 * What the files of the server share: the server, its connections and requests, replies, calls to the agent.
 *
 * Layer:   api
 * Threads: everything here belongs to the server's thread, but for struct api_mail
 *
 * A request lives from the callback that first shows its target to the one that reports its end. While it waits for the
 * agent, for events or for the end of a joined stream, its connection is suspended: libmicrohttpd neither reads, writes
 * nor times it out. Whoever completes it fills `reply` and calls api_request_resume().
 */
#ifndef VX6_API_SERVER_SERVER_INTERNAL_H
#define VX6_API_SERVER_SERVER_INTERNAL_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdio.h>

#include "api/server/route.h"
#include "api/server/server.h"
#include "base/json.h"
#include "base/list.h"
#include "base/log.h"
#include "crypto/hash.h"
#include "node/facade.h"

enum {
	API_CONNECTIONS_UNIX = 256,
	API_CONNECTIONS_TCP = 64,
	API_CONNECTION_BYTES = 32 * 1024, /* buffer of one connection */
	API_HEADER_BYTES = 16 * 1024,
	API_IDLE_S = 10,
	API_CALL_MS = 30 * 1000, /* an answer of the agent */
	API_PROBE_MS = 3 * 1000, /* the same for health probes */
	API_STREAMS_MAX = 32,    /* event streams and long-polls at once */
	API_HEARTBEAT_MS = 10 * 1000,
	API_RING_EVENTS = 256,
	API_RING_BYTES = 128 * 1024,
	API_CURSOR = VX6_PAGE_KEY + 40,
	API_PAGE_BYTES = VX6_JSON_MAX / 2, /* a page is cut short at */
	API_WAIT_MAX_MS = 60 * 1000,       /* for the end of an operation */
	API_MAIL_EVENTS = 1024,            /* events on their way to the server's thread */
};

/* ---- mail.c: what other threads hand to the server's thread ---- */

struct api_request;

/** A message in the mail. */
struct api_letter {
	struct vx6_list node;
	void (*deliver)(
		struct vx6_api_server *server,
		struct api_letter *letter); /* takes the letter; server is NULL when it stopped */
};

struct api_mail {
	pthread_mutex_t lock;
	struct vx6_list letters;
	int event_fd;
	unsigned refs, events_n;
	bool closed, events_lost;
};

struct api_mail *api_mail_new(int event_fd);
struct api_mail *api_mail_ref(struct api_mail *mail);
void api_mail_unref(struct api_mail *mail);
/** Any thread. Takes the letter; after api_mail_close() it is delivered at once, to nobody. */
void api_mail_send(struct api_mail *mail, struct api_letter *letter);
/** Delivers what is there. */
void api_mail_run(struct api_mail *mail, struct vx6_api_server *server);
void api_mail_close(struct api_mail *mail);
/** The facade's event callback; user is the mail. */
void api_mail_event(const struct vx6_event *event, void *user);

/* ---- call.c: one command to the agent ---- */

struct api_call;
typedef void api_then(struct api_request *r, struct vx6_answer *answer);

/**
 * Submits @p cmd (taken) for @p r. Fills the reply with a problem when the agent is stopping, else @p then is called later with the answer,
 * or the reply becomes a timeout after @p timeout_ms (0: the agent's own limits are enough).
 */
void api_call(struct api_request *r, struct vx6_cmd *cmd, uint32_t timeout_ms, api_then *then);
/** The same beside a reply that is there already and stays; @p then is not called if the agent is stopping. */
void api_call_beside(struct api_request *r, struct vx6_cmd *cmd, uint32_t timeout_ms,
		     api_then *then);
/** Joins the client's socket with a service. */
void api_call_attach(struct api_request *r, struct vx6_cmd *cmd);
/** The request is going away: its answer will be dropped. */
void api_call_abandon(struct api_call *call);
struct vx6_cmd *api_cmd_new(const struct api_request *r, enum vx6_cmd_kind kind);
/** VX6_CMD_SNAPSHOT. */
struct vx6_cmd *api_cmd_look(const struct api_request *r, enum vx6_select_what what);

/* ---- reply ---- */

struct api_reply {
	unsigned status;  /* 0: none yet */
	const char *code; /* of a problem; NULL: it is none */
	const char *type;
	char *body; /* owned, unless borrowed */
	size_t body_n;
	bool borrowed, hang_up; /* hang_up: close without a word, the socket belongs to a stream */
	char etag[48];
	char location[64];
	char allow[VX6_ALLOW_TEXT];
	unsigned retry_after_s;
	const char *upgrade;
};

void api_reply_json(struct api_request *r, unsigned status,
		    struct vx6_json *j); /* takes the text */
void api_reply_static(struct api_request *r, const char *type, const uint8_t *bytes, size_t n);
/** @param text owned from here on, of malloc() */
void api_reply_text(struct api_request *r, const char *type, char *text, size_t n);
void api_reply_empty(struct api_request *r, unsigned status);
void api_reply_problem(struct api_request *r, enum vx6_problem_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/** A problem with the list r->faults. */
void api_reply_faults(struct api_request *r, enum vx6_problem_code code);
/** The problem that an answer of the agent means. */
void api_reply_failure(struct api_request *r, const struct vx6_answer *answer);
/** Sends the reply. */
enum MHD_Result api_reply_send(struct api_request *r);
/** Headers that every response carries. */
void api_reply_headers(struct api_request *r, struct MHD_Response *response);
/** Name of a failure for `last_error.code`. */
const char *api_failure_code(vx6_err err);
/** The same of what leads to a hidden service: what expired is an invite, and what was revoked this node's own key. */
const char *api_hidden_code(vx6_err err);

/* ---- server, connections, requests ---- */

struct api_bucket {
	uint64_t last_ms;
	uint32_t tokens_milli;
};
/** Takes one of @p burst tokens, refilled at @p per_s. @return false: none left */
bool api_bucket_take(struct api_bucket *b, uint64_t now_ms, uint32_t burst, uint32_t per_s);

struct api_listener {
	int fd;           /* -1: none */
	bool tcp, paused; /* paused: out of descriptors, until the next tick */
	uint16_t port;
	unsigned connections;
};

struct api_connection {
	struct api_listener *listener;
	enum vx6_api_role role; /* unix: by peer credentials; TCP: PUBLIC until a token says more */
	unsigned uid;
	struct vx6_addr remote; /* TCP */
};

/* A token of the agent's, as this thread knows it. */
struct api_token {
	char id[VX6_RESOURCE_ID_MAX];
	struct vx6_token_spec spec;
	uint64_t used_ms; /* wall clock; 0: not since the start */
};

/* The first snapshot, for the tokens in it. */
struct api_first_look {
	struct api_letter letter;
	struct api_mail *mail;
	const struct vx6_snapshot *snapshot;
};

struct api_stream;  /* events.c */
struct api_support; /* support.c */

enum api_stage { API_STAGE_CHECK, API_STAGE_BODY, API_STAGE_RUN, API_STAGE_DONE };

struct api_request {
	struct vx6_list node; /* server->requests */
	struct vx6_api_server *server;
	struct MHD_Connection *http;
	const struct api_connection *connection;
	char *target; /* owned, split; NULL: too long */
	bool target_long;
	char id[65];
	const char *method;
	enum api_stage stage;
	enum vx6_api_role role;
	char actor[64];                     /* for the audit; empty: not looked at yet */
	char token_id[VX6_RESOURCE_ID_MAX]; /* empty: it came with none that is stored */
	char *secret;                       /* owned, wiped; that it makes */
	bool head, suspended, ended, audited;
	struct vx6_query query;
	struct vx6_route_match match;
	char *body; /* owned */
	size_t body_n, body_cap;
	struct vx6_value *json;    /* owned; the checked body */
	struct vx6_faults *faults; /* owned, made on demand */
	struct api_call *call;     /* the command under way */
	uint64_t deadline_ms;      /* 0: none */
	struct api_stream *stream;
	struct api_support *support; /* the bundle that this request collects */
	uint64_t log_until_ms;       /* waits for lines of the log; 0: does not */
	struct api_reply reply;
	unsigned retries;
	uint64_t begun_ns;
};

enum { API_TALLY_CLASSES = 5, API_TALLY_LIMITS = 5 };

/* What became of the requests for one operation. */
struct api_tally {
	uint64_t requests[API_TALLY_CLASSES]; /* 1xx, 2xx, … */
	uint64_t timed, us;                   /* how many took a time, and all of it */
	uint64_t within[API_TALLY_LIMITS];
};

struct vx6_api_server {
	struct vx6_node *node;
	const struct vx6_api_settings *settings;
	struct MHD_Daemon *http;
	struct api_mail *mail;
	pthread_t thread;
	int epoll_fd, event_fd;
	bool stopping; /* atomic */
	struct api_listener listeners[VX6_API_LISTEN_MAX + 1];
	size_t listeners_n;
	struct api_listener
		nowhere; /* of a connection that died before it was looked at; its port 0 passes no check */
	char *socket_path; /* to unlink at stop */
	struct vx6_list requests;
	unsigned requests_n;
	uint8_t key[32]; /* of token hashes and cursors, drawn at start */
	bool has_token;
	struct vx6_hash token;
	struct api_token *tokens; /* owned */
	size_t tokens_n;
	uint64_t tokens_version;
	bool has_operators;
	unsigned operators; /* gid */
	enum vx6_api_role others;
	struct api_bucket refusal_bucket;
	struct vx6_ratelimit audit_failures;
	struct api_bucket tcp_bucket, unix_bucket, guess_bucket;
	uint64_t now_ms, tick_ms;
	bool was_ready;
	struct api_events *events;
	struct api_tally tallies[VX6_OP_N + 1]; /* the last one: of what is no operation */
};

struct vx6_faults *api_request_faults(struct api_request *r);
/** Continues a suspended request whose reply is ready; nothing for one that is not suspended. */
void api_request_resume(struct api_request *r);
const char *api_request_header(const struct api_request *r, const char *name);

void *api_request_begin(void *user, const char *target, struct MHD_Connection *http);
enum MHD_Result api_request_handle(void *user, struct MHD_Connection *http, const char *url,
				   const char *method, const char *version, const char *data,
				   size_t *data_n, void **request);
void api_request_end(void *user, struct MHD_Connection *http, void **request,
		     enum MHD_RequestTerminationCode why);

/* ---- listen.c ---- */

/** @return @p err, with words in @p detail */
vx6_err api_fail(char detail[VX6_API_DETAIL], vx6_err err, const char *what, const char *why);
/** The same for errno. */
vx6_err api_fail_errno(char detail[VX6_API_DETAIL], const char *what);
/** Opens all listeners of @p cfg; on failure those that are open stay for api_listeners_close(). */
VX6_RES api_listen(struct vx6_api_server *s, const struct vx6_api_config *cfg,
		   char detail[VX6_API_DETAIL]);
/** Idempotent; the socket's file goes too. */
void api_listeners_close(struct vx6_api_server *s);
/** Whether the thread is woken by new connections. */
void api_listener_watch(struct vx6_api_server *s, struct api_listener *l, bool on);
/** Takes a bounded number of new connections; stops watching when there is no descriptor left for one. */
void api_accept(struct vx6_api_server *s, struct api_listener *l);
/** libmicrohttpd: a connection began or ended. @p context holds its struct api_connection. */
void api_on_connection(void *user, struct MHD_Connection *http, void **context,
		       enum MHD_ConnectionNotificationCode what);

/* ---- access.c ---- */

/** Before there are connections. */
void api_access_begin(struct vx6_api_server *s, const struct vx6_api_config *cfg);
/** Asks the agent for its tokens. */
void api_access_ask(struct vx6_api_server *s);
/** Takes the tokens over, if they are other ones than before. @param now NULL: nothing */
void api_access_see(struct vx6_api_server *s, const struct vx6_snapshot *now);
/** @return NULL: there is none */
const struct api_token *api_access_by_id(const struct vx6_api_server *s, const char *id);
/** Who is at the other end of a new connection. */
void api_access_peer(const struct vx6_api_server *s, struct api_connection *c, int fd);
/** Fills in role and actor. @param headers_n Authorization headers that came @return false: a credential came, and is no good */
bool api_access_authenticate(struct api_request *r, unsigned headers_n);
/** Whether the scopes of its token, if it came with one, cover the route. */
bool api_access_covers(const struct api_request *r);
/** Whether a path begins as the scope says. @param scope as schemas/api/Token.json has it */
bool api_scope_is_known(const char *scope);

/* ---- audit.c ---- */

/** Gives a command that will be stored its line of the audit. */
void api_audit_with(const struct api_request *r, struct vx6_cmd *cmd);
/** Whether a line has to be written before the reply goes out. */
bool api_audit_due(const struct api_request *r);
/** Writes it; the request waits as for any call, unless nothing can be written. */
void api_audit_write(struct api_request *r);
/** The same for a refusal that waits for nothing. */
void api_audit_note(struct api_request *r);

/* ---- handlers: fill the reply, or leave something under way that will ---- */

void api_handle(struct api_request *r);
void api_health(struct api_request *r);
/** The probe's answer when the agent gives none. */
void api_health_late(struct api_request *r);
void api_version(struct api_request *r);
void api_endpoints(struct api_request *r);
void api_schema(struct api_request *r);
void api_node_get(struct api_request *r);
void api_node_update(struct api_request *r);
void api_identity_get(struct api_request *r);
void api_connect(struct api_request *r);
void api_events_handle(struct api_request *r);
void api_dht_get(struct api_request *r);
void api_identity_rotate(struct api_request *r);
void api_identity_revoke(struct api_request *r);
void api_identity_export(struct api_request *r);
void api_backup_create(struct api_request *r);
void api_config_get(struct api_request *r);
void api_config_validate(struct api_request *r);
void api_config_reload(struct api_request *r);
void api_name_put(struct api_request *r);
void api_name_delete(struct api_request *r);
void api_lookup_create(struct api_request *r);
void api_registry_refresh(struct api_request *r);
void api_operation_cancel(struct api_request *r);
void api_catalog_create(struct api_request *r);
void api_catalog_join(struct api_request *r);
void api_catalog_delete(struct api_request *r);
void api_catalog_entry(struct api_request *r);
void api_catalog_invite(struct api_request *r);
void api_circuit_create(struct api_request *r);
void api_circuit_rebuild(struct api_request *r);
void api_circuit_delete(struct api_request *r);
void api_hidden_rotate(struct api_request *r);
void api_hidden_invite_create(struct api_request *r);
void api_hidden_revoke(struct api_request *r);
void api_hidden_alias_create(struct api_request *r);
void api_hidden_alias_find(struct api_request *r);
void api_hidden_alias_update(struct api_request *r);
void api_hidden_alias_delete(struct api_request *r);
void api_metrics(struct api_request *r);
void api_token_create(struct api_request *r);
void api_audit_list(struct api_request *r);
void api_audit_check(struct api_request *r);
void api_logs_list(struct api_request *r);
void api_log_levels_get(struct api_request *r);
void api_log_levels_replace(struct api_request *r);
void api_stats_get(struct api_request *r);
void api_stats_series_get(struct api_request *r);

/* ---- support.c ---- */

void api_support_create(struct api_request *r);
/** The part that was under way has replied: takes that and goes on. @return true: the reply is that of the bundle */
bool api_support_step(struct api_request *r);
/** Accepts NULL. */
void api_support_free(struct api_support *s);

/* ---- logs.c ---- */

/** Answers those whose lines have come, or whose time is over. */
void api_logs_tick(struct vx6_api_server *s);

/* ---- metrics.c, hidden_metrics.c ---- */

enum api_metric { API_GAUGE, API_COUNTER, API_HISTOGRAM };
/** What goes before the values of a metric. */
void api_metric_head(FILE *f, const char *name, enum api_metric kind, const char *help);
/** Of each hidden service of this node, by its id. */
void api_metrics_hidden(FILE *f, const struct vx6_snapshot *s);

/* ---- stats.c ---- */

/** Of links and of the process, as they were when they were last looked at. */
void api_metrics_process(FILE *f, struct vx6_node *node, uint64_t started_ms);

/* ---- tally.c ---- */

/** A request has ended. */
void api_tally(const struct api_request *r);
/** What has been counted. */
void api_metrics_requests(FILE *f, const struct vx6_api_server *s);

/* ---- pages.c ---- */

/** What is read row by row from the agent. */
struct api_rows {
	const char *path; /* of the list */
	const char *what; /* of one: "there is no such …" */
	enum vx6_page_kind kind;
	char *(*encode)(const struct vx6_page *p, size_t i); /* owned */
	bool has_filter; /* only some of the rows of that kind: `filter` of the question */
	int filter;
};
extern const struct api_rows api_known_nodes, api_known_services, api_bindings, api_conflicts,
	api_contacts, api_replicas, api_operations, api_lookups, api_catalogs, api_relays,
	api_circuits, api_decisions, api_hidden, api_hidden_invites, api_hidden_clients,
	api_hidden_aliases, api_hidden_attempts;

void api_rows_list(struct api_request *r, const struct api_rows *rows);
void api_rows_get(struct api_request *r, const struct api_rows *rows);
/** The answer's first row as the reply, or that there is none. */
void api_rows_reply(struct api_request *r, unsigned status, const struct api_rows *rows,
		    const struct vx6_answer *a);

/* ---- resource.c ---- */

/** One kind of stored object: what differs between peers, services and forwards. */
struct api_resource {
	const char *kind, *path, *input_schema;
	enum vx6_resource_kind rows;
	enum vx6_cmd_kind create, update, remove;
	size_t size; /* of a view; its first member is struct vx6_meta */
	const void *(*views)(const struct vx6_snapshot *s, size_t *n);
	const char *(*name)(const void *view);
	void (*encode_input)(struct vx6_json *j,
			     const void *view); /* the fields that a client writes, but labels */
	void (*encode_rest)(struct vx6_json *j, const void *view,
			    const struct vx6_snapshot *s); /* and those it reads */
	/** Instead of encode_rest, for what the server itself knows. */
	void (*encode_served)(struct vx6_json *j, const void *view, const struct vx6_snapshot *s,
			      const struct vx6_api_server *server);
	/** Fills the command from a body that matches the input schema; what the schema cannot say becomes a fault. */
	void (*decode)(const struct vx6_value *body, struct vx6_cmd *cmd,
		       struct vx6_faults *faults);
	/** Optional: completes the spec of a new object. */
	void (*complete)(struct vx6_cmd *cmd, const struct vx6_snapshot *s);
};

extern const struct api_resource api_peers, api_services, api_forwards, api_tokens;

/** A view as JSON text. @return owned */
char *api_resource_encode(const struct vx6_api_server *server, const struct api_resource *res,
			  const void *view, const struct vx6_snapshot *s);
/** Fills a command from a checked body. @return NULL: the reply is a problem */
struct vx6_cmd *api_resource_decode(struct api_request *r, const struct api_resource *res,
				    enum vx6_cmd_kind kind, const struct vx6_value *body);
/** How many objects the page is to have. */
size_t api_page_limit(const struct api_request *r);
/** Adds an object of a list, cut down to the fields that were asked for. @param whole taken @return false: a field is not there; the fault is added */
bool api_put_item(struct api_request *r, struct vx6_json *j, char *whole);
/** One object as the reply, cut down likewise. @param whole taken */
void api_reply_object(struct api_request *r, unsigned status, char *whole, uint64_t generation);

void api_resource_list(struct api_request *r, const struct api_resource *res);
void api_resource_get(struct api_request *r, const struct api_resource *res);
void api_resource_create(struct api_request *r, const struct api_resource *res);
void api_resource_replace(struct api_request *r, const struct api_resource *res);
void api_resource_update(struct api_request *r, const struct api_resource *res);
void api_resource_delete(struct api_request *r, const struct api_resource *res);

/* ---- format.c: small pieces of JSON ---- */

void api_put_time(struct vx6_json *j, const char *key, uint64_t wall_ms); /* 0: null */
void api_put_addr(struct vx6_json *j, const char *key, const struct vx6_addr *addr);
void api_put_node_id(struct vx6_json *j, const char *key, const struct vx6_node_id *id);
void api_put_failure(struct vx6_json *j, const struct vx6_failure *f);
/** Of what leads to a hidden service. */
void api_put_hidden_failure(struct vx6_json *j, const struct vx6_failure *f);
void api_put_pair(struct vx6_json *j, const char *key, const char *a, uint64_t av, const char *b,
		  uint64_t bv);
void api_put_text(struct vx6_json *j, const char *key, const char *text);        /* empty: null */
void api_put_rtt(struct vx6_json *j, uint32_t rtt_us);                           /* 0: null */
void api_put_count(struct vx6_json *j, const char *key, bool known, uint64_t n); /* else null */
void api_put_hex(struct vx6_json *j, const char *key, const uint8_t *bytes); /* 32; NULL: null */
void api_put_replicas(struct vx6_json *j, const char *key, uint32_t wanted, uint32_t stored,
		      uint32_t proved);
/** An address of a node and its transports. */
void api_put_node_addr(struct vx6_json *j, const char *key, const struct vx6_addr *addr, bool quic,
		       bool tcp);
void api_put_dht_summary(struct vx6_json *j, const char *key, const struct vx6_dht_view *v);
void api_put_contact(struct vx6_json *j, const char *key, const struct vx6_dht_contact *c);
void api_put_conflict(struct vx6_json *j, const char *key, const struct vx6_name_conflict *c);
const char *api_record_type(uint8_t rtype);
const char *api_circuit_purpose(enum vx6_circ_purpose purpose);
void api_put_budget(struct vx6_json *j, const char *key, const struct vx6_relaying_budget *b);
/** @param v what a patch has of it; NULL: nothing */
void api_get_budget(const struct vx6_value *v, struct vx6_relaying_change *out);
void api_put_relaying(struct vx6_json *j, const char *key, const struct vx6_relaying_view *v);
/** "30s", "500ms": at most @p max @return ms */
uint64_t api_duration(const char *text, uint64_t max);
/** Seconds of a time that the schema has looked at; fractions are left out. @return 0: none was given, or it is before 1970 */
uint64_t api_get_time(const char *text);
/** A field that the schema could not check fully. @return false: a fault was added */
bool api_get_addr(const struct vx6_value *body, const char *key, struct vx6_addr *out,
		  struct vx6_faults *faults);
bool api_get_node_id(const char *text, const char *pointer, struct vx6_node_id *out,
		     struct vx6_faults *faults);

/* ---- hidden.c ---- */

/** What its owner sets of a hidden service; null of others. */
void api_put_hidden_settings(struct vx6_json *j, const char *key,
			     const struct vx6_service_spec *spec);
/** @param v the object of a checked body */
void api_get_hidden_settings(const struct vx6_value *v, struct vx6_hidden_settings *out);
/** Key, state and warnings; null when @p spec is not hidden. @param row NULL: nothing is known of it yet */
void api_put_hidden_state(struct vx6_json *j, const char *key, const struct vx6_hidden_row *row,
			  const struct vx6_service_spec *spec);
void api_put_hidden_key(struct vx6_json *j, const char *key, const struct vx6_node_id *service);
/** "starting", …, as in schemas/api/HiddenState.json */
const char *api_hidden_state(const struct vx6_hidden_row *row);

/* ---- routing.c ---- */

void api_put_routing(struct vx6_json *j, const char *key, const struct vx6_routing *r);
/** From a body's field `route`; what makes no sense is a fault. @param v NULL: none @param otherwise what it is when `via` is not said */
void api_get_routing(const struct vx6_value *v, struct vx6_routing *out,
		     enum vx6_routing_via otherwise, struct vx6_faults *faults);
/** From the query: via, hops, through, anonymous. */
void api_query_routing(struct api_request *r, struct vx6_routing *out);

/* ---- select.c: conditions, pages, fields ---- */

/** `"generation.hash"` of a body, as ETag. */
void api_etag(struct api_request *r, uint64_t generation, const char *body, size_t n);
/** Whether If-None-Match holds the ETag of the reply. */
bool api_none_match(const struct api_request *r);
/** Replies to a GET with one object: the fields that were asked for, or 304. @param whole taken: its JSON text */
void api_reply_read(struct api_request *r, char *whole, uint64_t generation);

enum api_match { API_MATCH_ANY, API_MATCH_YES, API_MATCH_NO };
/** What If-Match says about @p generation; ANY: it was not sent, or is a star. */
enum api_match api_if_match(const struct api_request *r, uint64_t generation);

void api_cursor_make(const struct vx6_api_server *s, const char *kind, const char *id,
		     char out[static API_CURSOR]);
/** @return false: not one of ours, or of another list */
bool api_cursor_read(const struct vx6_api_server *s, const char *kind, const char *cursor,
		     char id[static VX6_PAGE_KEY]);

/**
 * Copies the top-level members of an object that @p fields (comma-separated) names.
 * @param object  JSON text of ours @param fields NULL: all
 * @return owned text; NULL: a field is not there, its name is in @p unknown
 */
char *api_fields_pick(const char *object, const char *fields, char unknown[static 64]);

/* ---- events.c ---- */

struct api_events *api_events_new(void);
void api_events_free(struct api_events *ev);
/** A new event for every follower. Takes nothing. */
void api_events_add(struct vx6_api_server *s, const struct vx6_event *e);
/** Events were dropped on the way here. */
void api_events_lost(struct vx6_api_server *s);
/** Heartbeats and ends of waiting. */
void api_events_tick(struct vx6_api_server *s);
/** The request of a stream ended. */
void api_stream_free(struct api_request *r);
/** Ends every stream, for the stop of the server. */
void api_stream_finish(struct api_request *r);

#endif
