#include "tests/sim/engine/jobs.h"

#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"

struct job {
	pid_t pid;
	FILE *out;
	bool bad;
};

static void begin(struct job *j, size_t number, sim_job_fn *fn, void *ctx)
{
	j->out = tmpfile();
	VX6_ASSERT(j->out != NULL);
	fflush(NULL);
	j->pid = fork();
	VX6_ASSERT(j->pid >= 0);
	if (j->pid == 0) {
		struct sim_report *r = sim_report_new();

		fn(ctx, number, r);
		sim_report_write(r, j->out);
		sim_report_free(r);
		_exit(fflush(NULL) == 0 ? 0 : 1);
	}
}

static void end_one(struct job *jobs, size_t n)
{
	int status;
	pid_t pid = wait(&status);

	for (size_t i = 0; i < n; i++)
		if (jobs[i].pid == pid)
			jobs[i].bad = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

unsigned sim_jobs_run(size_t n, unsigned parallel, sim_job_fn *fn, void *ctx,
		      struct sim_report *out, double *cpu_s)
{
	struct job *jobs = vx6_zalloc(VX6_MAX(n, 1u) * sizeof *jobs);
	struct rusage used;
	unsigned bad = 0;

	for (size_t i = 0; i < n; i++) {
		if (i >= parallel)
			end_one(jobs, i);
		begin(&jobs[i], i, fn, ctx);
	}
	for (size_t i = 0; i < VX6_MIN(n, parallel); i++)
		end_one(jobs, n);
	for (size_t i = 0; i < n; i++) {
		rewind(jobs[i].out);
		if (jobs[i].bad || !sim_report_read(out, jobs[i].out)) {
			fprintf(stderr, "job %zu died or said nothing\n", i);
			bad++;
		}
		fclose(jobs[i].out);
	}
	getrusage(RUSAGE_CHILDREN, &used);
	*cpu_s = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
		 (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
	free(jobs);
	return bad;
}
