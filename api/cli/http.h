/**
 * @file http.h
 * One request, one answer, over libcurl, which is opened when the first request is made.
 *
 * Spec:    docs/adr/0002-libcurl-by-dlopen.md
 * Layer:   api
 * Trust:   no proxies, no redirects, http only; an answer is at most VX6_HTTP_BODY_MAX
 * Threads: the main thread
 */
#ifndef VX6_API_CLI_HTTP_H
#define VX6_API_CLI_HTTP_H

#include "api/cli/cli.h"
#include "api/json/tree.h"

enum { VX6_HTTP_BODY_MAX = 8 << 20, VX6_HTTP_HEADER = 96 };

struct vx6_http_request {
	const char *method;
	const char *path;       /* with its query */
	const char *body;       /* NULL: none */
	const char *media_type; /* of the body; NULL: application/json */
	const char *if_match;   /* NULL: none */
	const char *prefer;     /* NULL: none */
	const char *const *
		headers; /* more of them, "Name: value"; one takes the place of ours of that name */
	size_t headers_n;
	unsigned timeout_ms; /* 0: that of the command line */
};

/** Zero-initialise; `body` is owned by it, vx6_http_response_fini(). */
struct vx6_http_response {
	int status;
	char *body; /* NUL-ended */
	size_t n, cap;
	size_t max; /* bytes of the body; 0: VX6_HTTP_BODY_MAX */
	bool too_large;
	char etag[VX6_HTTP_HEADER], request_id[VX6_HTTP_HEADER];
};

/** @return an exit status: OK whatever the HTTP status is; else the error is reported */
int vx6_cli_send(struct vx6_cli *cli, const struct vx6_http_request *req,
		 struct vx6_http_response *out);

/** vx6_cli_send() that also reports every status but 2xx, and reads the body. @param out owned, or NULL when there is none */
int vx6_cli_fetch(struct vx6_cli *cli, const struct vx6_http_request *req, struct vx6_value **out);

void vx6_http_response_fini(struct vx6_http_response *r);
void vx6_http_free(struct vx6_http *http);

/** Reports that nothing answers. @param errnum why, or 0 @return the exit status */
int vx6_cli_no_agent(const struct vx6_cli *cli, const char *where, int errnum);

#endif
