/*
 * Building a circuit in one pass: each CREATE has the next hop's CREATE inside of its encrypted message, and the answers come back inside of
 * each other (schemas/wire/cell.md: NEXT, INNER; schemas/wire/relaying.md: in which order a relay looks at a CREATE).
 *
 * One client builds BUILDS circuits of three hops, at the same time, over relays 1, 2 and 3. An attacker owns one relay, in any position or
 * outside of the paths (node 4), and the links: what is sent may be lost, come late, come again, come to somebody else.
 *
 * Cryptography is symbolic. A CREATE is a row of the table below, and whoever has it cannot see or change what it holds without the onion
 * key it is for; X is the number of the row in which it was first used. A CREATED is named by the CREATE that it answers: only the holder of the
 * onion key could make it. Anything else that claims to be a CREATED is FORGED.
 *
 * LINKS says what links are: OPEN, the attacker reads and moves all that is sent; SEALED, he has only what is sent to his relay, as it is
 * with TLS. The first is for agreement and secrecy, which must not need sealed links, the second for what a relay learns.
 *
 * More of the world: OWN, how many CREATEs the attacker makes, for honest relays, with any other inside; TAMPER, he also changes the message
 * of those that he has; ALL_ANSWERS, see there; RESTART, a relay starts again; THEFT, all onion keys are stolen when the builds are over; ENDS, at
 * some time nothing arrives any more, and what is left is up to timers.
 *
 * Protections, each of which can be taken away: NO_FILTER, LATE_FILTER (the next node is dialled before the filter is asked), SPLIT_FILTER (asked
 * first, told later), KEEP_KEY (a relay that starts again has its old key), NO_ID, NO_MAC, NO_AUTH, NO_TIMER, PLAIN (the message is not
 * encrypted), NO_EPHEMERAL (keys depend on the onion key alone). PATH_AFTER_THEFT asks whether paths are still hidden after a theft, which they
 * are not; REACH for a run that shows that the model is alive.
 */
#define CLIENT 0
#define HOPS 3
#ifndef BUILDS
#define BUILDS 2
#endif
#ifndef OWN
#define OWN 1 /* CREATEs that the attacker makes */
#endif
#define OURS (BUILDS * HOPS)
#define CREATES (OURS + OWN) /* 3 to 6 */
#define NODES 5

#define BIT(i) (1 << (i))
#define IN(set, i) (((set) >> (i)) & 1)

/* what a message of a CREATED, or an answer, can hold; CREATED(i): the answer to CREATE i */
#define NOTHING 0
#define REFUSED 1
#define FORGED 2
#define CREATED(i) ((i) + 3)
#define IS_CREATED(t) ((t) >= 3)
#define ANSWERED(t) ((t) - 3)

#define BUILDING 0
#define OPEN 1   /* all hops */
#define PART 2   /* some: the rest may be built hop by hop */
#define FAILED 3

typedef create {
	byte id;    /* the node it names */
	byte key;   /* the onion key it is for, by its owner */
	byte x;
	byte next;  /* in its message: the next node, 0 for the last hop */
	byte inner; /* and its CREATE */
	bit sound   /* whoever made it knew x */
};
create c[CREATES];

byte path[BUILDS * HOPS]; /* node at each hop */
byte outcome[BUILDS];
byte corrupt;             /* the attacker's relay */
byte published;           /* whose onion key it says is its own */
bit quiet;                /* nothing arrives any more */

short known;              /* CREATEs that the attacker has */
short answers;            /* CREATEDs that he has */
short flight[NODES];      /* CREATEs that are on their way to a node, sealed */
short answered;           /* CREATEs that were answered by the holder of their key */
byte sm[CREATES];         /* and what the answer's message holds */
byte holder[CREATES];     /* who made it, and so has the keys */
short seen[NODES];        /* replay filter: X */
byte renewed;             /* nodes whose onion keys of the beginning are gone */
bit stolen;               /* the attacker has all onion keys of the beginning */
short held;               /* circuits at honest relays */

