/*
 * A resumable stream that loses its carrier and goes on over another one (schemas/wire/vxs.md, agent/vxs/attach.c).
 *
 * An opener and an acceptor send each other a few bytes, within a window, over one carrier after the other; each runs on one of two paths,
 * and what both have on a path is one session with one channel binding (CB). A carrier keeps order and loses nothing until it ends; then each side
 * notices at its own time; what was on the way has arrived or is gone.
 *
 * The attacker ends carriers (CUTS), makes the opener move or lose patience (MOVES), lets attaches arrive as late as he likes, and reads them all. He
 * opens carriers in a session of his own with any attach that he has seen, and has one that was processed come again in the session it
 * belongs to (REPLAYS, together). He does not have the secret RS. What he cannot make is left out: an answer that fails its mac ends the stream,
 * as it should when a session's own peer says nonsense.
 *
 * Protections that can be taken away: NO_EPOCH, NO_MAC, NO_CB, NO_ROLE, NO_OFFSET (the acceptor goes on with what it has not sent yet), FROM_ACKED
 * (both, with what was not acknowledged on the old carrier), NO_ASK (an opener that lost its carrier does not ask). REACH asks for a run that shows
 * that the model is alive.
 */
#ifndef CUTS
#define CUTS 1
#endif
#ifndef MOVES
#define MOVES 1
#endif
#ifndef REPLAYS
#define REPLAYS 1
#endif
#ifndef BYTES_OUT
#define BYTES_OUT 3 /* opener to acceptor; the last one is FIN */
#endif
#ifndef BYTES_BACK
#define BYTES_BACK 2
#endif
#define WINDOW 2
#define ROOM 2 /* frames on a carrier in one direction */

#define CARRIERS (1 + CUTS + MOVES) /* of the opener; number and epoch are one */
#define NONE 255
#define FOREIGN 254 /* a carrier that the attacker opened */
#define HIS 2       /* his session; those of both ends are 0 and 1 */

#define OPENER 0
#define ACCEPTOR 1
#define BYTES(s) ((s) == OPENER -> BYTES_OUT : BYTES_BACK)

mtype = { DATA, ACK };
chan frames[CARRIERS * 2] = [ROOM] of { mtype, byte }; /* 2 * carrier + side that sends */

/* a side; offsets as in agent/vxs/vxs_internal.h */
typedef side {
	byte carrier, epoch;
	bit attaching;
	byte una, sent, nxt;
	byte told, got
}
side at[2];

byte session[CARRIERS];
byte attach_off[CARRIERS];  /* recv_off in the attach of this epoch */
byte answer_off[CARRIERS];  /* and in its answer */
byte asked, pending;        /* attaches: made, still to arrive */
byte answered;              /* answers that are on the way, by carrier */
byte dead;                  /* carriers that have ended */
byte cuts, moves, replays;

/* for the properties only */
byte accepted;              /* epochs with which a carrier came into use at the acceptor */

#define BIT(i) (1 << (i))
#define IN(set, i) (((set) >> (i)) & 1)
#define HAS_ONE(s) (at[s].carrier < CARRIERS)
#define OUT(s) frames[2 * at[s].carrier + s]
#define INTO(s) frames[2 * at[s].carrier + 1 - s]

hidden byte i;

/* The carrier ends. What is on the way may still be taken by a side that has not noticed; what is written from now on is lost. */
inline end_carrier(n)
{
	if
	:: n < CARRIERS -> dead = dead | BIT(n)
	:: else
	fi
}

/* A side is done with its carrier. */
inline let_go(s)
{
	if
	:: at[s].carrier < CARRIERS ->
		do
		:: nempty(INTO(s)) -> INTO(s)?_, _
		:: empty(INTO(s)) -> break
		od;
		dead = dead | BIT(at[s].carrier)
	:: else
	fi;
	at[s].carrier = NONE
}

