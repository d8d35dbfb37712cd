#include "crypto/box.h"

#include <limits.h>

#include "crypto/internal.h"

/* RFC 3394 section 2.2: a key of four halves of a block. */
#define WRAP_HALF 8
#define WRAP_BLOCK (2 * WRAP_HALF)
#define WRAP_HALVES (BOX_KEY_BYTES / WRAP_HALF)
#define WRAP_ROUNDS 6

static const uint8_t wrap_check[WRAP_HALF] = {0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6};

struct box_keeper {
	struct secret *node_key;
	struct box_source source;
	EVP_CIPHER_CTX *ctx;  /* reset after each use: it holds a key's schedule */
	struct secret *fresh; /* BOX_FRESH keys, of which the first n_fresh are unused */
	struct box_key wrapped[BOX_FRESH];
	size_t n_fresh;
};

/* A key encrypts once, so any nonce will do. */
static const uint8_t nonce[12];

enum err box_keeper_new(const struct secret *node_key, const struct box_source *source,
			struct box_keeper **ret)
{
	CLEANUP(box_keeper_freep) struct box_keeper *k = calloc(1, sizeof(*k));
	const uint8_t none[BOX_FRESH * BOX_KEY_BYTES] = {0};
	enum err e;

	if (!k)
		return err_new(ERR_NOMEM, "keeper");
	if (node_key->n != BOX_KEY_BYTES)
		return err_new(ERR_CONFIG, "the node key must have 32 bytes, not %zu", node_key->n);
	k->source = *source;
	e = secret_new(secret_view(node_key), &k->node_key);
	if (!e)
		e = secret_new(view_of(none, sizeof(none)), &k->fresh);
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
	secret_free(k->fresh);
	free(k);
}

/*
 * One step of wrapping @p n keys, or of unwrapping them backwards: of each, A with the number of
 * the step and one half go through AES. OpenSSL's own AES-256-WRAP does not use the processor's AES
 * instructions, and is several times slower than all else that a box needs.
 */
static bool wrap_step(const struct box_keeper *k, bool encrypt, unsigned step,
		      struct box_key *wrapped, size_t n)
{
	uint8_t block[BOX_FRESH * WRAP_BLOCK];
	const size_t half = WRAP_HALF * (1 + step % WRAP_HALVES), size = n * WRAP_BLOCK;
	int got = 0;
	bool ok;

	for (size_t i = 0; i < n; i++) {
		if (!encrypt)
			wrapped[i].wrapped[WRAP_HALF - 1] ^= (uint8_t)(step + 1);
		memcpy(block + i * WRAP_BLOCK, wrapped[i].wrapped, WRAP_HALF);
		memcpy(block + i * WRAP_BLOCK + WRAP_HALF, wrapped[i].wrapped + half, WRAP_HALF);
	}
	ok = EVP_CipherUpdate(k->ctx, block, &got, block, (int)size) && (size_t)got == size;
	for (size_t i = 0; i < n; i++) {
		memcpy(wrapped[i].wrapped, block + i * WRAP_BLOCK, WRAP_HALF);
		memcpy(wrapped[i].wrapped + half, block + i * WRAP_BLOCK + WRAP_HALF, WRAP_HALF);
		if (encrypt)
			wrapped[i].wrapped[WRAP_HALF - 1] ^= (uint8_t)(step + 1);
	}
	wipe(block, size);
	return ok;
}

static bool wrap_begin(const struct box_keeper *k, bool encrypt)
{
	return EVP_CipherInit_ex2(k->ctx, crypto_algorithms()->aes_256_ecb, k->node_key->p, NULL,
				  encrypt ? 1 : 0, NULL) &&
	       EVP_CIPHER_CTX_set_padding(k->ctx, 0);
}

