#include "crypto/box.h"

#include <limits.h>

#include "crypto/internal.h"

struct box_keeper {
	struct secret *node_key;
	EVP_CIPHER_CTX *ctx; /* reset after each use: it holds a key's schedule */
};

/* A key encrypts once, so any nonce will do. */
static const uint8_t nonce[12];

enum err box_keeper_new(const struct secret *node_key, struct box_keeper **ret)
{
	CLEANUP(box_keeper_freep) struct box_keeper *k = calloc(1, sizeof(*k));
	enum err e;

	if (!k)
		return err_new(ERR_NOMEM, "keeper");
	if (node_key->n != BOX_KEY_BYTES)
		return err_new(ERR_CONFIG, "the node key must have 32 bytes, not %zu", node_key->n);
	e = secret_new(secret_view(node_key), &k->node_key);
	if (e)
		return err_trace(e);
	k->ctx = EVP_CIPHER_CTX_new();
	if (!k->ctx)
		return err_new(ERR_NOMEM, "keeper");
	*ret = TAKE(k);
	return ERR_OK;
}

void box_keeper_free(struct box_keeper *k)
{
	if (!k)
		return;
	EVP_CIPHER_CTX_free(k->ctx);
	secret_free(k->node_key);
	free(k);
}

/* RFC 3394, both ways: @p from of @p n bytes; false when it fails or the check value is wrong. */
static bool wrap(const struct box_keeper *k, bool encrypt, const uint8_t *from, int n, uint8_t *to,
		 int n_to)
{
	const struct crypto_algorithms *a = crypto_algorithms();
	uint8_t out[BOX_WRAPPED_BYTES + 8];
	int n_out = 0;
	bool ok;

	EVP_CIPHER_CTX_set_flags(k->ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
	ok = EVP_CipherInit_ex2(k->ctx, a->aes_256_wrap, k->node_key->p, NULL, encrypt ? 1 : 0,
				NULL) &&
	     EVP_CipherUpdate(k->ctx, out, &n_out, from, n) && n_out == n_to;
	EVP_CIPHER_CTX_reset(k->ctx);
	if (ok)
		memcpy(to, out, (size_t)n_to);
	wipe(out, sizeof(out));
	return ok;
}

/* Start AES-256-GCM and feed the associated data. */
static bool gcm_begin(const struct box_keeper *k, bool encrypt, const uint8_t key[BOX_KEY_BYTES],
		      struct view aad)
{
	int n;

	if (aad.n > INT_MAX)
		return false;
	if (!EVP_CipherInit_ex2(k->ctx, crypto_algorithms()->aes_256_gcm, key, nonce,
				encrypt ? 1 : 0, NULL))
		return false;
	return aad.n == 0 || EVP_CipherUpdate(k->ctx, NULL, &n, aad.p, (int)aad.n);
}

/* The text itself; an empty one must not be handed over, since NULL means associated data. */
static bool gcm_text(const struct box_keeper *k, struct view from, uint8_t *to)
{
	int n = 0;

	return from.n == 0 ||
	       (EVP_CipherUpdate(k->ctx, to, &n, from.p, (int)from.n) && (size_t)n == from.n);
}

enum err box_seal(const struct box_keeper *k, const uint8_t fresh[BOX_KEY_BYTES], struct view aad,
		  struct view plain, struct box_key *ret, struct buf *out)
{
	struct box_key key;
	uint8_t *to;
	enum err e;
	int n;
	bool ok;

	if (plain.n > INT_MAX - BOX_TAG_BYTES)
		return err_new(ERR_LIMIT, "%zu bytes are too many to encrypt at once", plain.n);
	if (!wrap(k, true, fresh, BOX_KEY_BYTES, key.wrapped, BOX_WRAPPED_BYTES))
		return err_openssl(ERR_CRYPTO, "key wrap");
	e = buf_reserve(out, plain.n + BOX_TAG_BYTES, &to);
	if (e)
		return err_trace(e);
	ok = gcm_begin(k, true, fresh, aad) && gcm_text(k, plain, to) &&
	     EVP_CipherFinal_ex(k->ctx, to + plain.n, &n) &&
	     EVP_CIPHER_CTX_ctrl(k->ctx, EVP_CTRL_AEAD_GET_TAG, BOX_TAG_BYTES, to + plain.n) == 1;
	EVP_CIPHER_CTX_reset(k->ctx);
	if (!ok)
		return err_openssl(ERR_CRYPTO, "AES-256-GCM");
	buf_advance(out, plain.n + BOX_TAG_BYTES);
	*ret = key;
	return ERR_OK;
}

enum err box_open(const struct box_keeper *k, const struct box_key *key, struct view aad,
		  struct view cipher, struct buf *out)
{
	uint8_t raw[BOX_KEY_BYTES], tag[BOX_TAG_BYTES], end[BOX_TAG_BYTES];
	struct view text;
	uint8_t *to;
	enum err e;
	int n;
	bool ok;

	if (cipher.n < BOX_TAG_BYTES || cipher.n > INT_MAX)
		return err_new(ERR_DECRYPT, "%zu bytes are no ciphertext", cipher.n);
	text = view_of(cipher.p, cipher.n - BOX_TAG_BYTES);
	memcpy(tag, cipher.p + text.n, BOX_TAG_BYTES);
	e = buf_reserve(out, text.n, &to);
	if (e)
		return err_trace(e);
	if (!wrap(k, false, key->wrapped, BOX_WRAPPED_BYTES, raw, BOX_KEY_BYTES))
		return err_openssl(ERR_DECRYPT, "the key does not unwrap");
	ok = gcm_begin(k, false, raw, aad) &&
	     EVP_CIPHER_CTX_ctrl(k->ctx, EVP_CTRL_AEAD_SET_TAG, BOX_TAG_BYTES, tag) == 1 &&
	     gcm_text(k, text, to) && EVP_CipherFinal_ex(k->ctx, end, &n) == 1;
	EVP_CIPHER_CTX_reset(k->ctx);
	wipe(raw, sizeof(raw));
	if (!ok) {
		if (text.n)
			wipe(to, text.n);
		return err_openssl(ERR_DECRYPT, "wrong key, row or bytes");
	}
	buf_advance(out, text.n);
	return ERR_OK;
}
