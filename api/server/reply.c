#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/server/server_internal.h"
#include "base/util.h"
#include "crypto/secret.h"

/* A text, and some hold secrets; NULL where there is none. */
static void wipe_body(void *body)
{
	if (body)
		vx6_wipe_free(body, strlen(body));
}

static const char json_type[] = "application/json", problem_type[] = "application/problem+json";

static void reply_body(struct api_request *r, unsigned status, const char *type, struct vx6_json *j)
{
	if (j->full) {
		vx6_json_fini(j);
		api_reply_problem(r, VX6_PROBLEM_INTERNAL,
				  "the answer is too long; ask for fewer objects or fields");
		return;
	}
	r->reply.status = status;
	r->reply.type = type;
	r->reply.body_n = j->n;
	r->reply.body = vx6_json_take(j);
}

void api_reply_json(struct api_request *r, unsigned status, struct vx6_json *j)
{
	reply_body(r, status, json_type, j);
}

void api_reply_static(struct api_request *r, const char *type, const uint8_t *bytes, size_t n)
{
	r->reply.status = MHD_HTTP_OK;
	r->reply.type = type;
	r->reply.body = (char *)(uintptr_t)bytes; /* only ever read */
	r->reply.body_n = n;
	r->reply.borrowed = true;
}

void api_reply_text(struct api_request *r, const char *type, char *text, size_t n)
{
	r->reply.status = MHD_HTTP_OK;
	r->reply.type = type;
	r->reply.body = text;
	r->reply.body_n = n;
}

void api_reply_empty(struct api_request *r, unsigned status)
{
	r->reply.status = status;
}

static void put_faults(struct vx6_json *j, const struct vx6_faults *faults)
{
	vx6_json_array(j, "errors");
	for (size_t i = 0; i < VX6_MIN(faults->n, (size_t)VX6_FAULTS_MAX); i++) {
		vx6_json_object(j, NULL);
		vx6_json_str(j, "pointer", faults->items[i].pointer);
		vx6_json_str(j, "code", faults->items[i].code);
		vx6_json_str(j, "detail", faults->items[i].detail);
		vx6_json_end_object(j);
	}
	vx6_json_end_array(j);
}

void api_reply_problem(struct api_request *r, enum vx6_problem_code code, const char *fmt, ...)
{
	const struct vx6_problem_info *info = &vx6_problems[code];
	struct vx6_json j = {0};
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	vx6_json_object(&j, NULL);
	snprintf(r->reply.location, sizeof r->reply.location, "urn:vx6:problem:%s", info->code);
	vx6_json_str(&j, "type", r->reply.location);
	r->reply.location[0] = 0;
	vx6_json_str(&j, "title", info->title);
	vx6_json_u64(&j, "status", info->status);
	vx6_json_str(&j, "code", info->code);
	vx6_json_str(&j, "detail", text);
	vx6_json_str(&j, "instance", r->target ? r->target : "");
	vx6_json_str(&j, "request_id", r->id);
	vx6_json_bool(&j, "retryable", info->retryable);
	if (r->faults && r->faults->n > 0)
		put_faults(&j, r->faults);
	vx6_json_end_object(&j);
	r->reply.etag[0] = 0;
	r->reply.code = info->code;
	if (info->status == MHD_HTTP_TOO_MANY_REQUESTS ||
	    info->status == MHD_HTTP_SERVICE_UNAVAILABLE)
		r->reply.retry_after_s = 1;
	if (code == VX6_PROBLEM_UPGRADE_REQUIRED)
		r->reply.upgrade = "vx6-stream";
	reply_body(r, info->status, problem_type, &j);
}

void api_reply_faults(struct api_request *r, enum vx6_problem_code code)
{
	size_t n = r->faults->n;

	if (n > VX6_FAULTS_MAX)
		api_reply_problem(r, code, "%zu faults, the first %d are listed", n,
				  VX6_FAULTS_MAX);
	else
		api_reply_problem(r, code, n == 1 ? "%zu fault" : "%zu faults", n);
}

const char *api_failure_code(vx6_err err)
{
	switch (err.code) {
	case VX6_E_UNREACHABLE:
		return "peer_unreachable";
	case VX6_E_HS_TIMEOUT:
		return "hidden_unreachable";
	case VX6_E_HS_AUTH:
		return "client_refused";
	case VX6_E_INVITE_SPENT:
		return "invite_used_up";
	default:
		return vx6_err_name(err);
	}
}

