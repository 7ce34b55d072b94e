/*
 * One thread, one epoll set: the listeners, the mail of the agent, and libmicrohttpd's own epoll descriptor (its external
 * mode, so that accepting, resuming and stopping all happen here and need no lock).
 *
 *   start → [listen] → run ⇄ {accept, mail, http, tick} → stopping: listeners closed, streams ended, waiting requests
 *   answered → libmicrohttpd stopped → thread ends → freed
 */
#include "api/server/server.h"

#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "api/server/server_internal.h"
#include "api/server/token.h"
#include "base/clock.h"
#include "base/util.h"
#include "crypto/secret.h"

enum { TICK_MS = 500, STOP_MS = 1000, STACK_BYTES = 512 * 1024 };

bool api_bucket_take(struct api_bucket *b, uint64_t now_ms, uint32_t burst, uint32_t per_s)
{
	uint64_t refill = b->last_ms == 0 ? burst * UINT64_C(1000) : (now_ms - b->last_ms) * per_s;

	b->last_ms = now_ms;
	b->tokens_milli = (uint32_t)VX6_MIN(b->tokens_milli + refill, burst * UINT64_C(1000));
	if (b->tokens_milli < 1000)
		return false;
	b->tokens_milli -= 1000;
	return true;
}

/* ---- the thread ---- */

static void expire(struct vx6_api_server *s)
{
	VX6_LIST_EACH(node, &s->requests)
	{
		struct api_request *r = VX6_CONTAINER_OF(node, struct api_request, node);

		if (!r->call || !r->deadline_ms || s->now_ms < r->deadline_ms)
			continue;
		api_call_abandon(r->call);
		r->call = NULL;
		r->deadline_ms = 0;
		if (r->stream)
			api_stream_finish(r);
		else if (r->reply.status) /* what it waited for was not what it is about */
			r->audited = true;
		else if (r->match.route->role == VX6_API_ROLE_PUBLIC)
			api_health_late(r);
		else
			api_reply_problem(r, VX6_PROBLEM_TIMEOUT,
					  "the agent did not answer in time");
		api_request_resume(r);
	}
}

static int wait_ms(const struct vx6_api_server *s)
{
	uint64_t http, tick = s->tick_ms > s->now_ms ? s->tick_ms - s->now_ms : 0;

	if (MHD_get_timeout64(s->http, &http) == MHD_YES && http < tick)
		return (int)http;
	return (int)tick;
}

static void run_once(struct vx6_api_server *s)
{
	struct epoll_event events[8];
	int n = epoll_wait(s->epoll_fd, events, VX6_ARRAY_N(events), wait_ms(s));

	s->now_ms = vx6_now_ms();
	for (int i = 0; i < n; i++) {
		struct api_listener *l = events[i].data.ptr;

		if (l && l->fd >= 0)
			api_accept(s, l);
	}
	api_mail_run(s->mail, s);
	if (s->now_ms >= s->tick_ms) {
		s->tick_ms = s->now_ms + TICK_MS;
		for (size_t i = 0; i < s->listeners_n; i++)
			if (s->listeners[i].paused && s->listeners[i].fd >= 0)
				api_listener_watch(s, &s->listeners[i], true);
		expire(s);
		api_events_tick(s);
		api_logs_tick(s);
	}
	MHD_run(s->http);
}

/* No connection may be suspended when libmicrohttpd stops: it would abort the process. */
static void finish_requests(struct vx6_api_server *s)
{
	VX6_LIST_EACH(node, &s->requests)
	{
		struct api_request *r = VX6_CONTAINER_OF(node, struct api_request, node);

		if (r->call) {
			api_call_abandon(r->call);
			r->call = NULL;
		}
		if (r->stream)
			api_stream_finish(r);
		else if (!r->reply.status && r->stage == API_STAGE_RUN && !r->reply.hang_up)
			api_reply_problem(r, VX6_PROBLEM_UNAVAILABLE, "the agent is stopping");
		api_request_resume(r);
	}
}

static void *server_thread(void *user)
{
	struct vx6_api_server *s = user;
	uint64_t until;

	while (!__atomic_load_n(&s->stopping, __ATOMIC_ACQUIRE))
		run_once(s);
	api_listeners_close(s);
	finish_requests(s);
	for (until = vx6_now_ms() + STOP_MS; s->requests_n > 0 && s->now_ms < until;) {
		s->tick_ms = VX6_MIN(s->tick_ms, s->now_ms + 20);
		run_once(s);
		finish_requests(s);
	}
	MHD_run(s->http); /* what was resumed last leaves the list of suspended connections */
	MHD_stop_daemon(s->http);
	s->http = NULL;
	return NULL;
}

__attribute__((format(printf, 2, 0))) static void mhd_log(void *user, const char *fmt, va_list ap)
{
	char line[256];

	if (!vx6_log_is_on(VX6_LOG_DEBUG, "api"))
		return; /* what clients do wrong, mostly: not worth a line */
	vsnprintf(line, sizeof line, fmt, ap);
	line[strcspn(line, "\n")] = 0;
	VX6_DEBUG("api", "http: %s", line);
}