/* Both sides go on from where the other has got to. */
inline go_on(s, peer_has)
{
	assert(peer_has >= at[s].una && peer_has <= at[s].nxt); /* never RESUME_LOST */
#ifdef FROM_ACKED
	at[s].sent = at[s].una;
#else
	at[s].sent = peer_has;
#endif
	at[s].una = peer_has;
	at[s].told = at[s].got
}

/* ---- frames ---- */

#define RIDES(s) (HAS_ONE(s) && !at[s].attaching)

inline take(s)
{
	if
	:: INTO(s)?[DATA, _] ->
		INTO(s)?DATA, i;
		assert(i == at[s].got); /* every byte once, and in order */
		at[s].got++
	:: INTO(s)?[ACK, _] ->
		INTO(s)?ACK, i;
		assert(i >= at[s].una && i <= at[s].sent);
		at[s].una = i
	fi;
	/* an opener that uses a carrier has it in common with the acceptor, who is never ahead */
	assert(s == OPENER -> at[ACCEPTOR].epoch == at[OPENER].epoch : at[ACCEPTOR].epoch <= at[OPENER].epoch);
	i = 0
}

inline put(s, type, value)
{
	if
	:: IN(dead, at[s].carrier)
	:: else -> OUT(s)!type, value
	fi
}

#define FLOWS(s) \
	:: d_step { RIDES(s) && nempty(INTO(s)) -> take(s) } \
	:: d_step { RIDES(s) && nfull(OUT(s)) && at[s].sent < BYTES(s) && at[s].sent - at[s].una < WINDOW -> \
		put(s, DATA, at[s].sent); at[s].sent++; at[s].nxt = (at[s].sent > at[s].nxt -> at[s].sent : at[s].nxt) } \
	:: d_step { RIDES(s) && nfull(OUT(s)) && at[s].told < at[s].got -> put(s, ACK, at[s].got); at[s].told = at[s].got } \
	:: d_step { HAS_ONE(s) && IN(dead, at[s].carrier) -> let_go(s) } /* it notices */

/* ---- the opener ---- */

#define DONE (at[OPENER].got == BYTES_BACK && at[OPENER].una == BYTES_OUT)

/* Leaves the carrier it has, and asks on another one. */
inline ask(path)
{
	let_go(OPENER);
	at[OPENER].epoch++;
	at[OPENER].carrier = at[OPENER].epoch;
	at[OPENER].attaching = 1;
	session[at[OPENER].epoch] = path;
	attach_off[at[OPENER].epoch] = at[OPENER].got;
	asked = asked | BIT(at[OPENER].epoch);
	pending = pending | BIT(at[OPENER].epoch)
}

inline use(off)
{
	/* nobody but the acceptor can have said so */
	assert(IN(accepted, at[OPENER].epoch));
	answered = answered & ~BIT(at[OPENER].carrier);
	at[OPENER].attaching = 0;
	go_on(OPENER, off)
}

proctype Opener()
{
end:
	do
	FLOWS(OPENER)
	/* it has lost its carrier */
#ifndef NO_ASK
	:: d_step { !HAS_ONE(OPENER) && at[OPENER].epoch < CARRIERS - 1 -> ask(0) }
	:: d_step { !HAS_ONE(OPENER) && at[OPENER].epoch < CARRIERS - 1 -> ask(1) }
#endif
	/* a better path, or no answer for too long */
	:: d_step { HAS_ONE(OPENER) && moves < MOVES -> moves++; ask(0) }
	:: d_step { HAS_ONE(OPENER) && moves < MOVES -> moves++; ask(1) }
	:: d_step { HAS_ONE(OPENER) && at[OPENER].attaching && IN(answered, at[OPENER].carrier) -> use(answer_off[at[OPENER].carrier]) }
	od
}

/* ---- the acceptor ---- */

