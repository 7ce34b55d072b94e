#include "api/cli/grid.h"

#include <stdlib.h>

#include "api/cli/text.h"
#include "base/util.h"

static const char *const tints[] = {
	[VX6_TINT_GOOD] = "\033[32m", [VX6_TINT_BAD] = "\033[31m", [VX6_TINT_BUSY] = "\033[33m",
	[VX6_TINT_DIM] = "\033[2m",   [VX6_TINT_HEAD] = "\033[1m",
};

void vx6_grid_add(struct vx6_grid *g, char *text, enum vx6_tint tint, bool right)
{
	if (g->n == g->cap) {
		g->cap = VX6_MAX(g->cap * 2, 64u);
		g->cells = vx6_realloc_array(g->cells, g->cap, sizeof *g->cells);
	}
	g->cells[g->n++] = (struct vx6_grid_cell){text, tint, right};
}

void vx6_grid_drop(struct vx6_grid *g, size_t column)
{
	size_t kept = 0;

	for (size_t i = 0; i < g->n; i++) {
		if (i % g->columns == column)
			free(g->cells[i].text);
		else
			g->cells[kept++] = g->cells[i];
	}
	g->n = kept;
	g->columns--;
}

static void pad(FILE *to, size_t n)
{
	while (n-- > 0)
		fputc(' ', to);
}

static void print_cell(const struct vx6_grid *g, const struct vx6_grid_cell *c, size_t width,
		       bool last, FILE *to)
{
	size_t room = width - vx6_cli_width(c->text);
	bool tint = g->colour && c->tint != VX6_TINT_NONE;

	if (c->right)
		pad(to, room);
	if (tint)
		fputs(tints[c->tint], to);
	vx6_cli_clean(to, c->text);
	if (tint)
		fputs("\033[0m", to);
	if (!last)
		pad(to, (c->right ? 0 : room) + 2);
}

void vx6_grid_print(const struct vx6_grid *g, FILE *to)
{
	size_t rows = g->columns ? g->n / g->columns : 0;
	size_t *widths = vx6_zalloc((g->columns + 1) * sizeof *widths);

	for (size_t i = 0; i < rows * g->columns; i++) {
		size_t w = vx6_cli_width(g->cells[i].text);

		widths[i % g->columns] = VX6_MAX(widths[i % g->columns], w);
	}
	for (size_t i = 0; i < rows; i++) {
		for (size_t j = 0; j < g->columns; j++)
			print_cell(g, &g->cells[i * g->columns + j], widths[j], j + 1 == g->columns,
				   to);
		fputc('\n', to);
	}
	free(widths);
}

void vx6_grid_fini(struct vx6_grid *g)
{
	for (size_t i = 0; i < g->n; i++)
		free(g->cells[i].text);
	VX6_FREE(g->cells);
	g->n = g->cap = 0;
}
