/**
 * @file command.h
 * The commands as one constant table: arguments, where each goes in the request, columns, examples.
 *
 * Layer:   api
 * Shape:   parser, help, completion, the manual page, the requests and the parity test all read this table
 * Threads: constant, any thread
 */
#ifndef VX6_API_CLI_COMMAND_H
#define VX6_API_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

struct vx6_cli;
struct vx6_cli_parsed;

/* How the text of an argument becomes a value. */
enum vx6_cli_kind {
	VX6_ARG_TEXT,    /* a JSON string; empty text is null when `nullable` */
	VX6_ARG_INTEGER, /* a decimal number */
	VX6_ARG_SWITCH,  /* takes no value and stands for `literal` */
	VX6_ARG_LABEL,   /* key=value; all of them make one object */
	VX6_ARG_ALLOW,   /* "any" or a node id; all of them make one Access object */
	VX6_ARG_PEER,    /* ADDR or vx1…@ADDR: addresses and node_id */
	VX6_ARG_LOCAL,   /* a local address; a bare port is one of 127.0.0.1 */
	VX6_ARG_REF,     /* an id, or a name that becomes name:<name> */
	VX6_ARG_PIN,     /* a name that becomes pin:<name>, unless it says what it is */
	VX6_ARG_PETNAME, /* petname:<name> */
	VX6_ARG_NODES,   /* node ids, separated by commas; all of them make one list */
	VX6_ARG_UNTIL,   /* a span from now on, "7d", that becomes a time */
	VX6_ARG_AGO,     /* a span up to now that becomes a time */
	VX6_ARG_ONOFF,   /* on or off, as `words` says */
	VX6_ARG_ABOUT, /* cir_… is for the parameter `circuit`, else the node of alice.web for the argument's own */
};

enum vx6_cli_place {
	VX6_IN_COMMAND, /* the command itself looks at it */
	VX6_IN_PATH,
	VX6_IN_QUERY,
	VX6_IN_BODY,
	VX6_IN_HEADER,
};

/* What a shell offers for the value. */
enum vx6_cli_offer {
	VX6_OFFER_NOTHING,
	VX6_OFFER_FILES,
	VX6_OFFER_WORDS,    /* `words`, separated by spaces */
	VX6_OFFER_PEERS,    /* live, from the agent */
	VX6_OFFER_SERVICES, /* our own */
	VX6_OFFER_REMOTE,   /* services of peers: alice.web */
	VX6_OFFER_FORWARDS,
	VX6_OFFER_NODES,  /* node ids of peers */
	VX6_OFFER_EVENTS, /* event types */
	VX6_OFFER_NAMES,  /* petnames and pins */
	VX6_OFFER_CATALOGS,
	VX6_OFFER_OPERATIONS,
	VX6_OFFER_RELAYS, /* node ids of relays */
	VX6_OFFER_CIRCUITS,
	VX6_OFFER_HIDDEN,  /* aliases of our own hidden services */
	VX6_OFFER_ALIASES, /* of those that we may visit */
	VX6_OFFER_CLIENTS, /* of our hidden services: ids of those that may come in */
	VX6_OFFER_TOKENS,
	VX6_OFFER_INVITES, /* and of invites that may still be used */
};

struct vx6_cli_arg {
	const char
		*name; /* "target": --target; of a positional the word in the usage line: "NAME" */
	char letter;   /* one-letter form of an option, or 0 */
	bool positional, required, repeat, nullable;
	enum vx6_cli_kind kind;
	enum vx6_cli_place place;
	enum vx6_cli_offer offer;
	const char *value; /* word for the value in help; NULL for a switch */
	const char *
		field; /* its name in the request; "route.hops" is a member of an object in a body */
	const char *literal; /* of a switch: JSON text */
	const char *
		clears; /* other fields that a patch sets to null along with it, separated by spaces */
	const char *words; /* the values it may have, when they are few; separated by spaces */
	const char *help;
};

