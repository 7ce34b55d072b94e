/*
 * A relay that misbehaves when it is told to. It is the real program; only the calls by which it takes cells and passes them on come by here first
 * (--wrap, CMakeLists.txt). What it does to the circuits that lead on from it stands in the file $VX6_ROGUE, which is looked at all the time:
 *
 *   pass              nothing
 *   swallow           passes no cell on, and answers for itself as if nothing were
 *   hold              passes each on a second later
 *   flip forward      changes one bit of the next cell towards the target, then passes
 *   flip back         the same, towards the client
 *   twice forward|back    sends the next cell a second time, then passes
 *   shift forward|back    from the next cell on a few bytes too many go before each
 *
 * Of two circuits that are joined the older one is the client's, and led on from as well. What it does to hidden services besides: hidden.c.
 *
 * What it did is in its log, a line for the first cell of each order.
 */
#include "rogue.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HOLD_MS = 1000, SHIFT = 10, ORDER_MAX = 2100 };

enum order { PASS, SWALLOW, HOLD, FLIP, TWICE, SHIFTED };
static const char *const words[] = {"pass", "swallow", "hold", "flip", "twice", "shift"};

static enum order order;
static bool forward;          /* the order's direction */
static bool done;             /* and it was told of */
static char said[ORDER_MAX];  /* the order as it stands in the file */
static struct relay_circ *at; /* whose cell is being passed on, and which way */
static bool at_forward;
static uint8_t *passed;     /* the cell that is to be committed next; NULL: none of those */
static const void *shifted; /* the layer whose cells are shifted */
static uint8_t carry[SHIFT];

bool __real_relay_crypt_forward(struct relay_crypt *k, uint8_t cell[static VX6_CELL_BYTES]);
void __real_relay_crypt_back(struct relay_crypt *k, uint8_t cell[static VX6_CELL_BYTES]);
void __real_vx6_hop_commit(struct vx6_hop *hop);
void __real_vx6_hop_close(struct vx6_hop *hop, uint16_t code);
bool __wrap_relay_crypt_forward(struct relay_crypt *k, uint8_t cell[static VX6_CELL_BYTES]);
void __wrap_relay_crypt_back(struct relay_crypt *k, uint8_t cell[static VX6_CELL_BYTES]);
void __wrap_vx6_hop_commit(struct vx6_hop *hop);
void __wrap_vx6_hop_close(struct vx6_hop *hop, uint16_t code);
extern struct vx6_hop_events __wrap_relay_prev_events, __wrap_relay_next_events;

/* ---- orders ---- */

static void obey(struct vx6_relay *r, const char *text)
{
	char word[16] = "", way[16] = "";

	memset(said, 0, sizeof said);
	snprintf(said, sizeof said, "%s", text);
	sscanf(text, "%15s %15s", word, way);
	forward = strcmp(way, "back") != 0;
	done = false;
	shifted = NULL;
	order = PASS;
	hidden_obey(r, text);
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strcmp(words[i], word) == 0)
			order = (enum order)i;
}

static void look_for_orders(const struct relay_circ *c)
{
	static int fd = -1;
	static uint64_t looked_ms;
	uint64_t now_ms = vx6_loop_now_ms(c->r->cfg.loop);
	char text[sizeof said] = "";

	if (now_ms == looked_ms)
		return;
	looked_ms = now_ms;
	if (fd < 0 && getenv("VX6_ROGUE"))
		fd = open(getenv("VX6_ROGUE"), O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && pread(fd, text, sizeof text - 1, 0) > 0 && strcmp(text, said) != 0)
		obey(c->r, text);
}

static void tell(void)
{
	if (!done)
		fprintf(stderr, "rogue: %s%s\n", words[order],
			order < FLIP ? "" : (forward ? " forward" : " back"));
	done = true;
}

/* ---- cells that were to be passed on, with our layer on or off ---- */

static void shift(const struct relay_crypt *k, uint8_t *cell)
{
	uint8_t next[SHIFT];

	if (!shifted) {
		shifted = k;
		memset(carry, 0xA5, sizeof carry);
	}
	if (shifted != k)
		return;
	memcpy(next, cell + VX6_CELL_BYTES - SHIFT, SHIFT);
	memmove(cell + SHIFT, cell, VX6_CELL_BYTES - SHIFT);
	memcpy(cell, carry, SHIFT);
	memcpy(carry, next, SHIFT);
}

