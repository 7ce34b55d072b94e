#include "api/cli/http.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/cli/problem.h"
#include "api/cli/where.h"
#include "base/util.h"

/* The functions of libcurl that are used, by their own types. */
#define CURL_FUNCTIONS(X)                                                                          \
	X(easy_init)                                                                               \
	X(easy_setopt)                                                                             \
	X(easy_perform)                                                                            \
	X(easy_getinfo)                                                                            \
	X(easy_strerror)                                                                           \
	X(easy_reset)                                                                              \
	X(easy_cleanup)                                                                            \
	X(slist_append)                                                                            \
	X(slist_free_all)

/* curl.h wraps some of them in macros that check types; here their plain declarations are wanted. */
#undef curl_easy_setopt
#undef curl_easy_getinfo

struct vx6_http {
#define X(name) __typeof__(curl_##name) *name;
	CURL_FUNCTIONS(X)
#undef X
	CURL *easy; /* kept between requests: so is its connection */
	struct vx6_cli_where where;
};

/* The OpenSSL build and the GnuTLS build serve plain HTTP alike. */
static void *open_curl(void)
{
	void *lib = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);

	return lib ? lib : dlopen("libcurl-gnutls.so.4", RTLD_NOW | RTLD_LOCAL);
}

static bool bind_curl(struct vx6_http *h)
{
	void *lib = open_curl();

	if (!lib)
		return false;
#define X(name)                                                                                    \
	*(void **)&h->name = dlsym(lib, "curl_" #name);                                            \
	if (!h->name)                                                                              \
		return false;
	CURL_FUNCTIONS(X)
#undef X
	return true;
}

static int open_http(struct vx6_cli *cli)
{
	struct vx6_http *h = vx6_zalloc(sizeof *h);
	int exit = vx6_cli_where(cli, &h->where);

	if (exit == VX6_EXIT_OK && !bind_curl(h))
		exit = vx6_cli_fail(cli, VX6_EXIT_FAILURE, "libcurl_missing",
				    "apt install libcurl4 (libcurl4t64 on Debian 13)",
				    "this command needs libcurl.so.4: %s", dlerror());
	if (exit == VX6_EXIT_OK && !(h->easy = h->easy_init()))
		exit = vx6_cli_fail(cli, VX6_EXIT_FAILURE, "libcurl_failed", NULL,
				    "libcurl does not start");
	if (exit != VX6_EXIT_OK) {
		vx6_cli_where_wipe(&h->where);
		free(h);
		return exit;
	}
	cli->http = h;
	return exit;
}

void vx6_http_free(struct vx6_http *http)
{
	if (!http)
		return;
	http->easy_cleanup(http->easy);
	vx6_cli_where_wipe(&http->where);
	free(http);
}

static size_t body_max(const struct vx6_http_response *r)
{
	return r->max ? r->max : VX6_HTTP_BODY_MAX;
}

static size_t on_body(char *p, size_t size, size_t n, void *user)
{
	struct vx6_http_response *r = user;

	n *= size;
	if (n > body_max(r) - r->n) {
		r->too_large = true;
		return 0;
	}
	if (r->n + n + 1 > r->cap) {
		r->cap = VX6_MAX(r->cap * 2, r->n + n + 4096);
		r->body = vx6_realloc_array(r->body, r->cap, 1);
	}
	memcpy(r->body + r->n, p, n);
	r->n += n;
	r->body[r->n] = 0;
	return n;
}

static void keep_header(const char *line, size_t n, const char *name,
			char out[static VX6_HTTP_HEADER])
{
	size_t len = strlen(name), end = n;

	if (n <= len || strncasecmp(line, name, len) != 0)
		return;
	while (end > len && (line[end - 1] == '\r' || line[end - 1] == '\n'))
		end--;
	while (len < end && line[len] == ' ')
		len++;
	snprintf(out, VX6_HTTP_HEADER, "%.*s", (int)(end - len), line + len);
}

static size_t on_header(char *p, size_t size, size_t n, void *user)
{
	struct vx6_http_response *r = user;

	keep_header(p, size * n, "ETag:", r->etag);
	keep_header(p, size * n, "X-Request-Id:", r->request_id);
	return size * n;
}

static bool add_line(struct vx6_http *h, struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = h->slist_append(*list, line);

	if (longer)
		*list = longer;
	return longer;
}

static bool is_given(const struct vx6_http_request *req, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < req->headers_n; i++)
		if (strncasecmp(req->headers[i], name, n) == 0 && req->headers[i][n] == ':')
			return true;
	return false;
}

