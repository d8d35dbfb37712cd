#include "ledger/entry.h"

#include "crypto/digest.h"

/* the NUL at their end is part of what is hashed */
static const char body_domain[] = "amparo/v1/body";
static const char local_domain[] = "amparo/v1/local";

/** Whether a field may or must stand in an entry of a kind. */
enum presence {
	NEVER,
	MAY,
	MUST,
};

static const struct kind_row {
	int kind;
	enum presence body, agreement, purpose, answers;
} kind_table[] = {
	{PB(ENTRY_KIND, REFERRAL), MUST, MAY, MAY, NEVER},
	{PB(ENTRY_KIND, STATUS), MUST, MAY, MAY, MUST},
	{PB(ENTRY_KIND, SUPPLEMENT), MUST, MAY, MAY, MUST},
	{PB(ENTRY_KIND, CORRECTION), MUST, MAY, MAY, MUST},
	{PB(ENTRY_KIND, RECALL), MUST, MAY, MAY, MUST},
	{PB(ENTRY_KIND, RECALL_ANSWER), MUST, MAY, MAY, MUST},
	{PB(ENTRY_KIND, NOTICE), MUST, MAY, MAY, MAY},
	{PB(ENTRY_KIND, ADOPT), MUST, MUST, NEVER, NEVER},
	{PB(ENTRY_KIND, WITHDRAW), MUST, MUST, NEVER, NEVER},
	{PB(ENTRY_KIND, RECEIPT), MUST, NEVER, NEVER, NEVER},
	{PB(ENTRY_KIND, KEY), MUST, NEVER, NEVER, NEVER},
	{PB(ENTRY_KIND, EPOCH), MUST, NEVER, NEVER, NEVER},
	{PB(ENTRY_KIND, EPOCH_ACCEPTED), MUST, NEVER, NEVER, NEVER},
	{PB(ENTRY_KIND, SEAL), MUST, NEVER, NEVER, NEVER},
	{PB(ENTRY_KIND, CONSULTED), NEVER, NEVER, NEVER, NEVER},
	{PB(ENTRY_KIND, COLLECTED), NEVER, NEVER, NEVER, NEVER},
	{PB(ENTRY_KIND, ALTERED), NEVER, NEVER, NEVER, NEVER},
	{PB(ENTRY_KIND, ERASED), NEVER, NEVER, NEVER, NEVER},
	{PB(ENTRY_KIND, CONFIG), NEVER, NEVER, NEVER, NEVER},
	{PB(ENTRY_KIND, REFUSED_ROLE), NEVER, NEVER, NEVER, NEVER},
	{PB(ENTRY_KIND, INCIDENT), NEVER, NEVER, NEVER, NEVER},
	{PB(ENTRY_KIND, START), NEVER, NEVER, NEVER, NEVER},
};

static const struct kind_row *find_kind(int kind)
{
	for (size_t i = 0; i < sizeof(kind_table) / sizeof(kind_table[0]); i++) {
		if (kind_table[i].kind == kind)
			return &kind_table[i];
	}
	return NULL;
}

bool entry_kind_is_addressed(int kind)
{
	return kind >= 1 && kind <= 31;
}

bool entry_kind_is_known(int kind)
{
	return find_kind(kind) != NULL;
}

static bool presence_fits(enum presence p, bool has)
{
	return p == MAY || has == (p == MUST);
}

static enum err check_kind(const struct entry *entry)
{
	const struct kind_row *row = find_kind((int)entry->kind);
	bool has_addressee = entry->addressee.n_text > 0;

	if (!row)
		return err_new(ERR_INVALID, "unknown kind %d", (int)entry->kind);
	if (has_addressee != entry_kind_is_addressed(row->kind) ||
	    (entry->k > 0) != has_addressee || (entry->seen_k > 0 && !has_addressee))
		return err_new(ERR_INVALID, "position does not fit kind %d", row->kind);
	if (!presence_fits(row->body, entry->has_body) ||
	    !presence_fits(row->agreement, entry->has_agreement) ||
	    !presence_fits(row->purpose, entry->purpose != 0) ||
	    !presence_fits(row->answers, entry->has_answers))
		return err_new(ERR_INVALID, "fields do not fit kind %d", row->kind);
	return ERR_OK;
}

