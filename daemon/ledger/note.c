#include "ledger/note.h"

#include "base/own.h"
#include "crypto/base64.h"
#include "crypto/digest.h"
#include "ledger/lines.h"
#include "wire/text.h"

/* em dash and space */
static const char line_start[] = "\xe2\x80\x94 ";
#define LINE_START_BYTES (sizeof(line_start) - 1)

void note_key_id(const char *name, const struct verify_key *key, uint8_t ret[NOTE_KEY_ID_BYTES])
{
	static const uint8_t type[] = {'\n', 0x01};
	uint8_t raw[ED25519_PUBLIC_BYTES];
	struct digest d;

	verify_key_raw(key, raw);
	d = sha256_parts(
		(struct view[]){
			view_str(name),
			view_of(type, sizeof(type)),
			view_of(raw, sizeof(raw)),
		},
		3);
	memcpy(ret, d.b, NOTE_KEY_ID_BYTES);
}

bool note_name_is_valid(struct view name)
{
	if (name.n == 0 || memchr(name.p, ' ', name.n) || memchr(name.p, '+', name.n))
		return false;
	return text_is_valid(name);
}

/** Where the last empty line begins, as an offset of its newline; in.n when there is none. */
static size_t find_split(struct view in)
{
	for (size_t i = in.n; i >= 2; i--) {
		if (in.p[i - 1] == '\n' && in.p[i - 2] == '\n')
			return i - 1;
	}
	return in.n;
}

static enum err check_lines(struct view text)
{
	struct view line;

	while (line_take(&text, &line)) {
		if (!text_is_valid(line))
			return err_new(ERR_TEXT, "a line of the note is not strict text");
	}
	return ERR_OK;
}

static enum err parse_signature(struct view line, struct note_signature *ret)
{
	CLEANUP(buf_fini) struct buf bytes = {0};
	struct note_signature sig = {0};
	const uint8_t *space;
	enum err e;

	if (line.n < LINE_START_BYTES || memcmp(line.p, line_start, LINE_START_BYTES) != 0)
		return err_new(ERR_FORMAT, "not a signature line");
	line = view_of(line.p + LINE_START_BYTES, line.n - LINE_START_BYTES);
	space = line.n ? memchr(line.p, ' ', line.n) : NULL;
	if (!space)
		return err_new(ERR_FORMAT, "a signature line without signature");
	sig.name = view_of(line.p, (size_t)(space - line.p));
	sig.base64 = view_of(space + 1, line.n - sig.name.n - 1);
	if (sig.name.n > NOTE_NAME_MAX)
		return err_new(ERR_LIMIT, "key name of %zu bytes", sig.name.n);
	if (!note_name_is_valid(sig.name))
		return err_new(ERR_FORMAT, "not a key name");
	e = base64_decode(sig.base64, &bytes);
	if (e)
		return err_trace(e);
	if (bytes.n <= NOTE_KEY_ID_BYTES)
		return err_new(ERR_FORMAT, "signature of %zu bytes", bytes.n);
	for (size_t i = 0; i < NOTE_KEY_ID_BYTES; i++)
		sig.key_id[i] = bytes.data[bytes.head + i];
	*ret = sig;
	return ERR_OK;
}

enum err note_parse(struct view in, struct note *ret)
{
	struct note note = {0};
	struct view rest, line;
	size_t split;
	enum err e;

	if (in.n > NOTE_BYTES_MAX)
		return err_new(ERR_LIMIT, "note of %zu bytes", in.n);
	split = find_split(in);
	if (split == in.n || split + 1 == in.n || in.p[in.n - 1] != '\n')
		return err_new(ERR_FORMAT, "no signatures after an empty line");
	note.text = view_of(in.p, split);
	rest = view_of(in.p + split + 1, in.n - split - 1);
	e = check_lines(in);
	if (e)
		return err_trace(e);
	while (line_take(&rest, &line)) {
		if (note.n_signatures == NOTE_SIGNATURES_MAX)
			return err_new(ERR_LIMIT, "over %d signatures", NOTE_SIGNATURES_MAX);
		e = parse_signature(line, &note.signature[note.n_signatures]);
		if (e)
			return err_trace(e);
		note.n_signatures++;
	}
	*ret = note;
	return ERR_OK;
}

static bool is_signed_by(const struct note_signature *sig, const struct note_verifier *v)
{
	uint8_t id[NOTE_KEY_ID_BYTES];

	if (!view_eq(sig->name, view_str(v->name)))
		return false;
	note_key_id(v->name, v->key, id);
	return memcmp(id, sig->key_id, sizeof(id)) == 0;
}

static enum err check_signature(struct view text, const struct note_signature *sig,
				const struct verify_key *key)
{
	CLEANUP(buf_fini) struct buf bytes = {0};
	enum err e;

	e = base64_decode(sig->base64, &bytes);
	if (e)
		return err_trace(e);
	buf_consume(&bytes, NOTE_KEY_ID_BYTES);
	e = verify_key_check(key, text, buf_view(&bytes));
	if (e)
		return err_trace(e);
	return ERR_OK;
}

enum err note_verify(struct note *note, const struct note_verifier *verifiers, size_t n_verifiers,
		     size_t *ret_verified)
{
	size_t n_verified = 0;
	enum err e;

	for (size_t i = 0; i < note->n_signatures; i++) {
		struct note_signature *sig = &note->signature[i];
		const struct note_verifier *known = NULL;

		for (size_t v = 0; v < n_verifiers; v++) {
			if (!is_signed_by(sig, &verifiers[v]))
				continue;
			if (known)
				return err_new(ERR_INVALID, "two keys of one name and id");
			known = &verifiers[v];
		}
		if (!known)
			continue;
		e = check_signature(note->text, sig, known->key);
		if (e)
			return err_trace(e);
		sig->is_verified = true;
		n_verified++;
	}
	*ret_verified = n_verified;
	return ERR_OK;
}

enum err note_sign(struct view text, const char *name, const struct seal_key *key, struct buf *out)
{
	CLEANUP(buf_fini) struct buf note = {0};
	uint8_t bytes[NOTE_KEY_ID_BYTES + ED25519_SIGNATURE_BYTES];
	enum err e;

	if (!note_name_is_valid(view_str(name)))
		return err_new(ERR_INVALID, "not a key name");
	if (text.n == 0 || text.p[text.n - 1] != '\n' || check_lines(text))
		return err_new(ERR_INVALID, "not the text of a note");
	note_key_id(name, seal_key_public(key), bytes);
	e = seal_key_sign(key, text, bytes + NOTE_KEY_ID_BYTES);
	if (e)
		return err_trace(e);
	e = buf_put_view(&note, text);
	if (!e)
		e = buf_printf(&note, "\n%s%s ", line_start, name);
	if (!e)
		e = base64_encode(view_of(bytes, sizeof(bytes)), &note);
	if (!e)
		e = buf_put_u8(&note, '\n');
	if (!e)
		e = buf_put_view(out, buf_view(&note));
	if (e)
		return err_trace(e);
	return ERR_OK;
}
