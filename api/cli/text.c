#include "api/cli/text.h"

#include <locale.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "base/util.h"

#define REPLACEMENT "\xef\xbf\xbd"

void vx6_cli_text_init(void)
{
	/* for wcwidth() only; numbers keep their dot */
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		setlocale(LC_CTYPE, "");
}

static bool steers_terminal(wchar_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
}

/* One character. @return its bytes; *width is what it takes, -1: it has to be replaced */
static size_t next(const char *s, int *width)
{
	mbstate_t state = {0};
	wchar_t c;
	size_t n = mbrtowc(&c, s, strlen(s), &state);

	if (n == 0 || n > 8) {
		*width = -1;
		return 1;
	}
	*width = steers_terminal(c) ? -1 : wcwidth(c);
	return n;
}

void vx6_cli_clean(FILE *to, const char *s)
{
	while (*s) {
		int width;
		size_t n = next(s, &width);

		if (width < 0)
			fputs(REPLACEMENT, to);
		else
			fwrite(s, 1, n, to);
		s += n;
	}
}

size_t vx6_cli_width(const char *s)
{
	size_t total = 0;

	while (*s) {
		int width;

		s += next(s, &width);
		total += width < 0 ? 1 : (size_t)width;
	}
	return total;
}

char *vx6_cli_bytes(double n, char out[static VX6_CLI_HUMAN])
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
	size_t i = 0;

	while (n >= 999.5 && i + 1 < VX6_ARRAY_N(units)) {
		n /= 1000;
		i++;
	}
	snprintf(out, VX6_CLI_HUMAN, i == 0 || n >= 99.95 ? "%.0f %s" : "%.1f %s", n, units[i]);
	return out;
}

char *vx6_cli_ms(double ms, char out[static VX6_CLI_HUMAN])
{
	if (ms < 10)
		snprintf(out, VX6_CLI_HUMAN, "%.2f ms", ms);
	else if (ms < 1000)
		snprintf(out, VX6_CLI_HUMAN, "%.0f ms", ms);
	else
		snprintf(out, VX6_CLI_HUMAN, "%.1f s", ms / 1000);
	return out;
}

char *vx6_cli_span(double ms, char out[static VX6_CLI_HUMAN])
{
	uint64_t s = ms > 0 && ms < 1e15 ? (uint64_t)(ms / 1000) : 0;
	unsigned days = (unsigned)(s / 86400), hours = (unsigned)(s / 3600 % 24),
		 minutes = (unsigned)(s / 60 % 60);

	if (days)
		snprintf(out, VX6_CLI_HUMAN, "%ud %uh", days, hours);
	else if (hours)
		snprintf(out, VX6_CLI_HUMAN, "%uh %um", hours, minutes);
	else if (minutes)
		snprintf(out, VX6_CLI_HUMAN, "%um %us", minutes, (unsigned)(s % 60));
	else
		snprintf(out, VX6_CLI_HUMAN, "%us", (unsigned)s);
	return out;
}

char *vx6_cli_percent(const char *s)
{
	static const char plain[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:,*";
	char *out = vx6_zalloc(strlen(s) * 3 + 1), *p = out;

	for (; *s; s++) {
		if (strchr(plain, *s))
			*p++ = *s;
		else
			p += snprintf(p, 4, "%%%02X", (unsigned char)*s);
	}
	return out;
}