static void fill_digest(protobuf_c_boolean *has, ProtobufCBinaryData *to, const struct digest *from)
{
	*has = 1;
	*to = message_borrow(view_digest(from));
}

enum err entry_encode(const struct entry *entry, struct buf *out)
{
	struct pb_entry pb = PB_ENTRY_INIT;
	struct agency_id addressee = entry->addressee;
	const size_t n_before = out->n;
	enum err e;

	e = check_kind(entry);
	if (e)
		return err_trace(e);
	pb.has_version = 1;
	pb.version = ENTRY_VERSION;
	pb.has_nonce = 1;
	pb.nonce = message_borrow(view_of(entry->nonce, NONCE_BYTES));
	pb.has_time_us = 1;
	pb.time_us = entry->time_us;
	pb.has_kind = 1;
	pb.kind = entry->kind;
	if (entry_kind_is_addressed((int)entry->kind)) {
		pb.addressee = addressee.text;
		pb.has_k = 1;
		pb.k = entry->k;
		fill_digest(&pb.has_prev_head, &pb.prev_head, &entry->prev_head);
		pb.has_seen_k = 1;
		pb.seen_k = entry->seen_k;
	}
	if (entry->has_body)
		fill_digest(&pb.has_body_digest, &pb.body_digest, &entry->body_digest);
	if (entry->has_agreement)
		fill_digest(&pb.has_agreement, &pb.agreement, &entry->agreement);
	if (entry->purpose) {
		pb.has_purpose = 1;
		pb.purpose = (Amparo__V1__Purpose)entry->purpose;
	}
	if (entry->has_answers)
		fill_digest(&pb.has_answers, &pb.answers, &entry->answers);
	fill_digest(&pb.has_local_digest, &pb.local_digest, &entry->local_digest);
	e = message_encode(&pb, out);
	if (e)
		return err_trace(e);
	/* the longest agency id and every other field together are a fifth of it */
	ASSERT(out->n - n_before <= ENTRY_BYTES_MAX);
	return ERR_OK;
}

/** A digest that may be absent; any other length than 32 is refused. */
static enum err take_digest(protobuf_c_boolean has, ProtobufCBinaryData from, bool *ret_has,
			    struct digest *ret)
{
	if (has && !digest_from_view(ret, message_bytes(has, from)))
		return err_new(ERR_INVALID, "digest of %zu bytes", from.len);
	*ret_has = has != 0;
	return ERR_OK;
}

/** Addressee, k, prev_head and seen_k: all or none of them. */
static enum err take_position(const struct pb_entry *pb, struct entry *ret)
{
	bool has_prev_head = false;
	enum err e;

	e = take_digest(pb->has_prev_head, pb->prev_head, &has_prev_head, &ret->prev_head);
	if (e)
		return err_trace(e);
	if (!pb->addressee) {
		if (pb->has_k || has_prev_head || pb->has_seen_k)
			return err_new(ERR_INVALID, "a position without addressee");
		return ERR_OK;
	}
	if (!pb->has_k || !has_prev_head || !pb->has_seen_k)
		return err_new(ERR_INVALID, "an addressee without position");
	if (agency_id_parse(view_str(pb->addressee), &ret->addressee))
		return err_new(ERR_INVALID, "addressee is no agency id");
	ret->k = pb->k;
	ret->seen_k = pb->seen_k;
	return ERR_OK;
}

static enum err take_fields(const struct pb_entry *pb, struct entry *ret)
{
	bool has_local = false;
	enum err e;

