#include "inspect.h"

#include "node/internal.h"

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
