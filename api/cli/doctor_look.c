/* What `vx6 doctor` sees of the machine: files, limits, addresses, sockets, the rules of the firewall. */
#include <arpa/nameser.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/cli/doctor.h"
#include "api/cli/output.h"
#include "base/clock.h"
#include "base/util.h"

enum { TEXT_MAX = 4 << 20 };

/* To the end, or as much as is wanted. @return owned */
static char *read_all(int fd)
{
	size_t n = 0, cap = 64 * 1024;
	char *text = vx6_realloc_array(NULL, cap, 1);
	ssize_t got = 0;

	while (n < TEXT_MAX && (got = read(fd, text + n, cap - n - 1)) > 0) {
		n += (size_t)got;
		if (n + 1 < cap)
			continue;
		cap *= 2;
		text = vx6_realloc_array(text, cap, 1);
	}
	text[n] = 0;
	return text;
}

/* @return owned; NULL: it cannot be read */
static char *read_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text = fd < 0 ? NULL : read_all(fd);

	if (fd >= 0)
		close(fd);
	return text;
}

static _Noreturn void become(const char *program, const char *const *args, int out)
{
	int none = open("/dev/null", O_RDWR);

	dup2(none, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(none, STDERR_FILENO);
	execlp(program, program, args[0], args[1], args[2], (char *)NULL);
	_exit(127);
}

/* What a program prints. @param args as many as there are, then NULL @return owned; NULL: it is not there, or failed */
static char *output_of(const char *program, const char *const args[static 3])
{
	int ends[2], status = -1;
	char *text = NULL;
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return NULL;
	child = fork();
	if (child == 0)
		become(program, args, ends[1]);
	close(ends[1]);
	if (child > 0)
		text = read_all(ends[0]);
	close(ends[0]);
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		VX6_FREE(text);
	return text;
}

/* ---- files ---- */

static struct vx6_doctor_file look_at(const char *dir, const char *name)
{
	char path[VX6_DOCTOR_PATH + 16];
	struct stat st;

	snprintf(path, sizeof path, "%s%s", dir, name);
	if (stat(path, &st) != 0)
		return (struct vx6_doctor_file){.err = errno};
	return (struct vx6_doctor_file){.mode = st.st_mode & 07777};
}

static void look_at_state(struct vx6_facts *f)
{
	struct statvfs fs;

	f->state = look_at(f->state_dir, "");
	f->identity = look_at(f->state_dir, "/identity");
	f->token = look_at(f->state_dir, "/admin.token");
	f->disk_free_bytes = UINT64_MAX;
	if (*f->state_dir && statvfs(f->state_dir, &fs) == 0)
		f->disk_free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
}

/* ---- limits ---- */

uint64_t vx6_doctor_files(const char *limits)
{
	static const char name[] = "Max open files";
	const char *line = strstr(limits, name);

	return line ? strtoull(line + sizeof name - 1, NULL, 10) : 0;
}

/* Of the agent where it can be seen; else of this program, with what an agent would raise it to. */
static uint64_t files_max(unsigned pid)
{
	char path[64], *text;
	struct rlimit files;
	uint64_t n = 0;

	snprintf(path, sizeof path, "/proc/%u/limits", pid);
	text = pid ? read_file(path) : NULL;
	if (text)
		n = vx6_doctor_files(text);
	else if (getrlimit(RLIMIT_NOFILE, &files) == 0)
		n = files.rlim_max;
	free(text);
	return n;
}

static uint64_t number_in(const char *path)
{
	char *text = read_file(path);
	uint64_t n = text ? strtoull(text, NULL, 10) : 0;

	free(text);
	return n;
}

/* ---- clock, addresses, names ---- */

static enum vx6_seen clock_synced(void)
{
	struct timex t = {0};
	int state = adjtimex(&t);

	if (state < 0)
		return VX6_SEEN_NOT;
	return state == TIME_ERROR || (t.status & STA_UNSYNC) ? VX6_SEEN_NO : VX6_SEEN_YES;
}

static enum vx6_seen has_ipv6(void)
{
	enum vx6_seen seen = VX6_SEEN_NO;
	struct ifaddrs *all;

	if (getifaddrs(&all) != 0)
		return VX6_SEEN_NOT;
	for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
		const struct sockaddr_in6 *a = (const void *)i->ifa_addr;

		if (a && a->sin6_family == AF_INET6 && !IN6_IS_ADDR_LINKLOCAL(&a->sin6_addr) &&
		    !IN6_IS_ADDR_LOOPBACK(&a->sin6_addr))
			seen = VX6_SEEN_YES;
	}
	freeifaddrs(all);
	return seen;
}

