/*
 * A circuit of ours to where a client waits, and the session there.
 *
 *   BUILDING(k), RENDEZVOUS1 with it --open: join, adopt--> JOINING --the client's HELLO--> UP --the end--> OVER
 *   BUILDING(k), JOINING(k) --its end, or too late--> BUILDING(k + 1), as far as the client named others; else OVER
 *
 * What ends inside a call of somebody else's is only noted there, and put away when the loop comes round.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "crypto/secret.h"
#include "hidden/host_internal.h"
#include "identity/hidden_key.h"

enum { DAY_S = 86400, AS_DAYS = 7 };

static void set_state(struct host_meet *m, enum meet_state state, const char *text)
{
	struct host_service *s = m->s;

	s->building_n -= m->state == MEET_BUILDING || m->state == MEET_JOINING;
	s->up_n -= m->state == MEET_UP;
	m->state = state;
	m->info.state = text;
	s->building_n += state == MEET_BUILDING || state == MEET_JOINING;
	s->up_n += state == MEET_UP;
}

/* Whoever was told of the session hears that it is gone. */
static void tell_gone(struct host_meet *m)
{
	if (m->told && m->s->h->cfg.session)
		m->s->h->cfg.session(m->s->h->cfg.user, m->s->spec.scope, m->session, false);
	m->told = false;
}

static void over(struct host_meet *m, vx6_err err, const char *why)
{
	bool was_up = m->state == MEET_UP;

	if (m->state == MEET_OVER)
		return;
	tell_gone(m);
	vx6_wipe(&m->guest, sizeof m->guest);
	vx6_wipe(&m->e2e, sizeof m->e2e);
	set_state(m, MEET_OVER, was_up ? "closed" : "failed");
	m->info.err = err;
	m->info.ended_wall_ms = host_wall_ms(m->s->h);
	if (was_up) {
		host_event(m->s, VX6_HOST_REND_DOWN, "a session has ended: %s", why);
	} else {
		m->s->unmet++;
		host_event(m->s, VX6_HOST_REND_FAILED, "a client was not met: %s", why);
	}
	host_wake(m->s);
}

/* ---- the session ---- */

/* The same for everybody, in the same seven days: what shows in it is neither the day of a session nor that of a start. */
static const struct vx6_identity *who_we_are(struct host_service *s)
{
	uint64_t day = host_wall_s(s->h) / DAY_S;
	struct host_as *as = s->as;

	day -= day % AS_DAYS;
	if (as && day == as->day)
		return &as->id;
	as = vx6_zalloc(sizeof *as);
	as->day = day;
	if (!vx6_is_ok(vx6_identity_hidden(s->spec.seed, s->h->cfg.net, day * DAY_S, &as->id))) {
		free(as);
		return NULL;
	}
	as->next = s->as;
	s->as = as;
	return &as->id;
}

static void on_session_up(void *user, struct vx6_session *session)
{
	struct host_meet *m = user;
	struct host_service *s = m->s;

	if (m->state != MEET_JOINING)
		return;
	m->due_ms = 0;
	m->info.took_ms = (uint32_t)(host_now_ms(s->h) - m->began_ms) + m->info.waited_ms;
	vx6_wipe(&m->guest, sizeof m->guest);
	set_state(m, MEET_UP, "up");
	s->met++;
	host_event(s, VX6_HOST_REND_UP, "a client was met after %u ms", m->info.took_ms);
	m->session = session;
	m->told = true;
	if (s->h->cfg.session)
		s->h->cfg.session(s->h->cfg.user, s->spec.scope, session, true);
}

/* Before it was up: the client may wait elsewhere, too. */
static void failed(struct host_meet *m, vx6_err err, const char *why)
{
	bool is_up = m->state == MEET_UP;

	if (m->state == MEET_OVER)
		return;
	if (is_up || m->info.tried >= m->guest.rends_n) {
		over(m, err, why);
		return;
	}
	m->info.err = err;
	set_state(m, MEET_BUILDING, "building");
	m->due_ms = host_now_ms(m->s->h);
	host_wake(m->s);
}

static void on_session_down(void *user, struct vx6_session *session, vx6_err why)
{
	struct host_meet *m = user;

	(void)session;
	failed(m, why, vx6_err_text(why));
	m->session = NULL;
}

static const struct vx6_adopt_events session_events = {.up = on_session_up,
						       .down = on_session_down};

