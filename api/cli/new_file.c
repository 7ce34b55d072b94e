#include "api/cli/new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/cli/problem.h"

static int write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t k = write(fd, p, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return k < 0 ? errno : EIO;
		p += k;
		n -= (size_t)k;
	}
	return fsync(fd) == 0 ? 0 : errno;
}

int vx6_cli_new_file(const struct vx6_cli *cli, const char *path, const void *bytes, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
	int err = fd < 0 ? errno : write_all(fd, bytes, n);

	if (fd >= 0)
		close(fd);
	if (err == 0)
		return VX6_EXIT_OK;
	if (fd >= 0)
		unlink(path);
	return vx6_cli_fail(cli, err == EEXIST ? VX6_EXIT_CONFLICT : VX6_EXIT_FAILURE,
			    err == EEXIST ? "exists" : "unwritable", NULL, "cannot write %s: %s",
			    path, strerror(err));
}