/* The servers of the root are what every resolver knows: asking for them tells nobody anything. */
static enum vx6_seen resolver_answers(void)
{
	struct __res_state state = {0};
	unsigned char answer[NS_PACKETSZ];
	int n;

	if (res_ninit(&state) != 0)
		return VX6_SEEN_NOT;
	state.retrans = 1;
	state.retry = 2;
	n = res_nquery(&state, ".", ns_c_in, ns_t_ns, answer, sizeof answer);
	res_nclose(&state);
	return n > 0 ? VX6_SEEN_YES : VX6_SEEN_NO;
}

/* ---- sockets, firewall ---- */

bool vx6_doctor_bound(const char *table, uint16_t port, bool listening)
{
	enum { LISTEN = 0x0a };

	while (*table) {
		unsigned local, state;

		if (sscanf(table, " %*u: %*[0-9A-Fa-f]:%4x %*[0-9A-Fa-f]:%*4x %2x", &local,
			   &state) == 2 &&
		    local == port && (!listening || state == LISTEN))
			return true;
		table += strcspn(table, "\n");
		table += *table == '\n';
	}
	return false;
}

/* Of the network that the agent is in, which may be another than that of this program. */
static char *socket_table(unsigned pid, const char *name)
{
	const char *const families[] = {"", "6"};
	char *both = NULL;
	size_t n = 0;
	FILE *to = open_memstream(&both, &n);

	for (size_t i = 0; to && i < VX6_ARRAY_N(families); i++) {
		char path[64], *text;

		snprintf(path, sizeof path, "/proc/%u/net/%s%s", pid, name, families[i]);
		text = pid ? read_file(path) : NULL;
		if (text)
			fprintf(to, "%s\n", text);
		free(text);
	}
	if (to)
		fclose(to);
	if (n == 0)
		VX6_FREE(both);
	return both;
}

static char *firewall_rules(void)
{
	static const char *const list[] = {"-n", "list", "ruleset"}, *const none[3] = {NULL};
	char *rules = output_of("nft", list);

	return rules ? rules : output_of("iptables-save", none);
}

void vx6_doctor_look(struct vx6_facts *f)
{
	double pid = vx6_value_number(vx6_cli_at(f->node, "status.pid"));
	unsigned of_agent = pid > 0 && pid < 1e9 ? (unsigned)pid : 0;

	f->wall_ms = vx6_wall_ms();
	look_at_state(f);
	f->files_max = files_max(of_agent);
	f->rmem_max_bytes = number_in("/proc/sys/net/core/rmem_max");
	f->clock_synced = clock_synced();
	f->ipv6 = has_ipv6();
	f->dns = resolver_answers();
	f->udp = socket_table(of_agent, "udp");
	f->tcp = socket_table(of_agent, "tcp");
	f->root = geteuid() == 0;
	f->rules = firewall_rules();
}

void vx6_doctor_fini(struct vx6_facts *f)
{
	vx6_value_free(f->version);
	vx6_value_free(f->node);
	vx6_value_free(f->peers);
	vx6_value_free(f->relays);
	vx6_value_free(f->nodes);
	free(f->rules);
	free(f->udp);
	free(f->tcp);
}
