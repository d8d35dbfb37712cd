#include "node/page.h"

static bool is_storable(const struct pb_list_next *m)
{
	return m->part <= INT64_MAX && m->at <= INT64_MAX && m->beside <= INT64_MAX &&
	       m->epoch <= INT64_MAX;
}

bool page_begin(struct page *ret, struct asking *a, const struct pb_list_page *ask)
{
	*ret = (struct page){
		.a = a,
		.left = ask && ask->limit ? ask->limit : UINT64_MAX,
		.bytes_before = a->n->n_reply_bytes,
		.next = PB_LIST_NEXT_INIT,
	};
	if (!ask || !ask->after)
		return true;
	ret->next.part = ask->after->part;
	ret->next.at = ask->after->at;
	ret->next.beside = ask->after->beside;
	ret->next.epoch = ask->after->epoch;
	return ret->next.part > 0 && is_storable(&ret->next);
}

bool page_look(struct page *p)
{
	if (p->left == 0 || p->n_looked == PAGE_ROWS ||
	    p->a->n->n_reply_bytes - p->bytes_before >= PAGE_BYTES)
		return false;
	p->n_looked++;
	p->a->n->n_rows++;
	return true;
}

enum err page_row(struct page *p, struct pb_api_reply *reply)
{
	p->left--;
	return reply_row(p->a->n, p->a->caller->id, p->a->id, reply, true);
}

enum err page_end(struct page *p, enum err walked)
{
	struct pb_api_reply reply = PB_API_REPLY_INIT;

	if (walked && walked != ERR_FULL)
		return err_trace(walked);
	p->next.has_part = p->next.has_at = p->next.has_beside = p->next.has_epoch = 1;
	reply.next = walked ? &p->next : NULL;
	return reply_row(p->a->n, p->a->caller->id, p->a->id, &reply, false);
}
