/**
 * @file facade_hidden.h
 * What the API asks of hidden services: those hosted here with their clients, those that this node visits, and how visits went. Plain values.
 *
 * Layer:   node
 * Threads: pure, any thread
 */
#ifndef VX6_NODE_FACADE_HIDDEN_H
#define VX6_NODE_FACADE_HIDDEN_H

#include "base/err.h"
#include "discovery/names.h"
#include "hidden/guests.h"
#include "hidden/host.h"
#include "identity/hidden_key.h"
#include "identity/node_id.h"
#include "record/hs_desc.h"
#include "state/resource.h"
#include "wire/label.h"

enum {
	VX6_HIDDEN_GUARDS = 4,
	VX6_HIDDEN_RENDS = 32,       /* rendezvous that a row shows */
	VX6_HIDDEN_FEW_RELAYS = 30,  /* with fewer there is a warning */
	VX6_HIDDEN_LEAST_RELAYS = 3, /* with fewer a service is made by force only */
	VX6_HIDDEN_RIVALS = 16,      /* other services that claim an alias of ours */
};

/** A relay that a hidden service depends on. */
struct vx6_hidden_relay {
	struct vx6_node_id node;
	char name[VX6_LABEL_TEXT]; /* may be empty */
};

/** Another service that claims the alias of one of ours. */
struct vx6_hidden_rival {
	struct vx6_node_id key;
	uint64_t heard_ms; /* wall clock, the last time */
};

enum vx6_hidden_claim_state {
	VX6_HIDDEN_CLAIM_WAITING, /* the service is not hosted now, or there is no DHT */
	VX6_HIDDEN_CLAIM_WORKING,
	VX6_HIDDEN_CLAIM_PUBLISHING,
	VX6_HIDDEN_CLAIM_PUBLISHED, /* holders gave it back */
};

/** Of a service: its claim to its alias. */
struct vx6_hidden_claim_row {
	bool wanted; /* else there is none, and nothing below counts */
	enum vx6_hidden_claim_state state;
	uint32_t holders_wanted, stored, proved;
	uint64_t proved_ms; /* wall clock */
	size_t rivals_n;
	struct vx6_hidden_rival rival[VX6_HIDDEN_RIVALS];
};

/** A hidden service that is hosted here. */
struct vx6_hidden_row {
	char id[VX6_RESOURCE_ID_MAX]; /* svc_… */
	char name[VX6_LABEL_TEXT];
	bool enabled;
	bool beside_roles;   /* the node is a public relay, or serves the DHT, besides */
	bool given_up_roles; /* it was a public relay until it began to host, in this life */
	bool has_key;        /* its key file is there: `info` counts */
	vx6_err err;         /* what keeps it from being hosted */
	size_t relays;
	struct vx6_host_info info;
	char intro_name[VX6_HOST_INTROS_MAX][VX6_LABEL_TEXT];
	size_t guards_n, vanguards_n;
	struct vx6_hidden_relay
		guard[VX6_HIDDEN_GUARDS]; /* that circuits to introduction points begin with */
	struct vx6_hidden_relay vanguard[VX6_HIDDEN_GUARDS];
	size_t rends_n;
	struct vx6_host_rend_info rend[VX6_HIDDEN_RENDS]; /* the latest first */
	char rend_name[VX6_HIDDEN_RENDS][VX6_LABEL_TEXT];
	/* of the present descriptor, both keys together */
	uint32_t wanted, stored, proved;
	uint64_t next_publish_ms; /* wall clock; 0: none is planned */
	struct vx6_hidden_claim_row claim;
};

/** A client of one of them, or an invite. */
struct vx6_hidden_client_row {
	char id[VX6_RESOURCE_ID_MAX]; /* hcl_…, inv_… */
	char service[VX6_RESOURCE_ID_MAX];
	char alias[VX6_LABEL_TEXT];
	struct vx6_host_client client;
};

/** A service that this node may visit. */
struct vx6_hidden_alias_row {
	char alias[VX6_LABEL_TEXT];
	struct vx6_node_id service;
	bool strict, fast, enrolled, has_invite;
	uint64_t created_ms;
	uint64_t invite_expires_s; /* 0: never */
	bool known;                /* `show` counts */
	struct vx6_guest_show show;
};

/** Who claims an alias. */
struct vx6_hidden_found_row {
	char alias[VX6_LABEL_TEXT];
	struct vx6_claims claims; /* `node` is a service's key */
	struct vx6_claims_asked asked;
	bool is_known; /* it is an alias of this node's already: */
	struct vx6_node_id known;
	enum vx6_verdict verdict;
	struct vx6_node_id chosen; /* as vx6_claims_judge() has it */
	uint32_t queries, ms;
};

/** How a visit began. */
struct vx6_hidden_attempt_row {
	char alias[VX6_LABEL_TEXT]; /* empty: it has none here */
	struct vx6_guest_attempt attempt;
};

/** What a command about hidden services carries. */
struct vx6_hidden_ask {
	char name
		[VX6_LABEL_TEXT]; /* INVITE: the owner's word for it; ALIAS_ADD: the alias, empty: as the invite says; ALIAS_FIND: the alias */
	uint64_t expires_s;       /* INVITE; 0: never */
	uint32_t uses;            /* INVITE; 0: any number */
	bool new_key;             /* ROTATE: the service's own, not only the introduction points' */
	char invite[VX6_HIDDEN_INVITE_TEXT]; /* ALIAS_ADD; secret */
	bool has_strict, strict, has_fast, fast;
};

#endif