/* for the properties only */
short believed;           /* hops that a client has taken into a circuit */
short taken;              /* X that were accepted */
short forwarded;          /* X of CREATEs after which the next node was dialled */
byte learned[BUILDS];     /* nodes of a path that the attacker's relay knows of */

hidden byte k, round, hop, what; /* of loops inside of one step */

#define OVER (outcome[0] != BUILDING && outcome[BUILDS - 1] != BUILDING)
#define HONEST(n) ((n) != corrupt && (n) != 4)
#define OURS_IS(i) ((i) < OURS)
#define READABLE(i) (c[i].key == corrupt || stolen || c[i].x >= OURS)

/* ---- what the attacker knows ---- */

inline close_up()
{
	round = 0;
	do
	:: round == HOPS -> break
	:: else ->
		round++;
		k = 0;
		do
		:: k == CREATES -> break
		:: else ->
			if
			:: IN(known, k) ->
				if
				:: OURS_IS(k) -> learned[k / HOPS] = learned[k / HOPS] | BIT(c[k].id)
				:: else
				fi;
#ifdef PLAIN
				if
				:: c[k].next != 0 ->
#else
				if
				:: c[k].next != 0 && READABLE(k) ->
#endif
					known = known | BIT(c[k].inner);
					if
					:: OURS_IS(k) -> learned[k / HOPS] = learned[k / HOPS] | BIT(c[k].next)
					:: else
					fi
				:: else
				fi
			:: else
			fi;
			if
#ifdef LINKS_OPEN
			:: IN(answered, k) -> answers = answers | BIT(k)
#else
			:: IN(answered, k) && IN(known, k) -> answers = answers | BIT(k)
#endif
			:: else
			fi;
			if
			:: IN(answered, k) && c[k].x >= OURS && IS_CREATED(sm[k]) -> answers = answers | BIT(ANSWERED(sm[k]))
			:: else
			fi;
			k++
		od
	od;
	k = 0;
	round = 0;
	check_paths()
}

/* A relay knows the node before it and the node after it. */
inline check_paths()
{
#ifndef LINKS_OPEN
#ifdef PATH_AFTER_THEFT
	if
	:: true ->
#else
	if
	:: !stolen ->
#endif
		do
		:: k == OURS -> break
		:: else ->
			assert(!IN(learned[k / HOPS], path[k]) || path[k] == corrupt ||
			       (k % HOPS > 0 && path[k - 1] == corrupt) ||
			       (k % HOPS < HOPS - 1 && path[(k + 1) % OURS] == corrupt));
			k++
		od;
		k = 0;
		do
		:: k == BUILDS -> break
		:: else ->
			assert(!IN(learned[k], CLIENT) || path[k * HOPS] == corrupt);
			k++
		od;
		k = 0
	:: else
	fi
#else
	skip
#endif
}

inline send(from, of_ours, to, it)
{
	if
	:: to == corrupt && of_ours && OURS_IS(it) && c[it].id == corrupt ->
		learned[it / HOPS] = learned[it / HOPS] | BIT(from)
	:: else
	fi;
#ifdef LINKS_OPEN
	known = known | BIT(it);
#else
	if
	:: to == corrupt -> known = known | BIT(it)
	:: else -> flight[to] = flight[to] | BIT(it)
	fi;
#endif
	close_up()
}

/* ---- an honest relay, and one CREATE that may come to it ---- */

#define COMES(i) (!quiet && (IN(known, i) || IN(flight[c[i].key], i)))
#ifdef NO_ID
#define NAMED(i) true
#else
#define NAMED(i) (c[i].id == c[i].key)
#endif
#ifdef NO_MAC
#define MAC_HOLDS(i) true
#else
#define MAC_HOLDS(i) c[i].sound
#endif
#ifdef NO_FILTER
#define NEW(i) true
#else
#define NEW(i) (!IN(seen[c[i].key], c[i].x))
#endif
#define SOUND(i) (HONEST(c[i].key) && c[i].key != 0 && !IN(renewed, c[i].key) && NAMED(i) && MAC_HOLDS(i))