/* ---- the circuit ---- */

/* What X is to hand to the client, made before it is known whether there is a way to X: it goes there with the handshake. */
static vx6_err answer(struct host_meet *m, uint8_t out[static VX6_RENDEZVOUS1_BYTES])
{
	const struct host_guest *g = &m->guest;
	const struct vx6_hs_ntor_who who = {.auth_key = g->auth_key,
					    .enc_pk = g->enc_pk.b,
					    .subcred = g->subcred};
	uint8_t data[VX6_HS_ANSWER];
	const struct vx6_rendezvous1 r = {.cookie = g->rend[m->info.tried - 1].cookie,
					  .answer = data};

	VX6_TRY(vx6_hs_ntor_answer(vx6_hs_ntor_protoid, &who, g->enc_sk.b, g->client_pk, data,
				   &m->e2e));
	vx6_rendezvous1_encode(&r, out);
	return VX6_OK;
}

/* The other end is shown as what we are there: who the client is nobody knows. */
static vx6_err join(struct host_meet *m, struct vx6_bare *b)
{
	struct host_service *s = m->s;
	const struct vx6_identity *as = who_we_are(s);
	struct vx6_adopt how = {.as = as, .scope = s->spec.scope, .ev = &session_events, .user = m};
	struct vx6_circuit_join j = {.keys = m->e2e.keys,
				     .kh = m->e2e.kh,
				     .far = &s->id,
				     .acceptor = true};
	vx6_err err;

	if (!as)
		return VX6_ERR(BUG);
	err = s->h->ops->accept(&s->h->cfg, b, &j, &how, &m->session);
	vx6_wipe(&m->e2e, sizeof m->e2e);
	return err;
}

static void on_open(void *user, struct vx6_bare *b)
{
	struct host_meet *m = user;
	vx6_err err;

	if (m->state != MEET_BUILDING)
		return;
	vx6_strlcpy(m->info.circuit, m->s->h->ops->id(b), sizeof m->info.circuit);
	set_state(m, MEET_JOINING, "joining");
	m->due_ms = host_now_ms(m->s->h) + JOIN_MS;
	err = join(m, b);
	if (!vx6_is_ok(err))
		failed(m, err, vx6_err_text(err));
	host_wake(m->s);
}

/* X has nothing to say to us. */
static void on_said(void *user, struct vx6_bare *b, uint8_t type, const uint8_t *data, size_t n)
{
	(void)b;
	(void)type;
	(void)data;
	(void)n;
	over(user, VX6_ERR(PROTOCOL), "the rendezvous said what it must not");
}

static void on_down(void *user, struct vx6_bare *b, vx6_err why, const char *detail)
{
	struct host_meet *m = user;

	(void)b;
	m->bare = NULL;
	failed(m, why, detail && detail[0] != '\0' ? detail : vx6_err_text(why));
}

static const struct vx6_bare_events meet_events = {.open = on_open,
						   .said = on_said,
						   .down = on_down};

static void close_circuit(struct host_meet *m, const char *why)
{
	struct vx6_bare *bare = m->bare;

	tell_gone(m);
	m->bare = NULL;
	if (m->session)
		m->s->h->ops->disown(m->session);
	m->session = NULL;
	if (bare)
		m->s->h->ops->close(bare, why);
}

/*
 * That of the same client's, or of anybody's where none is known, that carries something, or else the latest: it is one leg of his, and this will be
 * another, which is not to die with it. What was only begun for him, or has died, may be the latest for a while.
 */
static const struct host_meet *beside(const struct host_meet *m)
{
	const struct host_meet *latest = NULL;
	bool used = false;

	VX6_LIST_EACH(node, &m->s->meets)
	{
		const struct host_meet *o = VX6_CONTAINER_OF(node, struct host_meet, node);
		bool carries = o->session && m->s->h->ops->streams(o->session) > 0;

		if (o == m || o->client != m->client || !o->bare || o->state == MEET_OVER ||
		    (used && !carries))
			continue;
		latest = o;
		used = carries;
	}
	return latest;
}

