/*
 * The mail outlives the server while answers of the agent are still on their way: each of them holds a reference.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "api/server/server_internal.h"
#include "base/util.h"

struct event_letter {
	struct api_letter letter; /* first */
	struct vx6_event event;   /* owns its data */
};

struct api_mail *api_mail_new(int event_fd)
{
	struct api_mail *mail = vx6_zalloc(sizeof *mail);

	pthread_mutex_init(&mail->lock, NULL);
	vx6_list_init(&mail->letters);
	mail->event_fd = event_fd;
	mail->refs = 1;
	return mail;
}

struct api_mail *api_mail_ref(struct api_mail *mail)
{
	pthread_mutex_lock(&mail->lock);
	mail->refs++;
	pthread_mutex_unlock(&mail->lock);
	return mail;
}

void api_mail_unref(struct api_mail *mail)
{
	unsigned left;

	pthread_mutex_lock(&mail->lock);
	left = --mail->refs;
	pthread_mutex_unlock(&mail->lock);
	if (left > 0)
		return;
	close(mail->event_fd);
	pthread_mutex_destroy(&mail->lock);
	free(mail);
}

void api_mail_send(struct api_mail *mail, struct api_letter *letter)
{
	bool closed;

	pthread_mutex_lock(&mail->lock);
	closed = mail->closed;
	if (!closed) {
		vx6_list_push(&mail->letters, &letter->node);
		eventfd_write(mail->event_fd, 1);
	}
	pthread_mutex_unlock(&mail->lock);
	if (closed)
		letter->deliver(NULL, letter);
}

/* What is there now, or at close all that ever comes. */
static void take_all(struct api_mail *mail, struct vx6_list *into, bool close_it, bool *lost)
{
	vx6_list_init(into);
	pthread_mutex_lock(&mail->lock);
	vx6_list_splice(into, &mail->letters);
	mail->events_n = 0;
	*lost = mail->events_lost;
	mail->events_lost = false;
	mail->closed = mail->closed || close_it;
	pthread_mutex_unlock(&mail->lock);
}

static void deliver_all(struct vx6_list *letters, struct vx6_api_server *server)
{
	struct vx6_list *node;

	while ((node = vx6_list_pop(letters)) != NULL) {
		struct api_letter *letter = VX6_CONTAINER_OF(node, struct api_letter, node);

		letter->deliver(server, letter);
	}
}

void api_mail_run(struct api_mail *mail, struct vx6_api_server *server)
{
	struct vx6_list letters;
	eventfd_t count;
	bool lost;

	eventfd_read(mail->event_fd, &count);
	take_all(mail, &letters, false, &lost);
	deliver_all(&letters, server);
	if (lost)
		api_events_lost(server);
}

void api_mail_close(struct api_mail *mail)
{
	struct vx6_list letters;
	bool lost;

	take_all(mail, &letters, true, &lost);
	deliver_all(&letters, NULL);
}

static void event_deliver(struct vx6_api_server *server, struct api_letter *letter)
{
	struct event_letter *e = (struct event_letter *)letter;

	if (server)
		api_events_add(server, &e->event);
	free(e->event.data);
	free(e);
}

void api_mail_event(const struct vx6_event *event, void *user)
{
	struct api_mail *mail = user;
	struct event_letter *e;
	bool full;

	pthread_mutex_lock(&mail->lock);
	full = mail->closed || mail->events_n >= API_MAIL_EVENTS;
	if (full)
		mail->events_lost = true;
	else
		mail->events_n++;
	pthread_mutex_unlock(&mail->lock);
	if (full)
		return;
	e = vx6_zalloc(sizeof *e);
	e->letter.deliver = event_deliver;
	e->event = *event;
	e->event.data = vx6_strdup(event->data ? event->data : "{}");
	api_mail_send(mail, &e->letter);
}
