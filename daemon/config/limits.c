/* `limits`: what this node keeps free, and what one peer may make it hold. */
#include "config/internal.h"

/* One row a key: bounds, default, where it goes. */
static const struct limit {
	const char *key;
	uint64_t min, max, usual;
	size_t at;
} limits[] = {
	{"reserve_mib", 16, 1048576, 64, offsetof(struct config_limits, reserve_mib)},
	{"peer_entries_a_day", 100, 1000000000, 1000000,
	 offsetof(struct config_limits, peer_entries_a_day)},
	{"peer_mib_held", 16, 1073741824, 16384, offsetof(struct config_limits, peer_mib_held)},
	{"peer_notes_a_day", 100, 1000000000, 250000,
	 offsetof(struct config_limits, peer_notes_a_day)},
};

enum err config_limits_read(const struct config_reader *r, struct config_limits *ret)
{
	const char *known[ARRAY_LEN(limits) + 1] = {NULL};
	yaml_ref map = yaml_map_get(r->yaml, yaml_root(r->yaml), "limits");
	enum err e = ERR_OK;

	for (size_t i = 0; i < ARRAY_LEN(limits); i++)
		known[i] = limits[i].key;
	if (map)
		e = yaml_map_check_keys(r->yaml, map, known, r->problem);
	for (size_t i = 0; !e && i < ARRAY_LEN(limits); i++) {
		const struct limit *l = &limits[i];
		uint64_t *to = (uint64_t *)(void *)((char *)ret + l->at);
		yaml_ref node = map ? yaml_map_get(r->yaml, map, l->key) : 0;

		*to = l->usual;
		if (node)
			e = yaml_uint(r->yaml, node, l->key, l->min, l->max, to, r->problem);
	}
	return e ? err_trace(e) : ERR_OK;
}
