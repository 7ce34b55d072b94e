/**
 * @file output.h
 * Answers on stdout: as a table, JSON, JSON lines or names.
 *
 * Layer:   api
 * Threads: the main thread
 */
#ifndef VX6_API_CLI_OUTPUT_H
#define VX6_API_CLI_OUTPUT_H

#include <stdio.h>

#include "api/cli/cli.h"
#include "api/json/tree.h"
#include "base/json.h"

/** One object: a line each of the command's columns, or of everything it has. */
void vx6_cli_show_one(const struct vx6_cli *cli, const struct vx6_cli_command *c,
		      const struct vx6_value *v);
/** vx6_cli_show_one() of an object that this program made. @param j finished; taken */
void vx6_cli_show_json(const struct vx6_cli *cli, const struct vx6_cli_command *c,
		       struct vx6_json *j);
/** One object as a table of one row. */
void vx6_cli_show_row(const struct vx6_cli *cli, const struct vx6_cli_command *c,
		      const struct vx6_value *v);
/** The items of the pages of a list. */
void vx6_cli_show_list(const struct vx6_cli *cli, const struct vx6_cli_command *c,
		       struct vx6_value *const *pages, size_t n);
/** The items of an array as a table, whatever the format. */
void vx6_cli_print_rows(const struct vx6_cli *cli, const struct vx6_cli_column *columns, size_t n,
			const struct vx6_value *list, FILE *to);
/** One item of an endless list: a line that is not aligned with the others. */
void vx6_cli_show_line(const struct vx6_cli *cli, const struct vx6_cli_command *c,
		       const struct vx6_value *v);

/** What people call an object: its name, else its id. @return borrowed; NULL: it has none */
const char *vx6_cli_name_of(const struct vx6_value *v);

/** The value at "status.bytes.rx"; with "a|b" the first that is there and not null. @return NULL: none */
const struct vx6_value *vx6_cli_at(const struct vx6_value *v, const char *path);

/** JSON text with line breaks and two spaces a level. @param json checked text */
void vx6_cli_indent(FILE *to, const char *json);

#endif
