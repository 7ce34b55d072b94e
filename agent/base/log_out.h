/**
 * @file log_out.h
 * How log lines leave the process: text, logfmt or JSON on standard error, or entries of the systemd journal.
 *
 * Spec:    docs/reference/logs.md
 * Layer:   base
 * Trust:   the text of a record is clean (log.h), yet every form escapes what has a meaning in it
 * Threads: vx6_log_out_choose() before other threads log; the rest any thread
 */
#ifndef VX6_BASE_LOG_OUT_H
#define VX6_BASE_LOG_OUT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/log.h"

enum vx6_log_format {
	VX6_LOG_AS_TEXT,   /* 2026-01-31T12:00:00.123Z info session: message */
	VX6_LOG_AS_LOGFMT, /* time=2026-01-31T12:00:00.123Z level=info layer=session msg="message" */
	VX6_LOG_AS_JSON,   /* {"time":"…","level":"info","layer":"session","msg":"message"} */
	VX6_LOG_AS_JOURNALD, /* MESSAGE, PRIORITY, SYSLOG_IDENTIFIER, VX6_LAYER, VX6_LEVEL */
};

enum {
	VX6_LOG_LINE = 2 * VX6_LOG_TEXT + 256, /* bytes that a record takes at most, in any form */
};

#define VX6_LOG_JOURNAL "/run/systemd/journal/socket"

/** "text", "logfmt", "json", "journald". @return false: no such form, @p out untouched */
bool vx6_log_format_parse(const char *text, enum vx6_log_format *out);

/**
 * What lines are written as from now on; text at start.
 * @param journal  socket of the journal, for JOURNALD; borrowed for the call
 * @return VX6_OK | NOT_FOUND, REFUSED, … (nothing listens at @p journal; nothing has changed) | LIMIT (its path is too long)
 */
VX6_RES vx6_log_out_choose(enum vx6_log_format format, const char *journal);

/** Writes one record. @param addresses whether addresses are shown */
void vx6_log_out(const struct vx6_log_record *record, bool addresses);

/** A record in one of the forms, with the end of its line. @param text clean, without marks @return bytes written */
size_t vx6_log_encode(enum vx6_log_format format, const struct vx6_log_record *record,
		      const char *text, char out[static VX6_LOG_LINE]);

#endif