/* The mac is over the session, the epoch, and what is said there. */
#ifdef NO_CB
#define MAC_HOLDS(epoch, where) true
#else
#define MAC_HOLDS(epoch, where) (session[epoch] == (where))
#endif
#ifdef NO_EPOCH
#define FRESH(e) true
#else
#define FRESH(e) ((e) > at[ACCEPTOR].epoch)
#endif

/* An attach comes, on carrier n. */
inline arrives(e, n)
{
	assert(n != FOREIGN);        /* nobody but the opener can bring one into use */
	assert(!IN(accepted, e));    /* and no epoch is used twice */
	assert(e > at[ACCEPTOR].epoch);
	let_go(ACCEPTOR);
	accepted = accepted | BIT(e);
	at[ACCEPTOR].carrier = n;
	at[ACCEPTOR].epoch = e;
	answer_off[e] = at[ACCEPTOR].got;
	answered = answered | BIT(e);
#ifdef NO_OFFSET
	at[ACCEPTOR].told = at[ACCEPTOR].got
#else
	go_on(ACCEPTOR, attach_off[e])
#endif
}

#define ARRIVES(e) \
	:: d_step { (e) < CARRIERS && IN(pending, e) -> pending = pending & ~BIT(e); \
		if :: MAC_HOLDS(e, session[e]) && FRESH(e) -> arrives(e, e) :: else -> end_carrier(e) fi }

proctype Acceptor()
{
end:
	do
	FLOWS(ACCEPTOR)
	ARRIVES(1)
	ARRIVES(2)
#if CARRIERS > 3
	ARRIVES(3)
#endif
#if CARRIERS > 4
	ARRIVES(4)
#endif
	od
}

/* ---- the attacker ---- */

#define CUT(n) \
	:: d_step { (n) < CARRIERS && cuts < CUTS && !IN(dead, n) && ((n) == 0 || IN(asked, n)) -> \
		cuts++; end_carrier(n) } \
	:: d_step { (n) < CARRIERS && cuts < CUTS && !IN(dead, n) && IN(pending, n) -> \
		cuts++; pending = pending & ~BIT(n); end_carrier(n) }

/* an attach that he has read, in a session where he can say something */
#define REPEAT(e) \
	:: d_step { (e) < CARRIERS && replays < REPLAYS && IN(asked, e) && MAC_HOLDS(e, HIS) && FRESH(e) -> \
		replays++; arrives(e, FOREIGN) } \
	:: d_step { (e) < CARRIERS && replays < REPLAYS && IN(accepted, e) && FRESH(e) -> \
		replays++; arrives(e, FOREIGN) }

proctype Attacker()
{
end:
	do
	CUT(0)
	CUT(1)
	CUT(2)
#if CARRIERS > 3
	CUT(3)
#endif
	REPEAT(1)
	REPEAT(2)
#if CARRIERS > 3
	REPEAT(3)
#endif
#ifdef NO_MAC
	/* one that he has made up */
	:: d_step { replays < REPLAYS && at[ACCEPTOR].epoch + 1 < CARRIERS -> replays++; i = at[ACCEPTOR].epoch + 1; arrives(i, FOREIGN) }
#endif
#ifdef NO_ROLE
	/* the opener's own words as the answer to them */
	:: d_step { replays < REPLAYS && HAS_ONE(OPENER) && at[OPENER].attaching -> replays++; use(attach_off[at[OPENER].epoch]) }
#endif
	od
}

/* What must hold once nothing can happen any more. */
proctype Last()
{
end:
	timeout;
	assert(DONE && at[ACCEPTOR].got == BYTES_OUT && at[ACCEPTOR].una == BYTES_BACK);
#ifdef REACH
	assert(!(at[OPENER].epoch == CARRIERS - 1 && accepted == BIT(CARRIERS) - 1))
#endif
}

init
{
	atomic {
		accepted = BIT(0);
		run Opener();
		run Acceptor();
		run Attacker();
		run Last()
	}
}