/* How a field is shown to people. */
enum vx6_cli_show {
	VX6_SHOW_TEXT,
	VX6_SHOW_STATE, /* coloured */
	VX6_SHOW_BYTES,
	VX6_SHOW_MS,
	VX6_SHOW_PERCENT,
	VX6_SHOW_UPTIME,
	VX6_SHOW_ACCESS,
	VX6_SHOW_DESTINATION, /* the whole forward: by name, or service@address */
	VX6_SHOW_SUBJECT,
	VX6_SHOW_AGO,      /* a time, as how long ago */
	VX6_SHOW_HOUR,     /* a time of which only the hour is known */
	VX6_SHOW_LEFT,     /* a time, as how long from now */
	VX6_SHOW_ADDRESS,  /* an address with its transports, or a list of them */
	VX6_SHOW_CLAIMS,   /* the node ids of claims to a name */
	VX6_SHOW_ENTRIES,  /* the names of a catalog's entries */
	VX6_SHOW_REPLICAS, /* "8 of 8" */
	VX6_SHOW_ROUND,
	VX6_SHOW_SHARE, /* of 1, as a percentage */
	VX6_SHOW_ALARM, /* a flag that is bad when set */
	VX6_SHOW_FLAG,  /* a flag that is neither */
	VX6_SHOW_TENTHS,
	VX6_SHOW_ROUTE,  /* how a forward gets to its target; nothing when that is as usual */
	VX6_SHOW_COUNTS, /* the members of an object that are not 0 */
	VX6_SHOW_PATH,   /* the hops of a circuit, from here on */
	VX6_SHOW_NAMES,  /* of nodes, or the beginnings of their ids */
	VX6_SHOW_STEPS,  /* of an attempt, with their milliseconds */
};

struct vx6_cli_column {
	const char *title;
	const char *path; /* "status.bound|listen": the first that is there and not null */
	enum vx6_cli_show show;
	bool spare; /* left out when no row has anything in it */
};

struct vx6_cli_command {
	const char *group;       /* heading in the list of commands */
	const char *noun, *verb; /* verb NULL: the noun alone is the command */
	const char *
		ops; /* operationIds that it calls, separated by spaces; NULL: it works without an agent */
	const char *summary;
	const char *text; /* more, or NULL */
	const char *examples[5];
	const struct vx6_cli_arg *args;
	size_t args_n;
	const struct vx6_cli_column
		*columns; /* of a list: a row each; of one object: a line each */
	size_t columns_n;
	const char *one_of; /* exactly one of these options has to be given, separated by spaces */
	const char *done;   /* said when it worked, before the name: "Added service" */
	int (*run)(struct vx6_cli *cli,
		   const struct vx6_cli_parsed *p); /* NULL: `vx6 agent`, run by the program */
	bool hidden;
	bool raw_words; /* everything after the noun is positional, options too */
};

extern const struct vx6_cli_command vx6_cli_commands[];
extern const size_t vx6_cli_commands_n;
extern const struct vx6_cli_arg vx6_cli_globals[];
extern const size_t vx6_cli_globals_n;

/** @param verb NULL: the command that is the noun alone @return NULL: there is none */
const struct vx6_cli_command *vx6_cli_find(const char *noun, const char *verb);
bool vx6_cli_is_noun(const char *noun);
bool vx6_cli_has_verbs(const char *noun);
/** "ls" -> "list" and the like, where the noun has no such verb of its own; other words as they are. */
const char *vx6_cli_verb(const char *noun, const char *word);
/** What a noun with verbs means alone: `vx6 identity` is `vx6 identity show`. @return NULL: nothing */
const struct vx6_cli_command *vx6_cli_default(const char *noun);
/** Whether @p word is one of the space-separated @p words (NULL: none). */
bool vx6_cli_word_in(const char *words, const char *word, size_t n);

/* Bodies of the commands, by file. */
int vx6_cli_run_call(struct vx6_cli *cli,
		     const struct vx6_cli_parsed *p); /* call.c: one request, by the table */
int vx6_cli_run_list(struct vx6_cli *cli,
		     const struct vx6_cli_parsed *p); /* call.c: all pages of a list */
