/*
 * What a rogue relay does as the end of circuits of hidden services, and as a holder. All messages that it is told and that it says are appended to
 * $VX6_ROGUE.heard, a line each: CIRCUIT in|out TYPE HEX. Orders:
 *
 *   say TYPE CIRCUIT HEX    once, to whoever built that circuit; 0: to all that are introduced here
 *   answer HEX              says RENDEZVOUS2 with that for the owner's answer
 *   flood RATE MS HEX       INTRODUCE2 to all that are introduced here, so many a second for so long: HEX is the proof of work, its nonce and
 *                           what is sealed are random
 *   deny                    says INTRO_UNKNOWN to clients whose introduction the owner has confirmed
 *   claim                   says to clients that the owner has their introduction, which it never gets
 *   keep                    a descriptor that it holds is not replaced, whatever it answers
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "crypto/secret.h"
#include "dht/holder_internal.h"
#include "rogue.h"

enum {
	FLOOD_TICK_MS = 2,
	FLOOD_QUEUE = 48, /* that wait for room on one circuit */
	NONCE = 16,
};

enum what { NOTHING, SAY, ANSWER, FLOOD, DENY, CLAIM, KEEP };
static const char *const words[] = {"", "say", "answer", "flood", "deny", "claim", "keep"};

static enum what what;
static uint8_t data[VX6_PAYLOAD_MAX];
static size_t data_n;
static uint64_t circuit;
static unsigned type;
static struct {
	uint64_t rate, ms, began_ms, said;
} flood;
static struct vx6_relay *relay;
static struct vx6_timer timer;
static FILE *heard;

#define REAL(name) __real_##name
#define WRAP(name) __wrap_##name

void REAL(circ_say)(struct relay_circ *c, enum vx6_payload_type kind, const void *bytes, size_t n);
void REAL(circ_say_code)(struct relay_circ *c, enum vx6_payload_type kind, uint16_t code);
void WRAP(circ_say)(struct relay_circ *c, enum vx6_payload_type kind, const void *bytes, size_t n);
void WRAP(circ_say_code)(struct relay_circ *c, enum vx6_payload_type kind, uint16_t code);
vx6_err REAL(vx6_dht_store_put)(struct dht_store *s, const struct dht_put *p);
vx6_err WRAP(vx6_dht_store_put)(struct dht_store *s, const struct dht_put *p);

/* ---- what is heard ---- */

static void write_down(const struct relay_circ *c, const char *way, unsigned kind,
		       const uint8_t *bytes, size_t n)
{
	if ((what == FLOOD && kind == VX6_PAYLOAD_INTRODUCED) || !getenv("VX6_ROGUE"))
		return;
	if (!heard) {
		char path[4096];

		snprintf(path, sizeof path, "%s.heard", getenv("VX6_ROGUE"));
		heard = fopen(path, "ae");
		if (!heard)
			return;
	}
	fprintf(heard, "%" PRIu64 " %s %u ", c->id, way, kind);
	for (size_t i = 0; i < n; i++)
		fprintf(heard, "%02x", bytes[i]);
	fputc('\n', heard);
	fflush(heard);
}

/* Before the relay gets to see it. */
#define HEAR(name)                                                                                 \
	void REAL(name)(struct relay_circ * c, const struct vx6_payload *p);                       \
	void WRAP(name)(struct relay_circ * c, const struct vx6_payload *p);                       \
	void WRAP(name)(struct relay_circ * c, const struct vx6_payload *p)                        \
	{                                                                                          \
		write_down(c, "in", p->type, p->data, p->n);                                       \
		REAL(name)(c, p);                                                                  \
	}
HEAR(intro_establish)
HEAR(intro_confirmed)
HEAR(rend_establish)
HEAR(rend_join)

void REAL(intro_introduce)(struct relay_circ *c, const struct vx6_payload *p);
void WRAP(intro_introduce)(struct relay_circ *c, const struct vx6_payload *p);
void WRAP(intro_introduce)(struct relay_circ *c, const struct vx6_payload *p)
{
	write_down(c, "in", p->type, p->data, p->n);
	if (what != CLAIM) {
		REAL(intro_introduce)(c, p);
		return;
	}
	fputs("rogue: claim\n", stderr);
	circ_say_code(c, VX6_PAYLOAD_INTRODUCE_ACK, VX6_CODE_OK);
}

void WRAP(circ_say)(struct relay_circ *c, enum vx6_payload_type kind, const void *bytes, size_t n)
{
	write_down(c, "out", kind, bytes, n);
	if (what == ANSWER && kind == VX6_PAYLOAD_RENDEZVOUS2 && data_n == n) {
		fputs("rogue: answer\n", stderr);
		bytes = data;
	}
	REAL(circ_say)(c, kind, bytes, n);
}

