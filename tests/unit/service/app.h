/* An application on a socket: sends a known pattern, checks the pattern that comes, in pieces of random size, stops and goes on, half-closes,
 * breaks off. */
#ifndef TESTS_UNIT_SERVICE_APP_H
#define TESTS_UNIT_SERVICE_APP_H

#include "loop/loop.h"

struct app {
	struct vx6_loop *loop;
	struct vx6_io io;
	int fd; /* -1: closed */
	uint64_t tx_goal, tx, rx;
	uint8_t tx_seed, rx_seed;
	bool tx_fin, fin_sent; /* half-close after tx_goal */
	bool got_fin, corrupt;
	int error;   /* errno that ended it, 0: none */
	bool frozen; /* does not read */
	bool ragged; /* small random pieces, and sometimes a pause */
	struct vx6_timer pause;
	bool pausing;
};

/* Takes fd. */
void app_start(struct app *a, struct vx6_loop *loop, int fd);
void app_send(struct app *a, uint64_t n, bool fin);
void app_freeze(struct app *a, bool frozen);
void app_close(struct app *a);
/* Closes with a reset. */
void app_break(struct app *a);

bool app_got_fin(void *app);
bool app_failed(void *app);

/* Two ends of one connection, non-blocking. */
void tcp_pair(int fd[2]);
void unix_pair(int fd[2]);
/* A listener on a free port of 127.0.0.1, non-blocking. */
int tcp_listener(uint16_t *port);
int tcp_dial(uint16_t port);

#endif
