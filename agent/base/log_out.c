#include "base/log_out.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/util.h"

static _Atomic int current_format = VX6_LOG_AS_TEXT;
static _Atomic int journal_fd = -1; /* connected; stays open for the life of the process */

bool vx6_log_format_parse(const char *text, enum vx6_log_format *out)
{
	static const char *const names[] = {[VX6_LOG_AS_TEXT] = "text",
					    [VX6_LOG_AS_LOGFMT] = "logfmt",
					    [VX6_LOG_AS_JSON] = "json",
					    [VX6_LOG_AS_JOURNALD] = "journald"};

	for (size_t i = 0; i < VX6_ARRAY_N(names); i++) {
		if (strcmp(names[i], text) == 0) {
			*out = (enum vx6_log_format)i;
			return true;
		}
	}
	return false;
}

/* ---- forms ---- */

struct put {
	char *out; /* VX6_LOG_LINE bytes */
	size_t n;
};

static void put(struct put *p, const char *bytes, size_t n)
{
	n = VX6_MIN(n, VX6_LOG_LINE - p->n);
	memcpy(p->out + p->n, bytes, n);
	p->n += n;
}

static void put_text(struct put *p, const char *text)
{
	put(p, text, strlen(text));
}

/* In quotation marks. What JSON and logfmt escape is the same here: marks and backslashes, for control characters are gone. */
static void put_quoted(struct put *p, const char *text)
{
	put(p, "\"", 1);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			put(p, "\\", 1);
		put(p, text, 1);
	}
	put(p, "\"", 1);
}

/* A field of the journal; one with a line break in it would need a length, and is cut there instead. */
static void put_field(struct put *p, const char *name, const char *value)
{
	put_text(p, name);
	put(p, "=", 1);
	put(p, value, strcspn(value, "\n"));
	put(p, "\n", 1);
}

static void put_journal(struct put *p, const struct vx6_log_record *r, const char *text)
{
	static const char *const priorities[] = {[VX6_LOG_ERROR] = "3",
						 [VX6_LOG_WARN] = "4",
						 [VX6_LOG_INFO] = "6",
						 [VX6_LOG_DEBUG] = "7",
						 [VX6_LOG_TRACE] = "7"};

	put_field(p, "MESSAGE", text);
	put_field(p, "PRIORITY", priorities[r->level]);
	put_field(p, "SYSLOG_IDENTIFIER", "vx6");
	put_field(p, "VX6_LAYER", r->layer);
	put_field(p, "VX6_LEVEL", vx6_log_level_name(r->level));
}

size_t vx6_log_encode(enum vx6_log_format format, const struct vx6_log_record *record,
		      const char *text, char out[static VX6_LOG_LINE])
{
	const char *level = vx6_log_level_name(record->level);
	char when[VX6_TIME_TEXT], head[128];
	struct put p = {.out = out};

	vx6_time_format(record->wall_ms, when);
	switch (format) {
	case VX6_LOG_AS_TEXT:
		snprintf(head, sizeof head, "%s %s %s: ", when, level, record->layer);
		put_text(&p, head);
		put_text(&p, text);
		break;
	case VX6_LOG_AS_LOGFMT:
		snprintf(head, sizeof head, "time=%s level=%s layer=%s msg=", when, level,
			 record->layer);
		put_text(&p, head);
		put_quoted(&p, text);
		break;
	case VX6_LOG_AS_JSON:
		snprintf(head, sizeof head,
			 "{\"time\":\"%s\",\"level\":\"%s\",\"layer\":\"%s\",\"msg\":", when, level,
			 record->layer);
		put_text(&p, head);
		put_quoted(&p, text);
		put(&p, "}", 1);
		break;
	case VX6_LOG_AS_JOURNALD:
		put_journal(&p, record, text);
		return p.n;
	}
	put(&p, "\n", 1);
	return p.n;
}

/* ---- out ---- */

static vx6_err journal_open(const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd;

	if (vx6_strlcpy(to.sun_path, path, sizeof to.sun_path) >= sizeof to.sun_path)
		return VX6_ERR(LIMIT);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return vx6_err_from_errno(errno);
	if (connect(fd, (const struct sockaddr *)(const void *)&to, sizeof to) < 0) {
		vx6_err err = vx6_err_from_errno(errno);

		close(fd);
		return err;
	}
	fd = atomic_exchange(&journal_fd, fd);
	if (fd >= 0)
		close(fd);
	return VX6_OK;
}

vx6_err vx6_log_out_choose(enum vx6_log_format format, const char *journal)
{
	if (format == VX6_LOG_AS_JOURNALD)
		VX6_TRY(journal_open(journal));
	atomic_store(&current_format, (int)format);
	return VX6_OK;
}

void vx6_log_out(const struct vx6_log_record *record, bool addresses)
{
	enum vx6_log_format format = (enum vx6_log_format)atomic_load(&current_format);
	char text[VX6_LOG_TEXT], line[VX6_LOG_LINE];
	size_t n;

	vx6_log_show(record->text, addresses, text);
	n = vx6_log_encode(format, record, text, line);
	if (format == VX6_LOG_AS_JOURNALD) {
		if (send(atomic_load(&journal_fd), line, n, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
			return;
		/* a journal that is full or gone for a moment must not swallow what happened */
		n = vx6_log_encode(VX6_LOG_AS_TEXT, record, text, line);
	}
	/* a log that cannot be written is no reason to stop */
	if (write(STDERR_FILENO, line, n) < 0)
		return;
}
