/**
 * @file log_rows.h
 * Rows of the table of commands that are about the agent's log and numbers. Included by commands.c alone.
 *
 * Layer:   api
 * Threads: constant, any thread
 */
#ifndef VX6_API_CLI_LOG_ROWS_H
#define VX6_API_CLI_LOG_ROWS_H

#include "api/cli/command.h"

#define LEVEL_WORDS "error warn info debug trace"

static const struct vx6_cli_arg logs_args[] = {
	{.name = "follow",
	 .letter = 'f',
	 .kind = VX6_ARG_SWITCH,
	 .help = "wait for more, until interrupted"},
	{.name = "lines",
	 .letter = 'n',
	 .value = "N",
	 .kind = VX6_ARG_INTEGER,
	 .help = "begin with so many of the newest (100)"},
	{.name = "since",
	 .value = "N",
	 .kind = VX6_ARG_INTEGER,
	 .help = "all lines after this number instead"},
	{.name = "level",
	 .value = "LEVEL",
	 .place = VX6_IN_QUERY,
	 .field = "level",
	 .offer = VX6_OFFER_WORDS,
	 .words = LEVEL_WORDS,
	 .help = "only of this level or a graver one: error, warn, info, debug, trace"},
	{.name = "layer",
	 .value = "A,B",
	 .place = VX6_IN_QUERY,
	 .field = "layer",
	 .help = "only of these layers"},
	{.name = "search",
	 .value = "TEXT",
	 .place = VX6_IN_QUERY,
	 .field = "q",
	 .help = "only lines with this text in them"},
	{.name = "addresses",
	 .kind = VX6_ARG_SWITCH,
	 .place = VX6_IN_QUERY,
	 .field = "addresses",
	 .literal = "true",
	 .help = "show the addresses of peers in full, in lines written at debug"},
};
static const struct vx6_cli_column log_columns[] = {
	{"TIME", "time"},
	{"LEVEL", "level"},
	{"LAYER", "layer"},
	{"TEXT", "text"},
};
static const struct vx6_cli_arg log_level_args[] = {
	{.name = "LAYER", .positional = true, .help = "the layer to change, or all"},
	{.name = "LEVEL",
	 .positional = true,
	 .offer = VX6_OFFER_WORDS,
	 .words = LEVEL_WORDS,
	 .help = "error, warn, info, debug or trace"},
};

static const struct vx6_cli_arg stats_args[] = {
	{.name = "METRIC",
	 .positional = true,
	 .place = VX6_IN_QUERY,
	 .field = "metric",
	 .help = "one of the numbers, over time"},
	{.name = "since",
	 .value = "TIME",
	 .kind = VX6_ARG_AGO,
	 .place = VX6_IN_QUERY,
	 .field = "from",
	 .help = "of it: from so long ago: 24h at the most, 30m, 90s (1h)"},
	{.name = "step",
	 .value = "TIME",
	 .place = VX6_IN_QUERY,
	 .field = "step",
	 .help = "of it: a value for so long each: 10s, 300s (about 240 values)"},
};
static const struct vx6_cli_column stat_columns[] = {
	{"NAME", "name"},        {"VALUE", "value"},
	{"UNIT", "unit"},        {"A SECOND", "per_second", VX6_SHOW_TENTHS},
	{"WHAT", "description"},
};

#define LOG_ROWS                                                                                   \
	{LOOKING,                                                                                  \
	 "logs",                                                                                   \
	 NULL,                                                                                     \
	 "log_list",                                                                               \
	 "Show the newest lines of the agent's log",                                               \
	 "They come from the agent's memory, which holds about the last thousand. Addresses of "   \
	 "peers are hidden unless asked for.",                                                     \
	 {"vx6 logs -f", "vx6 logs --level warn", "vx6 logs --layer session,discovery -o jsonl"},  \
	 LIST(logs_args),                                                                          \
	 LIST(log_columns),                                                                        \
	 .run = vx6_cli_run_logs},                                                                 \
		{LOOKING,                                                                          \
		 "log",                                                                            \
		 "level",                                                                          \
		 "log_levels_get log_levels_replace",                                              \
		 "Show or change what each layer of the agent writes to its log",                  \
		 "A change is in force at once, and until the agent is restarted.",                \
		 {"vx6 log level", "vx6 log level session debug", "vx6 log level all info"},       \
		 LIST(log_level_args),                                                             \
		 .run = vx6_cli_run_log_level},                                                    \
	{                                                                                          \
		LOOKING, "stats", NULL, "stats_get stats_series_get",                              \
			"Show what the agent did over the last day, in numbers",                   \
			"They are looked at every 10 seconds and kept in memory for 24 hours.",    \
			{"vx6 stats", "vx6 stats rx_bytes --since 6h",                             \
			 "vx6 stats rss_bytes --json"},                                            \
			LIST(stats_args), LIST(stat_columns), .run = vx6_cli_run_stats             \
	}

#endif
