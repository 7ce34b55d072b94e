/*
 * Dials that peers ask for, to learn whether others can reach them.
 *
 * Nobody may use us to knock at somebody else's door: the address is the primary one of the asker's signed record, and of the same prefix as
 * the address from which the asker's session comes. So a private address is dialled only for those who are inside already, and this host
 * only for those who are on it. Neighbours who come by a private address may name one of the network that is ours, too. We present no identity: the peer is to prove who it is, not to get another session with us.
 */
#include <string.h>

#include "base/clock.h"
#include "discovery/dht_link_internal.h"

enum { DIALBACK_MS = 4000 };

struct link_dialback {
	struct vx6_list node;
	struct link_dialbacks *d;
	struct vx6_dialing *dialing;
	struct vx6_timer deadline;
	void (*done)(void *user, vx6_err err);
	void *user;
};

void link_dialbacks_init(struct link_dialbacks *d, struct vx6_loop *loop, struct vx6_sessions *m)
{
	*d = (struct link_dialbacks){.loop = loop, .sessions = m};
	vx6_list_init(&d->running);
}

void link_dialbacks_fini(struct link_dialbacks *d)
{
	while (!vx6_list_is_empty(&d->running))
		link_dialback_cancel(VX6_CONTAINER_OF(d->running.next, struct link_dialback, node));
}

void link_dialbacks_own(struct link_dialbacks *d, const struct vx6_addr *own)
{
	d->has_own = own && !vx6_addr_is_private(own);
	if (d->has_own)
		vx6_addr_prefix(own, d->own_prefix);
}

static void dialback_free(struct link_dialback *b)
{
	vx6_timer_stop(&b->deadline);
	vx6_list_remove(&b->node);
	b->d->running_n--;
	free(b);
}

void link_dialback_cancel(struct link_dialback *b)
{
	vx6_dialing_cancel(b->dialing);
	dialback_free(b);
}

static void finish(struct link_dialback *b, vx6_err err)
{
	void (*done)(void *user, vx6_err err) = b->done;
	void *user = b->user;

	dialback_free(b);
	done(user, err);
}

static void on_dialed(void *user, vx6_err err, struct vx6_session *s, const char *detail)
{
	if (s)
		vx6_session_close(s, VX6_ERR(IDLE));
	finish(user, err);
}

static void on_deadline(struct vx6_timer *timer)
{
	struct link_dialback *b = timer->user;

	vx6_dialing_cancel(b->dialing);
	finish(b, VX6_ERR(TIMEOUT));
}

/* Hosts of one site see each other by private addresses, too: whoever asks from inside may be dialled in the network that is ours as well. */
static bool is_site_of(const struct link_dialbacks *d, const struct vx6_addr *remote,
		       const uint8_t prefix[16])
{
	return d->has_own && memcmp(d->own_prefix, prefix, sizeof d->own_prefix) == 0 &&
	       vx6_addr_is_private(remote) && !vx6_addr_is_loopback(remote);
}

static bool may_dial(const struct link_dialbacks *d, const struct link_session *ds,
		     struct vx6_addr *at)
{
	struct vx6_addr remote;
	uint8_t near[16], prefix[16];

	if (!ds->peer || !ds->peer->has_contact)
		return false;
	vx6_dht_contact_addr(&ds->peer->contact, at);
	link_session_remote(ds, &remote, near);
	vx6_addr_prefix(at, prefix);
	if (is_site_of(d, &remote, prefix))
		return true;
	return memcmp(near, prefix, sizeof prefix) == 0 && !vx6_addr_is_link_local(at) &&
	       vx6_addr_is_private(at) == vx6_addr_is_private(&remote) &&
	       vx6_addr_is_loopback(at) == vx6_addr_is_loopback(&remote);
}

/* @return false: this peer had its turn, or its network had, or there were too many of late */
static bool take_turn(struct link_dialbacks *d, const struct vx6_node_id *node,
		      const struct vx6_addr *addr)
{
	uint64_t now = vx6_loop_now_ms(d->loop);
	size_t at = DHT_DIALBACKS_RECENT, same = 0;
	uint8_t prefix[16];

	vx6_addr_prefix(addr, prefix);
	for (size_t i = 0; i < DHT_DIALBACKS_RECENT; i++) {
		bool is_over = d->recent[i].at_ms == 0 ||
			       now - d->recent[i].at_ms >= DHT_DIALBACK_PAUSE_MS;

		if (is_over) {
			at = i;
			continue;
		}
		if (vx6_node_id_eq(&d->recent[i].node, node))
			return false;
		same += memcmp(d->recent[i].prefix, prefix, sizeof prefix) == 0;
	}
	if (at == DHT_DIALBACKS_RECENT || same >= DHT_DIALBACKS_PREFIX ||
	    d->running_n >= DHT_DIALBACKS_MAX)
		return false;
	d->recent[at].at_ms = VX6_MAX(now, 1u);
	d->recent[at].node = *node;
	memcpy(d->recent[at].prefix, prefix, sizeof prefix);
	return true;
}

vx6_err link_dialback_begin(struct link_dialbacks *d, const struct link_session *ds,
			    void (*done)(void *user, vx6_err err), void *user,
			    struct link_dialback **out)
{
	struct vx6_dial_request req = {.addrs_n = 1, .expect_node = true, .anonymous = true};
	struct link_dialback *b;

	if (!may_dial(d, ds, &req.addrs[0]))
		return VX6_ERR(REFUSED);
	if (!take_turn(d, &ds->peer->node, &req.addrs[0]))
		return VX6_ERR(FULL);
	req.node = ds->peer->node;
	req.via[0] = ds->peer->contact.via & (VX6_DIAL_QUIC | VX6_DIAL_TCP);
	b = vx6_zalloc(sizeof *b);
	b->d = d;
	b->done = done;
	b->user = user;
	b->dialing = vx6_sessions_dial(d->sessions, &req, on_dialed, b);
	if (!b->dialing) {
		free(b);
		return VX6_ERR(REFUSED);
	}
	vx6_timer_init(d->loop, &b->deadline, on_deadline, b);
	vx6_timer_in_ms(&b->deadline, DIALBACK_MS);
	vx6_list_push(&d->running, &b->node);
	d->running_n++;
	*out = b;
	return VX6_OK;
}