static bool add_header(struct vx6_http *h, const struct vx6_http_request *req,
		       struct curl_slist **list, const char *name, const char *value)
{
	char line[512];
	bool ok;

	if (is_given(req, name))
		return true;
	snprintf(line, sizeof line, "%s: %s", name, value);
	ok = add_line(h, list, line);
	explicit_bzero(line, sizeof line);
	return ok;
}

static bool add_headers(struct vx6_http *h, const struct vx6_http_request *req,
			struct curl_slist **list)
{
	char bearer[VX6_WHERE_TEXT + 8];
	bool ok = add_header(h, req, list, "Accept", "application/json") &&
		  add_header(h, req, list, "Expect", "");

	snprintf(bearer, sizeof bearer, "Bearer %s", h->where.token);
	if (ok && *h->where.token)
		ok = add_header(h, req, list, "Authorization", bearer);
	explicit_bzero(bearer, sizeof bearer);
	if (ok && req->body)
		ok = add_header(h, req, list, "Content-Type",
				req->media_type ? req->media_type : "application/json");
	if (ok && req->if_match)
		ok = add_header(h, req, list, "If-Match", req->if_match);
	if (ok && req->prefer)
		ok = add_header(h, req, list, "Prefer", req->prefer);
	for (size_t i = 0; ok && i < req->headers_n; i++)
		ok = add_line(h, list, req->headers[i]);
	return ok;
}

static void set_options(struct vx6_http *h, const struct vx6_http_request *req,
			struct vx6_http_response *out, const char *url)
{
	h->easy_reset(h->easy);
	h->easy_setopt(h->easy, CURLOPT_URL, url);
	h->easy_setopt(h->easy, CURLOPT_CUSTOMREQUEST, req->method);
	h->easy_setopt(h->easy, CURLOPT_PROTOCOLS_STR, "http");
	h->easy_setopt(h->easy, CURLOPT_USERAGENT, "vx6-cli/" VX6_VERSION);
	h->easy_setopt(h->easy, CURLOPT_NOPROXY, "*");
	h->easy_setopt(h->easy, CURLOPT_NOSIGNAL, 1L);
	h->easy_setopt(h->easy, CURLOPT_FOLLOWLOCATION, 0L);
	h->easy_setopt(h->easy, CURLOPT_WRITEFUNCTION, on_body);
	h->easy_setopt(h->easy, CURLOPT_WRITEDATA, out);
	h->easy_setopt(h->easy, CURLOPT_HEADERFUNCTION, on_header);
	h->easy_setopt(h->easy, CURLOPT_HEADERDATA, out);
	h->easy_setopt(h->easy, CURLOPT_TIMEOUT_MS, (long)req->timeout_ms);
	if (*h->where.socket)
		h->easy_setopt(h->easy, CURLOPT_UNIX_SOCKET_PATH, h->where.socket);
	if (req->body) {
		h->easy_setopt(h->easy, CURLOPT_POSTFIELDSIZE, (long)strlen(req->body));
		h->easy_setopt(h->easy, CURLOPT_POSTFIELDS, req->body);
	} else if (strcmp(req->method, "GET") != 0 && strcmp(req->method, "DELETE") != 0) {
		/* an empty body has a length too */
		h->easy_setopt(h->easy, CURLOPT_POSTFIELDSIZE, 0L);
		h->easy_setopt(h->easy, CURLOPT_POSTFIELDS, "");
	}
}

int vx6_cli_no_agent(const struct vx6_cli *cli, const char *where, int errnum)
{
	if (errnum == EACCES || errnum == EPERM)
		return vx6_cli_fail(
			cli, VX6_EXIT_DENIED, "permission",
			"run the command as the user of the agent, or ask for access to its socket",
			"%s refuses this user", where);
	return vx6_cli_fail(cli, VX6_EXIT_UNREACHABLE, "agent_unreachable",
			    "start the agent with `vx6 agent --state-dir DIR --name NAME`; when it "
			    "runs, name it with "
			    "--socket DIR/api.sock or VX6_SOCKET",
			    "no agent answers at %s%s%s", where, errnum ? ": " : "",
			    errnum ? strerror(errnum) : "");
}

