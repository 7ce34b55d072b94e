/**
 * @file server.h
 * The management API of an agent: listeners, one thread, start and stop.
 *
 * Spec:    schemas/openapi.json, docs/api-conventions.md
 * Layer:   api
 * Trust:   every byte of a request is hostile until the checks of request.c have passed
 * Threads: start from any thread; stop on the agent's loop thread, or when that does not run; the rest is the server's own thread
 */
#ifndef VX6_API_SERVER_SERVER_H
#define VX6_API_SERVER_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"

enum {
	VX6_API_LISTEN_MAX = 4,
	VX6_API_DETAIL = 256,
};

struct vx6_node;
struct vx6_api_server;

struct vx6_value;
struct vx6_faults;

/** What the server asks of whoever has the settings of the agent. Any thread; may block on disk. */
struct vx6_api_settings {
	void *user;
	char *(*show)(void *user);   /* schemas/api/Config.json; owned, free() */
	char *(*reload)(void *user); /* reads the file again, then the same */
	/** Adds what is wrong with the configuration in @p body, schemas/api/ConfigCheckInput.json. */
	void (*check)(void *user, const struct vx6_value *body, struct vx6_faults *faults);
};

struct vx6_api_config {
	const char *socket_path; /* unix socket, mode 0660; NULL: none */
	const char *
		token_path; /* admin token, made (0600) when it is not there; NULL: TCP callers cannot authenticate */
	struct vx6_addr listen[VX6_API_LISTEN_MAX]; /* loopback only; port 0 takes a free one */
	size_t listen_n;
	const char
		*operators;   /* group whose members are operators on the unix socket; NULL: none */
	bool operators_named; /* somebody chose it: it may be in another place than /etc/group */
	bool others_view;     /* everybody else there is a viewer, and not nobody */
	const struct vx6_api_settings *settings; /* outlives the server */
};

/**
 * Opens the listeners and starts answering.
 * @param cfg     borrowed for the call
 * @param node    must outlive the server
 * @param out     returns owned, vx6_api_server_stop()
 * @param detail  what went wrong, for people
 * @return VX6_OK | NOT_LOOPBACK | ADDRESS_IN_USE | PERMISSION | LOOSE_MODE (token file) | FORMAT (token file) | LIMIT (path) | IO
 */
VX6_RES vx6_api_server_start(const struct vx6_api_config *cfg, struct vx6_node *node,
			     struct vx6_api_server **out, char detail[static VX6_API_DETAIL]);

/** The port that TCP listener @p i got; 0: there is none. */
uint16_t vx6_api_server_port(const struct vx6_api_server *server, size_t i);

/**
 * Ends every stream, answers what is waiting with `unavailable`, closes, frees; NULL is fine. Takes at most about a second.
 * Answers of the agent that arrive later are dropped.
 */
void vx6_api_server_stop(struct vx6_api_server *server);

#endif
