#include "api/agent/agent.h"

#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/agent/settings.h"
#include "api/cli/cli.h"
#include "api/cli/state_dir.h"
#include "base/util.h"

/* An agent holds keys and thousands of sockets, and should be small. */
static void prepare_process(void)
{
	struct rlimit files;

	signal(SIGPIPE, SIG_IGN);
	umask(0077);
	prctl(PR_SET_DUMPABLE, 0);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	/* an arena for every thread would cost more than the lock between two of them */
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_TRIM_THRESHOLD, 256 * 1024);
	setenv("UV_THREADPOOL_SIZE", "2", 0);
}

/*
 * Gives the pages of code back that only the start needed; what runs on comes back by itself. Code is never written, so nothing is lost.
 * Without this a third of an idle agent's memory would be migrations, parsers and tables it used once.
 */
static void release_start_code(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];

	while (maps && fgets(line, sizeof line, maps)) {
		unsigned long from, to, inode;
		char mode[5];

		if (sscanf(line, "%lx-%lx %4s %*s %*s %lu", &from, &to, mode, &inode) == 4 &&
		    inode != 0 && strcmp(mode, "r-xp") == 0)
			madvise((void *)from, to - from, MADV_DONTNEED);
	}
	if (maps)
		fclose(maps);
	malloc_trim(0);
}

static vx6_err take_flags(const struct vx6_cli_parsed *p, struct vx6_settings *s, char *detail)
{
	bool cleared[VX6_SETTINGS_N] = {false};

	for (size_t i = 0; i < p->values_n; i++) {
		enum vx6_setting which = vx6_setting_by_flag(p->values[i].arg->name);
		const char *text = p->values[i].text ? p->values[i].text : "true";

		if (which == VX6_SETTINGS_N)
			continue;
		if (!cleared[which])
			vx6_settings_clear(s, which);
		cleared[which] = true;
		if (!vx6_is_ok(vx6_settings_add(s, which, text))) {
			snprintf(detail, VX6_SETTINGS_DETAIL, "--%s: too many",
				 p->values[i].arg->name);
			return VX6_ERR(LIMIT);
		}
	}
	return VX6_OK;
}

/* Without --config: agent.yaml of the state directory, when there is one (`vx6 init --name` writes it). */
static bool default_file(const struct vx6_cli_parsed *p, char out[static PATH_MAX])
{
	const char *dir = vx6_cli_text(p, "state-dir");
	char state[PATH_MAX - 16];

	if (!dir)
		dir = getenv("VX6_STATE_DIR");
	if (dir)
		vx6_strlcpy(state, dir, sizeof state);
	else if (!vx6_state_dir_default(state, sizeof state))
		return false;
	snprintf(out, PATH_MAX, "%s/agent.yaml", state);
	return access(out, F_OK) == 0;
}

static vx6_err collect(const struct vx6_cli_parsed *p, struct vx6_settings *s,
		       struct vx6_agent_config *out, char *detail)
{
	const char *file = vx6_cli_text(p, "config");
	char path[PATH_MAX];

	if (!file)
		file = getenv("VX6_CONFIG");
	if (!file && default_file(p, path))
		file = path;
	if (file)
		VX6_TRY(vx6_settings_read_file(s, file, detail));
	VX6_TRY(vx6_settings_read_env(s, detail));
	VX6_TRY(take_flags(p, s, detail));
	return vx6_agent_config_make(s, out, detail);
}

static void announce(const struct vx6_agent_config *cfg, const struct vx6_api_server *api)
{
	char text[VX6_ADDR_TEXT];

	VX6_INFO("agent", "API on %s", cfg->socket);
	for (size_t i = 0; i < cfg->api.listen_n; i++) {
		struct vx6_addr a = cfg->api.listen[i];

		a.port = vx6_api_server_port(api, i);
		VX6_INFO("agent", "API on http://%s, token in %s", vx6_addr_format(&a, text),
			 cfg->token);
	}
}

static int run(const struct vx6_agent_config *cfg)
{
	char detail[VX6_SETTINGS_DETAIL] = "";
	struct vx6_api_server *api = NULL;
	struct vx6_node *node;
	vx6_err err = vx6_node_new(&cfg->node, &node, detail);

	if (vx6_is_ok(err)) {
		err = vx6_api_server_start(&cfg->api, node, &api, detail);
		if (vx6_is_ok(err)) {
			announce(cfg, api);
			release_start_code();
			vx6_node_run(node);
		}
		vx6_api_server_stop(api);
		vx6_node_free(node);
	}
	if (vx6_is_ok(err))
		return VX6_EXIT_OK;
	fprintf(stderr, "vx6: the agent cannot start: %s\n",
		detail[0] ? detail : vx6_err_text(err));
	return VX6_EXIT_FAILURE;
}

int vx6_agent_main(int argc, char **argv)
{
	struct vx6_settings *settings = vx6_zalloc(sizeof *settings);
	struct vx6_agent_config *cfg = vx6_zalloc(sizeof *cfg);
	char detail[VX6_SETTINGS_DETAIL] = "";
	struct vx6_cli_parsed parsed;
	int status = VX6_EXIT_USAGE;

	if (!vx6_cli_parse(argc, argv, &parsed)) {
		fprintf(stderr, "vx6: %s\nSee `vx6 agent --help`.\n", parsed.error);
	} else if (vx6_cli_has(&parsed, "help")) {
		vx6_cli_help(NULL, parsed.command);
		status = VX6_EXIT_OK;
	} else {
		prepare_process();
		if (!vx6_is_ok(collect(&parsed, settings, cfg, detail))) {
			fprintf(stderr, "vx6: %s\nSee `vx6 agent --help`.\n", detail);
		} else {
			vx6_log_set_level(cfg->log_level);
			if (vx6_state_dir_make(cfg->state_dir) != 0)
				fprintf(stderr, "vx6: cannot make %s\n", cfg->state_dir);
			status = run(cfg);
		}
	}
	vx6_cli_parsed_fini(&parsed);
	vx6_agent_config_fini(cfg);
	vx6_settings_fini(settings);
	free(cfg);
	free(settings);
	return status;
}