static void spoil(const struct relay_crypt *k, uint8_t *cell)
{
	if (!at)
		return;
	passed = cell;
	if (order == FLIP && forward == at_forward && !done) {
		cell[VX6_CELL_BYTES / 2] ^= 4;
		tell();
	} else if (order == SHIFTED && forward == at_forward) {
		shift(k, cell);
		tell();
	}
}

bool __wrap_relay_crypt_forward(struct relay_crypt *k, uint8_t cell[static VX6_CELL_BYTES])
{
	if (__real_relay_crypt_forward(k, cell))
		return true;
	spoil(k, cell);
	return false;
}

void __wrap_relay_crypt_back(struct relay_crypt *k, uint8_t cell[static VX6_CELL_BYTES])
{
	__real_relay_crypt_back(k, cell);
	spoil(k, cell);
}

void __wrap_vx6_hop_commit(struct vx6_hop *hop)
{
	uint8_t copy[VX6_CELL_BYTES], *room;
	bool again = passed && order == TWICE && forward == at_forward && !done;

	if (passed && order == SWALLOW) {
		passed = NULL;
		tell();
		return;
	}
	if (again)
		memcpy(copy, passed, sizeof copy);
	passed = NULL;
	__real_vx6_hop_commit(hop);
	room = again ? vx6_hop_room_here(hop) : NULL;
	if (!room)
		return;
	memcpy(room, copy, sizeof copy);
	__real_vx6_hop_commit(hop);
	tell();
}

/* ---- cells that come ---- */

static bool take(struct vx6_hop *hop, const struct vx6_hop_events *real, uint8_t *cell,
		 struct relay_circ *c)
{
	bool took;

	look_for_orders(c);
	if (c->state != CIRC_MIDDLE && c->state != CIRC_JOINED)
		return real->cell(hop, cell, c);
	if (order == HOLD || hold_has(hop)) {
		if (order == HOLD)
			tell();
		return hold_cell(hop, real, c, cell, order == HOLD ? HOLD_MS : 0);
	}
	at = c;
	at_forward = c->peer ? c->id < c->peer->id : real == &__real_relay_prev_events;
	took = real->cell(hop, cell, c);
	at = NULL;
	passed = NULL;
	return took;
}

static bool on_prev_cell(struct vx6_hop *hop, uint8_t cell[static VX6_CELL_BYTES], void *user)
{
	return take(hop, &__real_relay_prev_events, cell, user);
}

static bool on_next_cell(struct vx6_hop *hop, uint8_t cell[static VX6_CELL_BYTES], void *user)
{
	return take(hop, &__real_relay_next_events, cell, user);
}

static void on_prev_closed(struct vx6_hop *hop, vx6_err why, uint32_t code, void *user)
{
	hold_drop(hop);
	__real_relay_prev_events.closed(hop, why, code, user);
}

static void on_next_closed(struct vx6_hop *hop, vx6_err why, uint32_t code, void *user)
{
	hold_drop(hop);
	__real_relay_next_events.closed(hop, why, code, user);
}

void __wrap_vx6_hop_close(struct vx6_hop *hop, uint16_t code)
{
	hold_drop(hop);
	__real_vx6_hop_close(hop, code);
}

struct vx6_hop_events __wrap_relay_prev_events = {.cell = on_prev_cell, .closed = on_prev_closed};
struct vx6_hop_events __wrap_relay_next_events = {.cell = on_next_cell, .closed = on_next_closed};

/* The rest is as it is. */
__attribute__((constructor)) static void begin(void)
{
	__wrap_relay_prev_events.batch_end = __real_relay_prev_events.batch_end;
	__wrap_relay_prev_events.writable = __real_relay_prev_events.writable;
	__wrap_relay_prev_events.silent = __real_relay_prev_events.silent;
	__wrap_relay_next_events.batch_end = __real_relay_next_events.batch_end;
	__wrap_relay_next_events.writable = __real_relay_next_events.writable;
	__wrap_relay_next_events.silent = __real_relay_next_events.silent;
}