/* what can come as the answer to CREATE w */
#define HAS(w, t) \
	(!quiet && ((t) == FORGED || (IS_CREATED(t) && (IN(answers, ANSWERED(t)) || (ANSWERED(t) == (w) && IN(answered, w))))))

/* The holder of the key answers. */
inline answer(i, t)
{
	sm[i] = t;
	answered = answered | BIT(i);
	close_up()
}

inline dial(i)
{
	assert(!IN(forwarded, c[i].x)); /* a CREATE that comes again makes a relay do nothing */
	forwarded = forwarded | BIT(c[i].x);
	/* and a relay goes where the client wanted it to */
	assert(!OURS_IS(c[i].x) || (c[i].next == c[c[i].x].next && c[i].inner == c[c[i].x].inner));
	send(c[i].key, OURS_IS(c[i].x), c[i].next, c[i].inner)
}

inline accept(i)
{
	seen[c[i].key] = seen[c[i].key] | BIT(c[i].x);
	assert(!IN(taken, c[i].x)); /* no CREATE is accepted twice */
	taken = taken | BIT(c[i].x);
	holder[i] = c[i].key;
#ifdef ENDS
	held = held | BIT(i)
#endif
}

/*
 * A relay takes whatever comes as the next one's answer, as it cannot read it. One that belongs to another X is to the client what FORGED is;
 * so it makes no difference which, and without ALL_ANSWERS it is left out.
 */
#ifdef ALL_ANSWERS
#define MATTERS(i, t) true
#else
#define MATTERS(i, t) (!IS_CREATED(t) || c[ANSWERED(t)].x == c[i].inner)
#endif
#define ANSWER(t) :: d_step { c[i].next != 0 && HAS(c[i].inner, t) && MATTERS(i, t) -> answer(i, t) }

proctype Relay(byte i)
{
end:
	do
#if defined(LATE_FILTER)
	:: d_step { COMES(i) && SOUND(i) && c[i].next != 0 -> dial(i) };
	d_step { NEW(i) -> accept(i) };
#elif defined(SPLIT_FILTER)
	:: COMES(i) && SOUND(i) && c[i].next != 0 && NEW(i);
	d_step { accept(i); dial(i) };
#else
	:: d_step { COMES(i) && SOUND(i) && NEW(i) ->
		accept(i);
		if
		:: c[i].next != 0 -> dial(i)
		:: else -> answer(i, NOTHING)
		fi
	};
#endif
	if
	:: c[i].next == 0
	:: c[i].next != 0 && IN(renewed, c[i].key) /* it was started again */
	/* whatever comes as the next one's answer goes back: it cannot be read here */
	ANSWER(FORGED)
	ANSWER(CREATED(0))
	ANSWER(CREATED(1))
	ANSWER(CREATED(2))
#if CREATES > 3
	ANSWER(CREATED(3))
#endif
#if CREATES > 4
	ANSWER(CREATED(4))
#endif
#if CREATES > 5
	ANSWER(CREATED(5))
#endif
#ifndef NO_TIMER
	:: d_step { c[i].next != 0 -> answer(i, REFUSED) } /* it cannot be reached, or says no, or time is up */
#endif
	fi;
#ifdef ENDS
	/* ten minutes without a cell; the lowest first, as the order makes no difference */
	d_step { OVER && (held & (BIT(i) - 1)) == 0 -> held = held & ~BIT(i) };
#endif
	od
}

/* A node that starts again has new onion keys, and has forgotten what it has seen. */
#ifdef KEEP_KEY
#define RESTARTS(n) :: d_step { HONEST(n) && !OVER -> seen[n] = 0 }
#else
#define RESTARTS(n) :: d_step { HONEST(n) && !OVER -> seen[n] = 0; renewed = renewed | BIT(n) }
#endif
proctype Restart()
{
end:
	if
	RESTARTS(1)
	RESTARTS(2)
	RESTARTS(3)
	fi
}

/* ---- the client ---- */

/* Is t the answer to CREATE i, by the node and key that it was for? What AUTH is made over. */
#define AUTH(t, i) \
	(IS_CREATED(t) && c[ANSWERED(t)].id == c[i].id && c[ANSWERED(t)].key == c[i].key && c[ANSWERED(t)].x == c[i].x && \
	 c[ANSWERED(t)].next == c[i].next && c[ANSWERED(t)].inner == c[i].inner)