static bool build(struct host_meet *m)
{
	struct host_service *s = m->s;
	const struct vx6_node_id *x = &m->guest.rend[m->info.tried].node;
	uint8_t data[VX6_RENDEZVOUS1_BYTES];
	const struct host_meet *other = beside(m);
	const struct vx6_bare_want want = {
		.purpose = VX6_PURPOSE_RENDEZVOUS,
		.relays = s->spec.fast ? 2 : 3,
		.last = x,
		.last_may = VX6_RELAY_REND,
		.word = {.type = VX6_PAYLOAD_RENDEZVOUS1, .data = data, .n = sizeof data},
		.avoid = other ? &other->info.x : NULL,
		.avoid_n = other != NULL,
		.beside = other ? other->bare : NULL,
		.why = "to where a client waits",
	};
	char detail[VX6_CIRCUIT_WHY] = "";

	m->info.tried++;
	m->info.x = *x;
	m->info.err = answer(m, data);
	if (vx6_is_ok(m->info.err))
		m->info.err =
			s->h->ops->begin(&s->h->cfg, &want, &meet_events, m, &m->bare, detail);
	vx6_wipe(data, sizeof data);
	m->due_ms = host_now_ms(s->h) + X_MS;
	return vx6_is_ok(m->info.err);
}

static void next_rendezvous(struct host_meet *m)
{
	close_circuit(m, "it took too long");
	while (m->info.tried < m->guest.rends_n)
		if (build(m))
			return;
	m->bare = NULL;
	over(m, vx6_is_ok(m->info.err) ? VX6_ERR(TIMEOUT) : m->info.err,
	     "no circuit to where it waits");
}

/* ---- from the first to the last ---- */

void host_meet_begin(struct host_service *s, struct host_guest *g)
{
	struct host_meet *m = vx6_zalloc(sizeof *m);
	const struct host_client *c = host_client_by_uid(s, g->client);

	m->s = s;
	m->guest = *g;
	m->began_ms = host_now_ms(s->h);
	m->client = g->client;
	m->info.number = ++s->next_number;
	m->info.wall_ms = host_wall_ms(s->h);
	m->info.effort = g->effort;
	m->info.waited_ms = (uint32_t)(m->began_ms - g->came_ms);
	if (c)
		vx6_strlcpy(m->info.client, c->c.name, sizeof m->info.client);
	host_guest_free(g);
	vx6_list_push(&s->meets, &m->node);
	m->state = MEET_OVER; /* counted nowhere yet */
	set_state(m, MEET_BUILDING, "building");
	next_rendezvous(m);
}

static void put_away(struct host_meet *m)
{
	struct host_service *s = m->s;

	close_circuit(m, "it is over");
	s->history[s->history_n++ % VX6_HOST_HISTORY] = m->info;
	vx6_list_remove(&m->node);
	vx6_wipe_free(m, sizeof *m);
}

void host_meets_run(struct host_service *s, uint64_t now, uint64_t *due)
{
	VX6_LIST_EACH(node, &s->meets)
	{
		struct host_meet *m = VX6_CONTAINER_OF(node, struct host_meet, node);

		if (m->state == MEET_BUILDING && now >= m->due_ms)
			next_rendezvous(m);
		else if (m->state == MEET_JOINING && now >= m->due_ms)
			failed(m, VX6_ERR(TIMEOUT), "the client said nothing");
		else if (m->state == MEET_UP && m->due_ms != 0 && now >= m->due_ms)
			over(m, VX6_ERR(REVOKED), m->ends);
		if (m->state == MEET_OVER)
			put_away(m);
		else
			host_sooner(due, m->due_ms);
	}
}

/* Whoever is there hears why; the circuit goes when that has left. */
void host_meets_end(struct host_service *s, uint64_t uid, const char *why)
{
	VX6_LIST_EACH(node, &s->meets)
	{
		struct host_meet *m = VX6_CONTAINER_OF(node, struct host_meet, node);

		if (m->client != uid || m->state == MEET_OVER)
			continue;
		if (m->state != MEET_UP) {
			over(m, VX6_ERR(REVOKED), why);
			continue;
		}
		m->ends = why;
		m->due_ms = host_now_ms(s->h) + HANG_UP_MS;
		s->h->ops->hang_up(m->session, VX6_ERR(REVOKED));
		host_wake(s);
	}
}

void host_meets_free(struct host_service *s)
{
	VX6_LIST_EACH(node, &s->meets)
	{
		struct host_meet *m = VX6_CONTAINER_OF(node, struct host_meet, node);

		close_circuit(m, "no longer hosted");
		vx6_list_remove(&m->node);
		vx6_wipe_free(m, sizeof *m);
	}
}