const char *api_hidden_code(vx6_err err)
{
	if (err.code == VX6_E_EXPIRED)
		return "invite_expired";
	return err.code == VX6_E_REVOKED ? "client_refused" : api_failure_code(err);
}

static enum vx6_problem_code problem_of(vx6_err err)
{
	switch (err.code) {
	case VX6_E_NOT_FOUND:
		return VX6_PROBLEM_NOT_FOUND;
	case VX6_E_EXISTS:
	case VX6_E_DUPLICATE:
		return VX6_PROBLEM_NAME_TAKEN;
	case VX6_E_CONFLICT:
		return VX6_PROBLEM_PRECONDITION_FAILED;
	case VX6_E_FULL:
	case VX6_E_LIMIT:
		return VX6_PROBLEM_LIMIT_REACHED;
	case VX6_E_DISK_FULL:
		return VX6_PROBLEM_STORAGE_FULL;
	case VX6_E_DRAINING:
	case VX6_E_AGAIN:
		return VX6_PROBLEM_UNAVAILABLE;
	case VX6_E_TIMEOUT:
		return VX6_PROBLEM_TIMEOUT;
	case VX6_E_SERVICE_UNKNOWN:
		return VX6_PROBLEM_SERVICE_UNKNOWN;
	case VX6_E_ACCESS_REFUSED:
		return VX6_PROBLEM_ACCESS_REFUSED;
	case VX6_E_TARGET_UNREACHABLE:
		return VX6_PROBLEM_TARGET_UNREACHABLE;
	case VX6_E_PEER_UNKNOWN:
		return VX6_PROBLEM_PEER_UNKNOWN;
	case VX6_E_AMBIGUOUS:
		return VX6_PROBLEM_AMBIGUOUS_NAME;
	case VX6_E_MISMATCH:
		return VX6_PROBLEM_PIN_MISMATCH;
	case VX6_E_REVOKED:
		return VX6_PROBLEM_NODE_REVOKED;
	case VX6_E_NO_RELAYS:
		return VX6_PROBLEM_NO_RELAYS;
	case VX6_E_WRONG_PEER:
		return VX6_PROBLEM_WRONG_PEER;
	case VX6_E_HS_TIMEOUT:
		return VX6_PROBLEM_HIDDEN_UNREACHABLE;
	case VX6_E_HS_AUTH:
		return VX6_PROBLEM_CLIENT_REFUSED;
	case VX6_E_INVITE_SPENT:
		return VX6_PROBLEM_INVITE_USED_UP;
	case VX6_E_EXPIRED:
		return VX6_PROBLEM_INVITE_EXPIRED;
	case VX6_E_NO_QUORUM:
		return VX6_PROBLEM_NO_QUORUM;
	case VX6_E_UNREACHABLE:
	case VX6_E_PEER_UNREACHABLE:
	case VX6_E_REFUSED:
	case VX6_E_CLOSED:
	case VX6_E_TLS:
	case VX6_E_PROTOCOL:
	case VX6_E_RESET:
	case VX6_E_IDLE:
		return VX6_PROBLEM_PEER_UNREACHABLE;
	default:
		return VX6_PROBLEM_INTERNAL;
	}
}

/* Errors that say that a field of the body cannot be as it is. */
static bool is_field_error(vx6_err err)
{
	switch (err.code) {
	case VX6_E_NOT_LOOPBACK:
	case VX6_E_INVALID:
	case VX6_E_FORMAT:
	case VX6_E_RANGE:
	case VX6_E_CHECKSUM:
	case VX6_E_ADDRESS_IN_USE:
	case VX6_E_PERMISSION:
	case VX6_E_PASSPHRASE:
		return true;
	default:
		return false;
	}
}

static bool is_promised(const struct vx6_route *route, enum vx6_problem_code code)
{
	for (size_t i = 0; i < route->problems_n; i++)
		if (route->problems[i] == code)
			return true;
	return false;
}