#ifdef NO_EPHEMERAL
#define ATTACKER_HAS_KEYS(i) (c[i].x >= OURS || holder[i] == corrupt || stolen)
#else
#define ATTACKER_HAS_KEYS(i) (c[i].x >= OURS || holder[i] == corrupt)
#endif

/* Hop i is taken into the circuit because of t. */
inline believe(i, t)
{
	believed = believed | BIT(i);
	if
	:: IS_CREATED(t) ->
		/* who shares the keys is the node that the client means, and has accepted this CREATE; even if it is the attacker's */
		assert(holder[ANSWERED(t)] == path[i]);
		assert(path[i] == corrupt || (ANSWERED(t) == i && IN(taken, i)));
		assert(path[i] == corrupt || !ATTACKER_HAS_KEYS(i))
	:: else -> assert(path[i] == corrupt) /* made up by the attacker, who knows the keys */
	fi
}

inline open_up(b, t)
{
	hop = 0;
	what = t;
	do
	:: hop == HOPS -> outcome[b] = OPEN; break
	:: hop < HOPS && hop > 0 && (what == NOTHING || what == REFUSED) -> outcome[b] = PART; break
	:: else ->
		if
		:: AUTH(what, b * HOPS + hop) ->
			believe(b * HOPS + hop, what);
			what = sm[ANSWERED(what)];
			hop++
#ifdef NO_AUTH
		:: !AUTH(what, b * HOPS + hop) && hop > 0 ->
			believe(b * HOPS + hop, what);
			outcome[b] = PART;
			break
#endif
		:: else -> outcome[b] = FAILED; break
		fi
	od;
	hop = 0;
	what = 0;
#ifdef REACH
	assert(!(outcome[0] == OPEN && outcome[BUILDS - 1] == OPEN && path[1] == corrupt));
#endif
}

#define ARRIVES(t) :: d_step { HAS(b * HOPS, t) -> open_up(b, t) }

proctype Client(byte b)
{
	if
	ARRIVES(FORGED)
	ARRIVES(CREATED(0))
	ARRIVES(CREATED(1))
	ARRIVES(CREATED(2))
#if CREATES > 3
	ARRIVES(CREATED(3))
#endif
#if CREATES > 4
	ARRIVES(CREATED(4))
#endif
#if CREATES > 5
	ARRIVES(CREATED(5))
#endif
	:: outcome[b] = FAILED /* time is up, or the stream was reset */
	fi
}

/* ---- the attacker ---- */

/* his relay answers what is for its key, with anything that he has inside */
#define ANSWERS_WITH(i, t) \
	:: d_step { i < CREATES && !quiet && IN(known, i) && c[i].key == corrupt && !IN(answered, i) && (!IS_CREATED(t) || IN(answers, ANSWERED(t))) -> \
		holder[i] = corrupt; answer(i, t) }
#define ANSWERS_OF_3(i) \
	ANSWERS_WITH(i, REFUSED) ANSWERS_WITH(i, FORGED) ANSWERS_WITH(i, CREATED(0)) ANSWERS_WITH(i, CREATED(1)) ANSWERS_WITH(i, CREATED(2))
#if CREATES == 3
#define ANSWERS(i) ANSWERS_OF_3(i)
#elif CREATES == 4
#define ANSWERS(i) ANSWERS_OF_3(i) ANSWERS_WITH(i, CREATED(3))
#elif CREATES == 5
#define ANSWERS(i) ANSWERS_OF_3(i) ANSWERS_WITH(i, CREATED(3)) ANSWERS_WITH(i, CREATED(4))
#elif CREATES == 6
#define ANSWERS(i) ANSWERS_OF_3(i) ANSWERS_WITH(i, CREATED(3)) ANSWERS_WITH(i, CREATED(4)) ANSWERS_WITH(i, CREATED(5))
#endif