void WRAP(circ_say_code)(struct relay_circ *c, enum vx6_payload_type kind, uint16_t code)
{
	uint8_t bytes[VX6_HS_CODE_BYTES];

	if (what == DENY && kind == VX6_PAYLOAD_INTRODUCE_ACK && code == VX6_CODE_OK) {
		fputs("rogue: deny\n", stderr);
		code = VX6_CODE_INTRO_UNKNOWN;
	}
	vx6_hs_code_encode(code, bytes);
	write_down(c, "out", kind, bytes, sizeof bytes);
	REAL(circ_say_code)(c, kind, code);
}

/* ---- what is said ---- */

static void say(void)
{
	unsigned n = 0;

	VX6_LIST_EACH(node, &relay->all)
	{
		struct relay_circ *c = VX6_CONTAINER_OF(node, struct relay_circ, all);

		if (!c->crypt || (circuit != 0 ? c->id != circuit : !c->intro))
			continue;
		REAL(circ_say)(c, (enum vx6_payload_type)type, data, data_n);
		n++;
	}
	fprintf(stderr, "rogue: say %u to %u\n", type, n);
}

static void flood_one(struct relay_circ *c)
{
	uint8_t proof[VX6_HS_POW], sealed[VX6_HS_SEALED], out[VX6_INTRODUCE2_BYTES];
	struct vx6_introduce2 m = {.serial = c->intro->serial++,
				   .auth_key = c->intro->auth_key,
				   .pow = proof,
				   .sealed = sealed};

	memcpy(proof, data, sizeof proof);
	if (proof[0] != 0)
		vx6_random_bytes(proof + 1, NONCE);
	vx6_random_bytes(sealed, sizeof sealed);
	vx6_introduce2_encode(&m, out);
	REAL(circ_say)(c, VX6_PAYLOAD_INTRODUCE2, out, sizeof out);
	flood.said++;
}

/* One to each that has room. @return whether there was any */
static bool flood_round(void)
{
	uint64_t before = flood.said;

	VX6_LIST_EACH(node, &relay->all)
	{
		struct relay_circ *c = VX6_CONTAINER_OF(node, struct relay_circ, all);

		if (c->crypt && c->intro && c->sayings_n < FLOOD_QUEUE)
			flood_one(c);
	}
	return flood.said != before;
}

static void flood_on(void)
{
	uint64_t ms = vx6_loop_now_ms(relay->cfg.loop) - flood.began_ms;

	if (ms >= flood.ms) {
		fprintf(stderr, "rogue: flooded with %" PRIu64 " in %" PRIu64 " ms\n", flood.said,
			ms);
		what = NOTHING;
		return;
	}
	while (flood.said < flood.rate * ms / 1000 && flood_round())
		;
	vx6_timer_in_ms(&timer, FLOOD_TICK_MS);
}

static void on_timer(struct vx6_timer *t)
{
	if (what == SAY)
		say();
	else if (what == FLOOD)
		flood_on();
}

/* ---- orders ---- */

static void read_hex(const char *hex)
{
	unsigned byte;

	for (data_n = 0; data_n < sizeof data && sscanf(hex + 2 * data_n, "%2x", &byte) == 1;)
		data[data_n++] = (uint8_t)byte;
}

void hidden_obey(struct vx6_relay *r, const char *text)
{
	char word[16] = "", hex[2 * sizeof data + 1] = "";

	what = NOTHING;
	data_n = 0;
	sscanf(text, "%15s", word);
	for (size_t i = 1; i < VX6_ARRAY_N(words); i++)
		if (strcmp(words[i], word) == 0)
			what = (enum what)i;
	if (what == SAY)
		sscanf(text, "%*s %u %" SCNu64 " %2008s", &type, &circuit, hex);
	else if (what == ANSWER)
		sscanf(text, "%*s %2008s", hex);
	else if (what == FLOOD)
		sscanf(text, "%*s %" SCNu64 " %" SCNu64 " %2008s", &flood.rate, &flood.ms, hex);
	read_hex(hex);
	if (!relay)
		vx6_timer_init(r->cfg.loop, &timer, on_timer, NULL);
	relay = r;
	flood.said = 0;
	flood.began_ms = vx6_loop_now_ms(r->cfg.loop);
	if (what == SAY || what == FLOOD)
		vx6_timer_in_ms(&timer, 0);
}

/* ---- as a holder ---- */

vx6_err WRAP(vx6_dht_store_put)(struct dht_store *s, const struct dht_put *p)
{
	const struct dht_shelf *shelf = vx6_dht_store_shelf(s, p->key->b);

	if (what == KEEP && p->view->type == VX6_RTYPE_DESCRIPTOR && shelf &&
	    vx6_dht_shelf_find(shelf, p->view->type, p->view->subject)) {
		fputs("rogue: keep\n", stderr);
		return VX6_OK;
	}
	return REAL(vx6_dht_store_put)(s, p);
}
