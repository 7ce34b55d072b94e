#include "api/cli/state_dir.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"

bool vx6_state_dir_default(char *out, size_t cap)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	int n;

	if (geteuid() == 0)
		n = snprintf(out, cap, "/var/lib/vx6");
	else if (state && *state == '/')
		n = snprintf(out, cap, "%s/vx6", state);
	else if (home && *home == '/')
		n = snprintf(out, cap, "%s/.local/state/vx6", home);
	else
		return false;
	return n > 0 && (size_t)n < cap;
}

int vx6_state_dir_make(const char *path)
{
	char *copy = vx6_strdup(path);
	struct stat st;
	int err = 0;

	for (char *p = copy + 1; *copy && *p && !err; p++) {
		if (*p != '/')
			continue;
		*p = 0;
		err = mkdir(copy, S_IRWXU) < 0 && errno != EEXIST ? errno : 0;
		*p = '/';
	}
	if (!err && mkdir(copy, S_IRWXU) < 0)
		err = errno;
	if (err == EEXIST)
		err = stat(copy, &st) < 0 ? errno : S_ISDIR(st.st_mode) ? 0 : ENOTDIR;
	free(copy);
	return err;
}