static struct MHD_Daemon *http_start(struct vx6_api_server *s)
{
	return MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET |
					MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG,
				0, NULL, NULL, api_request_handle, s, MHD_OPTION_EXTERNAL_LOGGER,
				mhd_log, s, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
				(size_t)API_CONNECTION_BYTES, MHD_OPTION_CONNECTION_LIMIT,
				(unsigned)(API_CONNECTIONS_UNIX + API_CONNECTIONS_TCP),
				MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)API_IDLE_S,
				MHD_OPTION_CLIENT_DISCIPLINE_LVL, 1, MHD_OPTION_URI_LOG_CALLBACK,
				api_request_begin, s, MHD_OPTION_NOTIFY_COMPLETED, api_request_end,
				s, MHD_OPTION_NOTIFY_CONNECTION, api_on_connection, s,
				MHD_OPTION_END);
}

static bool watch(struct vx6_api_server *s, int fd, void *ptr)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = ptr};

	return epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0;
}

static bool watch_all(struct vx6_api_server *s)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->http, MHD_DAEMON_INFO_EPOLL_FD);

	if (!info || !watch(s, info->epoll_fd, NULL) || !watch(s, s->event_fd, NULL))
		return false;
	for (size_t i = 0; i < s->listeners_n; i++)
		if (!watch(s, s->listeners[i].fd, &s->listeners[i]))
			return false;
	return true;
}

static bool thread_start(struct vx6_api_server *s)
{
	pthread_attr_t attr;
	bool ok;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	ok = pthread_create(&s->thread, &attr, server_thread, s) == 0;
	pthread_attr_destroy(&attr);
	if (ok)
		pthread_setname_np(s->thread, "vx6-api");
	return ok;
}

/* Frees what start has made, whatever that is; the thread does not run. */
static void server_free(struct vx6_api_server *s)
{
	api_listeners_close(s);
	if (s->http)
		MHD_stop_daemon(s->http);
	if (s->mail) {
		api_mail_close(s->mail);
		api_mail_unref(s->mail);
	} else if (s->event_fd >= 0) {
		close(s->event_fd);
	}
	if (s->epoll_fd >= 0)
		close(s->epoll_fd);
	api_events_free(s->events);
	free(s->tokens);
	vx6_wipe_free(s, sizeof *s);
}

static vx6_err token_load(struct vx6_api_server *s, const char *path, char detail[VX6_API_DETAIL])
{
	char token[VX6_TOKEN_TEXT];
	vx6_err err;

	if (!path)
		return VX6_OK;
	err = vx6_token_file(path, token);
	if (!vx6_is_ok(err))
		return api_fail(detail, err, path, vx6_err_text(err));
	vx6_token_hash(s->key, token, &s->token);
	s->has_token = true;
	vx6_wipe(token, sizeof token);
	return VX6_OK;
}

vx6_err vx6_api_server_start(const struct vx6_api_config *cfg, struct vx6_node *node,
			     struct vx6_api_server **out, char detail[static VX6_API_DETAIL])
{
	struct vx6_api_server *s = vx6_zalloc(sizeof *s);
	vx6_err err;

	*out = NULL;
	s->node = node;
	s->settings = cfg->settings;
	s->nowhere = (struct api_listener){.fd = -1, .tcp = true};
	vx6_list_init(&s->requests);
	vx6_random_bytes(s->key, sizeof s->key);
	s->events = api_events_new();
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	s->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->now_ms = vx6_now_ms();
	if (s->epoll_fd < 0 || s->event_fd < 0) {
		err = api_fail_errno(detail, "API");
		goto out;
	}
	s->mail = api_mail_new(s->event_fd);
	api_access_begin(s, cfg);
	err = token_load(s, cfg->token_path, detail);
	if (vx6_is_ok(err))
		err = api_listen(s, cfg, detail);
	if (!vx6_is_ok(err))
		goto out;
	s->http = http_start(s);
	if (!s->http || !watch_all(s) || !thread_start(s)) {
		err = api_fail(detail, VX6_ERR(IO), "API", "the HTTP server did not start");
		goto out;
	}
	vx6_node_subscribe(node, api_mail_event, s->mail);
	api_access_ask(s);
	*out = s;
	return VX6_OK;
out:
	server_free(s);
	return err;
}

uint16_t vx6_api_server_port(const struct vx6_api_server *server, size_t i)
{
	for (size_t j = 0; j < server->listeners_n; j++)
		if (server->listeners[j].tcp && i-- == 0)
			return server->listeners[j].port;
	return 0;
}

void vx6_api_server_stop(struct vx6_api_server *server)
{
	if (!server)
		return;
	vx6_node_subscribe(server->node, NULL, NULL);
	__atomic_store_n(&server->stopping, true, __ATOMIC_RELEASE);
	eventfd_write(server->event_fd, 1);
	pthread_join(server->thread, NULL);
	server_free(server);
}
