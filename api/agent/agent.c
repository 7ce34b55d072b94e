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

#include "api/agent/live.h"
#include "api/agent/settings.h"
#include "api/cli/cli.h"
#include "api/cli/state_dir.h"
#include "base/log_out.h"
#include "base/log_ring.h"
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

static void begin_log(const struct vx6_agent_config *cfg)
{
	vx6_err err = vx6_log_out_choose(cfg->log_format, VX6_LOG_JOURNAL);

	vx6_log_set_level(cfg->log_level);
	vx6_log_ring_begin();
	if (!vx6_is_ok(err))
		VX6_WARN("agent",
			 "the journal does not listen on %s (%s): the log goes to "
			 "standard error, as text",
			 VX6_LOG_JOURNAL, vx6_err_text(err));
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

static int run_with(const struct vx6_cli_parsed *p, const struct vx6_settings *settings,
		    const char *file, struct vx6_agent_config *cfg)
{
	struct vx6_agent_live *live = vx6_agent_live_new(p, settings, file, cfg->state_dir);
	int status;

	cfg->api.settings = vx6_agent_live_api(live);
	cfg->node.reload = vx6_agent_live_reload;
	cfg->node.reload_user = live;
	begin_log(cfg);
	if (vx6_state_dir_make(cfg->state_dir) != 0)
		fprintf(stderr, "vx6: cannot make %s\n", cfg->state_dir);
	status = run(cfg);
	vx6_agent_live_free(live);
	return status;
}

int vx6_agent_main(int argc, char **argv)
{
	struct vx6_settings *settings = vx6_zalloc(sizeof *settings);
	struct vx6_agent_config *cfg = vx6_zalloc(sizeof *cfg);
	char detail[VX6_SETTINGS_DETAIL] = "", file[PATH_MAX] = "";
	struct vx6_cli_parsed parsed;
	int status = VX6_EXIT_USAGE;

	if (!vx6_cli_parse(argc, argv, &parsed)) {
		fprintf(stderr, "vx6: %s\nSee `vx6 agent --help`.\n", parsed.error);
	} else if (vx6_cli_has(&parsed, "help")) {
		vx6_cli_help(NULL, parsed.command);
		status = VX6_EXIT_OK;
	} else {
		prepare_process();
		if (!vx6_is_ok(vx6_agent_collect(&parsed, settings, file, detail)) ||
		    !vx6_is_ok(vx6_agent_config_make(settings, cfg, detail)))
			fprintf(stderr, "vx6: %s\nSee `vx6 agent --help`.\n", detail);
		else
			status = run_with(&parsed, settings, file, cfg);
	}
	vx6_cli_parsed_fini(&parsed);
	vx6_agent_config_fini(cfg);
	vx6_settings_fini(settings);
	free(cfg);
	free(settings);
	return status;
}