int vx6_cli_run_lookup(struct vx6_cli *cli, const struct vx6_cli_parsed *p);
int vx6_cli_run_op_watch(struct vx6_cli *cli, const struct vx6_cli_parsed *p);
int vx6_cli_run_petname(struct vx6_cli *cli, const struct vx6_cli_parsed *p);
int vx6_cli_run_catalog_show(struct vx6_cli *cli, const struct vx6_cli_parsed *p);
int vx6_cli_run_catalog_invite(struct vx6_cli *cli, const struct vx6_cli_parsed *p);
int vx6_cli_run_catalog_join(struct vx6_cli *cli, const struct vx6_cli_parsed *p);
int vx6_cli_run_catalog_delete(struct vx6_cli *cli, const struct vx6_cli_parsed *p);
int vx6_cli_run_circuit_show(struct vx6_cli *cli, const struct vx6_cli_parsed *p);
int vx6_cli_run_service_add(struct vx6_cli *cli, const struct vx6_cli_parsed *p);
int vx6_cli_run_forward_add(struct vx6_cli *cli, const struct vx6_cli_parsed *p);
int vx6_cli_run_hidden_status(struct vx6_cli *cli, const struct vx6_cli_parsed *p);
int vx6_cli_run_hidden_invite(struct vx6_cli *cli, const struct vx6_cli_parsed *p);
int vx6_cli_run_hidden_revoke(struct vx6_cli *cli, const struct vx6_cli_parsed *p);
int vx6_cli_run_hidden_find(struct vx6_cli *cli, const struct vx6_cli_parsed *p);
int vx6_cli_run_hidden_accept(struct vx6_cli *cli, const struct vx6_cli_parsed *p);
int vx6_cli_run_identity(struct vx6_cli *cli, const struct vx6_cli_parsed *p);
int vx6_cli_run_identity_export(struct vx6_cli *cli, const struct vx6_cli_parsed *p);
int vx6_cli_run_identity_import(struct vx6_cli *cli, const struct vx6_cli_parsed *p);
int vx6_cli_run_backup_create(struct vx6_cli *cli, const struct vx6_cli_parsed *p);
int vx6_cli_run_backup_show(struct vx6_cli *cli, const struct vx6_cli_parsed *p);
int vx6_cli_run_backup_restore(struct vx6_cli *cli, const struct vx6_cli_parsed *p);
int vx6_cli_run_config(struct vx6_cli *cli, const struct vx6_cli_parsed *p);
int vx6_cli_run_config_validate(struct vx6_cli *cli, const struct vx6_cli_parsed *p);
int vx6_cli_run_support(struct vx6_cli *cli, const struct vx6_cli_parsed *p);
int vx6_cli_run_init(struct vx6_cli *cli, const struct vx6_cli_parsed *p);
int vx6_cli_run_connect(struct vx6_cli *cli, const struct vx6_cli_parsed *p);
int vx6_cli_run_events(struct vx6_cli *cli, const struct vx6_cli_parsed *p);
int vx6_cli_run_logs(struct vx6_cli *cli, const struct vx6_cli_parsed *p);
int vx6_cli_run_log_level(struct vx6_cli *cli, const struct vx6_cli_parsed *p);
int vx6_cli_run_stats(struct vx6_cli *cli, const struct vx6_cli_parsed *p);
int vx6_cli_run_health(struct vx6_cli *cli, const struct vx6_cli_parsed *p);
int vx6_cli_run_doctor(struct vx6_cli *cli, const struct vx6_cli_parsed *p);
int vx6_cli_run_top(struct vx6_cli *cli, const struct vx6_cli_parsed *p);
int vx6_cli_run_version(struct vx6_cli *cli, const struct vx6_cli_parsed *p);
int vx6_cli_run_api(struct vx6_cli *cli, const struct vx6_cli_parsed *p);
int vx6_cli_run_completion(struct vx6_cli *cli, const struct vx6_cli_parsed *p);
int vx6_cli_run_complete(struct vx6_cli *cli, const struct vx6_cli_parsed *p);
int vx6_cli_run_help(struct vx6_cli *cli, const struct vx6_cli_parsed *p);

#endif
