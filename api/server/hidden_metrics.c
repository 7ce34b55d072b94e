/* Numbers of hidden services for Prometheus. The label is the service's id: neither its alias nor its key, which say more than a curve needs. */
#include <string.h>

#include "api/server/server_internal.h"
#include "base/util.h"

/* One number of each. @param of reads it from a row */
static void put_each(FILE *f, const struct vx6_snapshot *s, const char *name, enum api_metric kind,
		     const char *help, uint64_t (*of)(const struct vx6_hidden_row *row))
{
	api_metric_head(f, name, kind, help);
	for (size_t i = 0; i < s->services_n; i++)
		if (s->services[i].hidden && s->services[i].hidden->has_key)
			fprintf(f, "%s{service=\"%s\"} %llu\n", name, s->services[i].meta.id,
				(unsigned long long)of(s->services[i].hidden));
}

static uint64_t ready(const struct vx6_hidden_row *row)
{
	return row->info.state == VX6_HOST_IS_READY;
}

static uint64_t introductions(const struct vx6_hidden_row *row)
{
	return row->info.introductions;
}

static uint64_t accepted(const struct vx6_hidden_row *row)
{
	return row->info.accepted;
}

static uint64_t met(const struct vx6_hidden_row *row)
{
	return row->info.rendezvous_up;
}

static uint64_t unmet(const struct vx6_hidden_row *row)
{
	return row->info.rendezvous_failed;
}

static uint64_t sessions(const struct vx6_hidden_row *row)
{
	return row->info.sessions;
}

static uint64_t effort(const struct vx6_hidden_row *row)
{
	return row->info.effort;
}

static uint64_t queue(const struct vx6_hidden_row *row)
{
	return row->info.queue;
}

static uint64_t clients(const struct vx6_hidden_row *row)
{
	return row->info.clients;
}

static uint64_t wanted(const struct vx6_hidden_row *row)
{
	return row->wanted;
}

static uint64_t proved(const struct vx6_hidden_row *row)
{
	return row->proved;
}

static void put_refused(FILE *f, const struct vx6_snapshot *s)
{
	static const char name[] = "vx6_hidden_refused_total";

	api_metric_head(f, name, API_COUNTER, "Introductions that were not followed.");
	for (size_t i = 0; i < s->services_n; i++) {
		const struct vx6_hidden_row *row = s->services[i].hidden;

		for (int k = VX6_HOST_REFUSED_NONE + 1; row && k < VX6_HOST_REFUSALS; k++)
			fprintf(f, "%s{service=\"%s\",reason=\"%s\"} %llu\n", name,
				s->services[i].meta.id,
				vx6_host_refusal_name((enum vx6_host_refusal)k),
				(unsigned long long)row->info.refused[k]);
	}
}

static void put_points(FILE *f, const struct vx6_snapshot *s)
{
	static const char name[] = "vx6_hidden_introduction_points";

	api_metric_head(f, name, API_GAUGE, "Introduction points by their state.");
	for (size_t i = 0; i < s->services_n; i++) {
		const struct vx6_hidden_row *row = s->services[i].hidden;
		unsigned n[VX6_HOST_INTRO_RETIRING + 1] = {0};

		for (size_t k = 0; row && k < row->info.intros_n; k++)
			n[row->info.intro[k].state]++;
		for (size_t k = 0; row && k < VX6_ARRAY_N(n); k++)
			fprintf(f, "%s{service=\"%s\",state=\"%s\"} %u\n", name,
				s->services[i].meta.id,
				vx6_host_intro_state_text((enum vx6_host_intro_state)k), n[k]);
	}
}

void api_metrics_hidden(FILE *f, const struct vx6_snapshot *s)
{
	put_each(f, s, "vx6_hidden_ready", API_GAUGE,
		 "1: this node has reached its hidden service through the network.", ready);
	put_points(f, s);
	put_each(f, s, "vx6_hidden_introductions_total", API_COUNTER,
		 "Introductions that could be opened.", introductions);
	put_each(f, s, "vx6_hidden_accepted_total", API_COUNTER,
		 "Introductions that were followed.", accepted);
	put_refused(f, s);
	put_each(f, s, "vx6_hidden_rendezvous_total", API_COUNTER, "Rendezvous that came about.",
		 met);
	put_each(f, s, "vx6_hidden_rendezvous_failed_total", API_COUNTER, "Those that did not.",
		 unmet);
	put_each(f, s, "vx6_hidden_sessions", API_GAUGE, "Clients that are there.", sessions);
	put_each(f, s, "vx6_hidden_clients", API_GAUGE, "Clients that may come in.", clients);
	put_each(f, s, "vx6_hidden_effort", API_GAUGE,
		 "Proof of work that clients are asked for; 0: none.", effort);
	put_each(f, s, "vx6_hidden_queue", API_GAUGE, "Introductions that wait.", queue);
	put_each(f, s, "vx6_hidden_descriptor_wanted", API_GAUGE,
		 "Nodes that are to hold the descriptor.", wanted);
	put_each(f, s, "vx6_hidden_descriptor_proved", API_GAUGE,
		 "Nodes that gave it back when they were asked.", proved);
}
