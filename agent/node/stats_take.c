/* A look at the node: what its parts count already, and what the kernel says of the process. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "node/circuits_internal.h"
#include "node/node_internal.h"
#include "node/stats_internal.h"

static void add_session(struct vx6_session *s, void *user)
{
	struct vx6_stats_sample *sample = user;
	struct vx6_link_info info;

	vx6_session_info(s, &info);
	sample->value[VX6_STAT_SESSIONS]++;
	sample->value[VX6_STAT_RX] += info.rx_bytes;
	sample->value[VX6_STAT_TX] += info.tx_bytes;
}

static bool add_circuit(void *user, const struct vx6_circuit_show *c)
{
	struct vx6_stats_sample *sample = user;

	sample->value[VX6_STAT_CIRCUITS] += c->is_open && !c->is_closed;
	return true;
}

static uint64_t resident_bytes(int statm_fd)
{
	char text[128];
	ssize_t n = pread(statm_fd, text, sizeof text - 1, 0);
	char *second;

	if (n <= 0)
		return 0;
	text[n] = 0;
	strtoull(text, &second, 10);
	return strtoull(second, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t cpu_ms(void)
{
	struct rusage use;

	if (getrusage(RUSAGE_SELF, &use) < 0)
		return 0;
	return (uint64_t)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000 +
	       (uint64_t)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1000;
}

static void take(struct vx6_node *node)
{
	struct vx6_stats_sample sample = {.wall_s = vx6_wall_s()};
	struct vx6_relay_stats relay = {0};

	sample.value[VX6_STAT_RX] = node->ended_rx_bytes;
	sample.value[VX6_STAT_TX] = node->ended_tx_bytes;
	vx6_sessions_each(node->sessions, add_session, &sample);
	vx6_circuits_each(node->circuits, add_circuit, &sample);
	if (node->relay)
		vx6_relay_stats(node->relay, &relay);
	sample.value[VX6_STAT_STREAMS] = vx6_sessions_streams(node->sessions);
	sample.value[VX6_STAT_RELAY_CIRCUITS] = relay.circuits;
	sample.value[VX6_STAT_RELAYED] = (relay.cells_forward + relay.cells_back) * VX6_CELL_BYTES;
	sample.value[VX6_STAT_REQUESTS] =
		atomic_load_explicit(&node->api_requests, memory_order_relaxed);
	sample.value[VX6_STAT_RSS] = resident_bytes(node->statm_fd);
	sample.value[VX6_STAT_CPU] = cpu_ms();
	stats_add(node->stats, &sample);
}

static void on_timer(struct vx6_timer *timer)
{
	take(timer->user);
	vx6_timer_in_ms(timer, VX6_STATS_STEP_S * 1000);
}

void stats_start(struct vx6_node *node)
{
	node->stats = stats_new();
	node->statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	vx6_timer_init(node->loop, &node->stats_timer, on_timer, node);
	vx6_timer_in_ms(&node->stats_timer, 0);
}

void stats_stop(struct vx6_node *node)
{
	if (!node->stats)
		return;
	vx6_timer_stop(&node->stats_timer);
	if (node->statm_fd >= 0)
		close(node->statm_fd);
	stats_free(node->stats);
}

void stats_session_down(struct vx6_node *node, const struct vx6_session *s)
{
	struct vx6_link_info info;

	if (vx6_session_is_circuit(s))
		return;
	vx6_session_info(s, &info);
	node->ended_rx_bytes += info.rx_bytes;
	node->ended_tx_bytes += info.tx_bytes;
}

/* ---- for the API ---- */

bool vx6_stats_now(struct vx6_node *node, struct vx6_stats_sample *newest, size_t *n)
{
	return stats_newest(node->stats, newest, n);
}

void vx6_stats_read(struct vx6_node *node, enum vx6_stat which, uint64_t from_s, uint32_t step_s,
		    double *out, size_t n)
{
	stats_steps(node->stats, which, from_s, step_s, out, n);
}

void vx6_stats_request(struct vx6_node *node)
{
	atomic_fetch_add_explicit(&node->api_requests, 1, memory_order_relaxed);
}