/* All fresh keys at once: 24 calls of AES for 32 keys, not 24 for one. */
static bool wrap(struct box_keeper *k)
{
	bool ok = wrap_begin(k, true);

	for (size_t i = 0; i < BOX_FRESH; i++) {
		memcpy(k->wrapped[i].wrapped, wrap_check, WRAP_HALF);
		memcpy(k->wrapped[i].wrapped + WRAP_HALF, k->fresh->p + i * BOX_KEY_BYTES,
		       BOX_KEY_BYTES);
	}
	for (unsigned step = 0; ok && step < WRAP_ROUNDS * WRAP_HALVES; step++)
		ok = wrap_step(k, true, step, k->wrapped, BOX_FRESH);
	EVP_CIPHER_CTX_reset(k->ctx);
	if (!ok)
		wipe(k->wrapped, sizeof(k->wrapped)); /* half wrapped is not wrapped */
	return ok;
}

/* False: it fails, or it was wrapped by another key. */
static bool unwrap(const struct box_keeper *k, const struct box_key *key,
		   uint8_t ret[BOX_KEY_BYTES])
{
	struct box_key open = *key;
	bool ok = wrap_begin(k, false);

	for (unsigned step = WRAP_ROUNDS * WRAP_HALVES; ok && step-- > 0;)
		ok = wrap_step(k, false, step, &open, 1);
	EVP_CIPHER_CTX_reset(k->ctx);
	ok = ok && CRYPTO_memcmp(open.wrapped, wrap_check, WRAP_HALF) == 0;
	if (ok)
		memcpy(ret, open.wrapped + WRAP_HALF, BOX_KEY_BYTES);
	wipe(&open, sizeof(open));
	return ok;
}

/* One that no box has had: it is the caller's to wipe. */
static enum err take_fresh(struct box_keeper *k, uint8_t ret[BOX_KEY_BYTES],
			   struct box_key *wrapped)
{
	uint8_t *raw;

	if (k->n_fresh == 0) {
		enum err e = k->source.random(k->source.ctx, k->fresh->p, k->fresh->n);

		if (e)
			return err_trace(e);
		if (!wrap(k))
			return err_openssl(ERR_CRYPTO, "key wrap");
		k->n_fresh = BOX_FRESH;
	}
	k->n_fresh--;
	raw = k->fresh->p + k->n_fresh * BOX_KEY_BYTES;
	memcpy(ret, raw, BOX_KEY_BYTES);
	wipe(raw, BOX_KEY_BYTES);
	*wrapped = k->wrapped[k->n_fresh];
	return ERR_OK;
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

static bool encrypt(const struct box_keeper *k, const uint8_t key[BOX_KEY_BYTES], struct view aad,
		    struct view plain, uint8_t *to)
{
	int n;
	bool ok = gcm_begin(k, true, key, aad) && gcm_text(k, plain, to) &&
		  EVP_CipherFinal_ex(k->ctx, to + plain.n, &n) &&
		  EVP_CIPHER_CTX_ctrl(k->ctx, EVP_CTRL_AEAD_GET_TAG, BOX_TAG_BYTES, to + plain.n) ==
			  1;

	EVP_CIPHER_CTX_reset(k->ctx);
	return ok;
}

enum err box_seal(struct box_keeper *k, struct view aad, struct view plain, struct box_key *ret,
		  struct buf *out)
{
	uint8_t fresh[BOX_KEY_BYTES];
	struct box_key key;
	uint8_t *to;
	enum err e;

	if (plain.n > INT_MAX - BOX_TAG_BYTES)
		return err_new(ERR_LIMIT, "%zu bytes are too many to encrypt at once", plain.n);
	e = buf_reserve(out, plain.n + BOX_TAG_BYTES, &to);
	if (!e)
		e = take_fresh(k, fresh, &key);
	if (e)
		return err_trace(e);
	if (!encrypt(k, fresh, aad, plain, to))
		e = err_openssl(ERR_CRYPTO, "AES-256-GCM");
	wipe(fresh, sizeof(fresh));
	if (e)
		return err_trace(e);
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
	if (!unwrap(k, key, raw))
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
