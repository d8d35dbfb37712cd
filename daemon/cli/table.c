#include "cli/table.h"

#include <string.h>

#include "cli/terminal.h"

#define GAP "  "

void table_init(struct table *t, FILE *out, size_t n_columns)
{
	ASSERT(n_columns > 0 && n_columns <= TABLE_COLUMNS_MAX);
	*t = (struct table){.out = out, .n_columns = n_columns};
}

void table_fini(struct table *t)
{
	if (t)
		buf_fini(&t->held);
}

/* Print one row of clean cells, each with its NUL; gives what is behind them. */
static const char *print_row(const struct table *t, const char *cell)
{
	for (size_t i = 0; i < t->n_columns; i++) {
		size_t width = terminal_width(cell);
		bool is_last = i + 1 == t->n_columns;
		int padding = !is_last && width < t->width[i] ? (int)(t->width[i] - width) : 0;

		(void)fprintf(t->out, "%s%*s%s", cell, padding, "", is_last ? "\n" : GAP);
		cell += strlen(cell) + 1;
	}
	return cell;
}

void table_end(struct table *t)
{
	const char *cell = (const char *)buf_data(&t->held);

	for (size_t i = 0; i < t->n_held; i++)
		cell = print_row(t, cell);
	buf_clear(&t->held);
	t->n_held = 0;
	t->is_flowing = true;
}

enum err table_row(struct table *t, const char *const *cell)
{
	size_t before = t->held.n;
	enum err e;

	for (size_t i = 0; i < t->n_columns; i++) {
		size_t at = t->held.n;

		e = terminal_clean(view_str(cell[i]), &t->held);
		if (!e)
			e = buf_put_u8(&t->held, 0);
		if (e) {
			t->held.n = before;
			return err_trace(e);
		}
		if (!t->is_flowing) {
			size_t width = terminal_width((const char *)buf_data(&t->held) + at);

			t->width[i] = width > t->width[i] ? width : t->width[i];
		}
	}
	t->n_held++;
	if (t->is_flowing || t->n_held > TABLE_ROWS_FIRST)
		table_end(t);
	return ERR_OK;
}