	if (!pb->has_nonce || pb->nonce.len != NONCE_BYTES || !pb->has_time_us || !pb->has_kind)
		return err_new(ERR_INVALID, "nonce, time or kind is missing");
	memcpy(ret->nonce, pb->nonce.data, NONCE_BYTES);
	ret->time_us = pb->time_us;
	ret->kind = pb->kind;
	e = take_position(pb, ret);
	if (!e)
		e = take_digest(pb->has_body_digest, pb->body_digest, &ret->has_body,
				&ret->body_digest);
	if (!e)
		e = take_digest(pb->has_agreement, pb->agreement, &ret->has_agreement,
				&ret->agreement);
	if (!e)
		e = take_digest(pb->has_answers, pb->answers, &ret->has_answers, &ret->answers);
	if (!e)
		e = take_digest(pb->has_local_digest, pb->local_digest, &has_local,
				&ret->local_digest);
	if (e)
		return err_trace(e);
	if (!has_local)
		return err_new(ERR_INVALID, "no local digest");
	/* 0 stands for absence in struct entry, and is no purpose */
	if (pb->has_purpose && pb->purpose == 0)
		return err_new(ERR_INVALID, "purpose 0");
	ret->purpose = pb->has_purpose ? (int)pb->purpose : 0;
	return ERR_OK;
}

static enum err check_is_known(const struct pb_entry *pb)
{
	if (!pb->has_version || pb->version != ENTRY_VERSION)
		return err_new(ERR_VERSION, "entry of another version");
	if (pb->has_kind && !find_kind((int)pb->kind))
		return err_new(ERR_INVALID, "unknown kind %d", (int)pb->kind);
	return ERR_OK;
}

enum err entry_decode(struct view in, struct entry *ret)
{
	CLEANUP(message_freep) struct pb_entry *pb = NULL;
	struct entry entry = {0};
	enum err strict;
	enum err e;

	if (in.n > ENTRY_BYTES_MAX)
		return err_new(ERR_LIMIT, "entry of %zu bytes", in.n);
	strict = message_decode(&pb_entry_desc, in, MESSAGE_BORROW, &pb);
	/* Of an entry of a newer version or kind say that, rather than that it is not canonical. */
	e = strict ? message_decode(&pb_entry_desc, in, MESSAGE_LENIENT, &pb) : ERR_OK;
	if (!e)
		e = check_is_known(pb);
	if (!e)
		e = strict;
	if (e)
		return err_trace(e);
	e = take_fields(pb, &entry);
	if (!e)
		e = check_kind(&entry);
	if (e)
		return err_trace(e);
	*ret = entry;
	return ERR_OK;
}

enum err entry_outline(struct view in, struct entry_outline *ret)
{
	CLEANUP(message_freep) struct pb_entry *pb = NULL;
	struct entry_outline outline = {0};
	enum err e;

	if (in.n > ENTRY_BYTES_MAX)
		return err_new(ERR_LIMIT, "entry of %zu bytes", in.n);
	e = message_decode(&pb_entry_desc, in, MESSAGE_LENIENT, &pb);
	if (e == ERR_NOMEM)
		return err_trace(e);
	if (e)
		return err_new(ERR_FORMAT, "not readable as an entry");
	if (!pb->addressee || agency_id_parse(view_str(pb->addressee), &outline.addressee))
		return err_new(ERR_FORMAT, "entry without addressee");
	if (!pb->has_k || pb->k == 0 ||
	    !digest_from_view(&outline.prev_head, message_bytes(pb->has_prev_head, pb->prev_head)))
		return err_new(ERR_FORMAT, "entry without position");
	outline.k = pb->k;
	outline.version = pb->has_version ? pb->version : 0;
	outline.kind = pb->has_kind ? (int)pb->kind : 0;
	*ret = outline;
	return ERR_OK;
}

enum err entry_position(struct view in, struct agency_id *ret_addressee, uint64_t *ret_k,
			struct digest *ret_prev_head)
{
	struct entry_outline outline;
	enum err e;

	e = entry_outline(in, &outline);
	if (e)
		return err_trace(e);
	*ret_addressee = outline.addressee;
	*ret_k = outline.k;
	*ret_prev_head = outline.prev_head;
	return ERR_OK;
}

struct digest body_digest(const uint8_t salt[SALT_BYTES], struct view body)
{
	return sha256_parts(
		(struct view[]){
			view_of(body_domain, sizeof(body_domain)),
			view_of(salt, SALT_BYTES),
			body,
		},
		3);
}

struct digest local_digest(const uint8_t salt[SALT_BYTES], struct view local_part)
{
	return sha256_parts(
		(struct view[]){
			view_of(local_domain, sizeof(local_domain)),
			view_of(salt, SALT_BYTES),
			local_part,
		},
		3);
}