/* What an error means on routes that promise the problem; on others it means what problem_of() says. */
static enum vx6_problem_code special_problem(const struct vx6_route *route, vx6_err err)
{
	static const struct {
		int err;
		enum vx6_problem_code code;
	} meanings[] = {
		{VX6_E_UNSUPPORTED, VX6_PROBLEM_DHT_OFF},
		{VX6_E_UNSUPPORTED, VX6_PROBLEM_PEER_UNREACHABLE}, /* it takes no circuits */
		{VX6_E_CONFLICT, VX6_PROBLEM_OPERATION_FINISHED},
		{VX6_E_REFUSED, VX6_PROBLEM_NOT_OWNER},
		{VX6_E_NOT_FOUND, VX6_PROBLEM_MASTER_KEY_NEEDED},
		{VX6_E_NO_RELAYS, VX6_PROBLEM_TOO_FEW_RELAYS},
	};

	for (size_t i = 0; i < VX6_ARRAY_N(meanings); i++)
		if (meanings[i].err == err.code && is_promised(route, meanings[i].code))
			return meanings[i].code;
	return VX6_PROBLEM_N;
}

void api_reply_failure(struct api_request *r, const struct vx6_answer *answer)
{
	const char *detail = answer->detail[0] ? answer->detail : vx6_err_text(answer->err);
	enum vx6_problem_code code = problem_of(answer->err);

	if (special_problem(r->match.route, answer->err) != VX6_PROBLEM_N)
		code = special_problem(r->match.route, answer->err);
	else if (answer->err.code == VX6_E_INVALID && !answer->pointer[0] &&
		 is_promised(r->match.route, VX6_PROBLEM_MANAGED_ELSEWHERE))
		code = VX6_PROBLEM_MANAGED_ELSEWHERE;
	else if (r->match.route->body && (answer->pointer[0] || is_field_error(answer->err))) {
		vx6_fault_add(api_request_faults(r), answer->pointer, vx6_err_name(answer->err),
			      "%s", detail);
		if (is_field_error(answer->err))
			code = VX6_PROBLEM_INVALID_BODY;
	}
	if (answer->err.code == VX6_E_INVALID && answer->pointer[0] == '?') {
		vx6_fault_add(api_request_faults(r), answer->pointer, "route", "%s", detail);
		code = VX6_PROBLEM_INVALID_PARAMETER;
	}
	if (code == VX6_PROBLEM_LIMIT_REACHED && !is_promised(r->match.route, code))
		code = VX6_PROBLEM_UNAVAILABLE; /* the agent's limit, not one on objects */
	if (!is_promised(r->match.route, code))
		code = VX6_PROBLEM_INTERNAL;
	if (code == VX6_PROBLEM_INTERNAL)
		VX6_WARN("api", "%s: %s (%s)", r->match.route->id, detail,
			 vx6_err_name(answer->err));
	api_reply_problem(r, code, "%s", detail);
}

void api_reply_headers(struct api_request *r, struct MHD_Response *response)
{
	MHD_add_response_header(response, "X-Request-Id", r->id);
	MHD_add_response_header(response, "VX6-Contract", VX6_CONTRACT_VERSION);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
	MHD_add_response_header(response, "Cross-Origin-Resource-Policy", "same-origin");
	MHD_add_response_header(response, "Content-Security-Policy",
				"default-src 'none'; frame-ancestors 'none'");
}

enum MHD_Result api_reply_send(struct api_request *r)
{
	struct api_reply *reply = &r->reply;
	struct MHD_Response *response;
	enum MHD_Result sent;
	char number[16];

	if (reply->borrowed)
		response = MHD_create_response_from_buffer_static(reply->body_n, reply->body);
	else
		response =
			MHD_create_response_from_buffer_with_free_callback(reply->body_n,
									   reply->body, wipe_body);
	if (!response)
		return MHD_NO;
	reply->body = NULL; /* the response owns it */
	api_reply_headers(r, response);
	if (reply->type)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->type);
	if (reply->etag[0])
		MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, reply->etag);
	if (reply->location[0])
		MHD_add_response_header(response, MHD_HTTP_HEADER_LOCATION, reply->location);
	if (reply->allow[0])
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, reply->allow);
	if (reply->upgrade)
		MHD_add_response_header(response, MHD_HTTP_HEADER_UPGRADE, reply->upgrade);
	if (reply->status == MHD_HTTP_UNAUTHORIZED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
					"Bearer realm=\"vx6\"");
	if (reply->retry_after_s) {
		snprintf(number, sizeof number, "%u", reply->retry_after_s);
		MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, number);
	}
	r->stage = API_STAGE_DONE;
	sent = MHD_queue_response(r->http, reply->status, response);
	MHD_destroy_response(response);
	return sent;
}