static int report(const struct vx6_cli *cli, struct vx6_http *h, CURLcode code,
		  const struct vx6_http_response *r)
{
	const char *where = *h->where.socket ? h->where.socket : h->where.base;
	long errnum = 0;

	h->easy_getinfo(h->easy, CURLINFO_OS_ERRNO, &errnum);
	if (r->too_large)
		return vx6_cli_fail(cli, VX6_EXIT_FAILURE, "answer_too_large",
				    "ask for less with --limit", "the answer has more than %zu MiB",
				    body_max(r) >> 20);
	switch (code) {
	case CURLE_COULDNT_CONNECT:
		return vx6_cli_no_agent(cli, where, (int)errnum);
	case CURLE_COULDNT_RESOLVE_HOST:
		return vx6_cli_fail(cli, VX6_EXIT_UNREACHABLE, "agent_unreachable", NULL,
				    "%s: no such host", where);
	case CURLE_OPERATION_TIMEDOUT:
		return vx6_cli_fail(cli, VX6_EXIT_TIMEOUT, "timeout", "allow more with --timeout",
				    "the agent at %s did not answer in time", where);
	case CURLE_GOT_NOTHING:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_PARTIAL_FILE:
		return vx6_cli_fail(cli, VX6_EXIT_UNREACHABLE, "agent_gone",
				    "it may have stopped: see its log",
				    "the agent at %s ended the connection", where);
	default:
		return vx6_cli_fail(cli, VX6_EXIT_FAILURE, "http_error", NULL, "%s: %s", where,
				    h->easy_strerror(code));
	}
}

int vx6_cli_send(struct vx6_cli *cli, const struct vx6_http_request *req,
		 struct vx6_http_response *out)
{
	struct vx6_http_request timed = *req;
	struct curl_slist *headers = NULL;
	struct vx6_http *h;
	char *url = NULL;
	long status = 0;
	CURLcode code;
	int exit = cli->http ? VX6_EXIT_OK : open_http(cli);

	if (exit != VX6_EXIT_OK)
		return exit;
	h = cli->http;
	if (!timed.timeout_ms)
		timed.timeout_ms = cli->timeout_ms;
	if (asprintf(&url, "%s%s", h->where.base, req->path) < 0)
		return vx6_cli_fail(cli, VX6_EXIT_FAILURE, "memory", NULL, "out of memory");
	set_options(h, &timed, out, url);
	if (!add_headers(h, &timed, &headers)) {
		exit = vx6_cli_fail(cli, VX6_EXIT_FAILURE, "memory", NULL, "out of memory");
		goto out;
	}
	h->easy_setopt(h->easy, CURLOPT_HTTPHEADER, headers);
	code = h->easy_perform(h->easy);
	if (code != CURLE_OK)
		exit = report(cli, h, code, out);
	h->easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &status);
	out->status = (int)status;
out:
	h->slist_free_all(headers);
	free(url);
	return exit;
}

int vx6_cli_fetch(struct vx6_cli *cli, const struct vx6_http_request *req, struct vx6_value **out)
{
	struct vx6_http_response r = {0};
	struct vx6_scan_fault fault;
	int exit = vx6_cli_send(cli, req, &r);

	*out = NULL;
	if (exit == VX6_EXIT_OK && (r.status < 200 || r.status > 299))
		exit = vx6_cli_problem(cli, r.status, r.body ? r.body : "", r.n);
	else if (exit == VX6_EXIT_OK && r.n > 0 &&
		 !vx6_is_ok(vx6_value_parse(r.body, r.n, out, &fault)))
		exit = vx6_cli_fail(cli, VX6_EXIT_FAILURE, "http_error", "is this a VX6 agent?",
				    "the answer is not JSON: %s", fault.text);
	vx6_http_response_fini(&r);
	return exit;
}

void vx6_http_response_fini(struct vx6_http_response *r)
{
	VX6_FREE(r->body);
	*r = (struct vx6_http_response){0};
}