/* a CREATE of his own: row i, for an honest relay, with any that he has inside; to another node than that is for it would come to nothing */
#define INNER(j) :: IN(known, j) -> c[i].next = c[j].id; c[i].inner = j
inline message()
{
	if
	INNER(0)
	INNER(1)
	INNER(2)
#if OURS > 3
	INNER(3)
	INNER(4)
	INNER(5)
#endif
	fi
}

#define TARGET(n) :: HONEST(n) -> c[i].id = n; c[i].key = n
#define COPY(j) :: j < OURS && IN(known, j) -> c[i].id = c[j].id; c[i].key = c[j].key; c[i].x = j

proctype Attacker()
{
	byte i = OURS;
end:
	do
	:: atomic { i < CREATES && !quiet ->
		/* his own from the beginning */
		if
		TARGET(1)
		TARGET(2)
		TARGET(3)
		fi;
		c[i].x = i;
		c[i].sound = 1;
		if
		:: true
		:: (known & (BIT(OURS) - 1)) != 0 -> message()
		fi;
		d_step { known = known | BIT(i); close_up(); i++ }
	}
#ifdef TAMPER
	:: atomic { i < CREATES && !quiet && (known & (BIT(OURS) - 1)) != 0 ->
		/* or somebody's, with another message, and a MAC that he cannot make */
		if
		COPY(0)
		COPY(1)
		COPY(2)
#if OURS > 3
		COPY(3)
		COPY(4)
		COPY(5)
#endif
		fi;
		c[i].sound = 0;
		message();
		d_step { known = known | BIT(i); close_up(); i++ }
	}
#endif
	ANSWERS(0)
	ANSWERS(1)
	ANSWERS(2)
#if OURS > 3
	ANSWERS(3)
	ANSWERS(4)
	ANSWERS(5)
#endif
#ifdef ENDS
	:: d_step { !quiet -> quiet = 1 }
#endif
	od
}

/* All is over, and the onion keys of that time are stolen. */
proctype Thief()
{
end:
	d_step { OVER ->
		stolen = 1;
		close_up();
		k = 0;
		do
		:: k == OURS -> break
		:: else ->
			assert(!IN(believed, k) || path[k] == corrupt || !ATTACKER_HAS_KEYS(k));
			k++
		od;
		k = 0
	}
}

/* What must hold once nothing can happen any more. */
proctype Last()
{
end:
	timeout;
	assert(OVER && held == 0)
}

#define HOP(b, h, n) path[(b) * HOPS + (h)] = n

init
{
	byte i, b;

	atomic {
		if
		:: corrupt = 1
		:: corrupt = 2
		:: corrupt = 3
		:: corrupt = 4
		fi;
		if
		:: published = corrupt
		:: published = 1 + corrupt % 3 /* another's key in its own relay info */
		fi;
		HOP(0, 0, 1);
		HOP(0, 1, 2);
		HOP(0, 2, 3);
#if BUILDS > 1
		if
		:: HOP(1, 0, 1); HOP(1, 1, 2); HOP(1, 2, 3)
		:: HOP(1, 0, 3); HOP(1, 1, 2); HOP(1, 2, 1)
		:: HOP(1, 0, 2); HOP(1, 1, 3); HOP(1, 2, 1)
		fi;
#endif
		d_step {
			do
			:: i == OURS -> break
			:: else ->
				c[i].id = path[i];
				c[i].key = (path[i] == corrupt -> published : path[i]);
				c[i].x = i;
				c[i].sound = 1;
				if
				:: i % HOPS < HOPS - 1 -> c[i].next = path[i + 1]; c[i].inner = i + 1
				:: else
				fi;
				i++
			od;
			i = 0
		};
		do
		:: i == CREATES -> break
		:: else ->
			run Relay(i);
#ifdef SPLIT_FILTER
			run Relay(i);
#endif
			i++
		od;
		b = 0;
		do
		:: b == BUILDS -> break
		:: else ->
			d_step { send(CLIENT, true, path[b * HOPS], b * HOPS) };
			run Client(b);
			b++
		od;
		run Attacker();
#ifdef RESTART
		run Restart();
#endif
#ifdef THEFT
		run Thief();
#endif
		run Last()
	}
}
