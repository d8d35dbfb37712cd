#include "inspect.h"

#include "node/internal.h"
#include "store/internal.h"

struct look inspect_node(const struct node *n)
{
	return (struct look){
		.store = n->store,
		.origin = n->origin.text,
		.epoch = n->epoch,
		.size = n->tree.size,
		.root = tree_root(&n->tree),
		.signed_size = n->signed_size,
		.note = buf_view(&n->note),
		.n_peer = n->n_peer,
		.in_transaction = n->in_transaction,
		.is_in_turn = n->is_in_turn,
	};
}

const struct peer_row *inspect_peer(const struct node *n, size_t i, bool *ret_connected)
{
	*ret_connected = n->peer[i].live != NULL;
	return &n->peer[i].row;
}

const struct verify_key *inspect_peer_key(const struct node *n, size_t i)
{
	return n->peer[i].key;
}

void inspect_incident(const struct node *n, struct buf *a, struct buf *b)
{
	sqlite3_stmt *q;
	struct buf *half[] = {a, b};

	ASSERT(sqlite3_prepare_v2(n->store->db,
				  "SELECT a, b FROM incident ORDER BY id DESC LIMIT 1", -1, &q,
				  NULL) == SQLITE_OK);
	ASSERT(sqlite3_step(q) == SQLITE_ROW);
	for (int i = 0; i < 2; i++)
		ASSERT(buf_put(half[i], sqlite3_column_blob(q, i),
			       (size_t)sqlite3_column_bytes(q, i)) == ERR_OK);
	ASSERT(sqlite3_finalize(q) == SQLITE_OK);
}
