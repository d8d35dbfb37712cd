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

/* RFC 3394 section 2.2 with a key of four 64-bit halves of blocks. */
#define WRAP_HALF 8
#define WRAP_HALVES (BOX_KEY_BYTES / WRAP_HALF)
#define WRAP_ROUNDS 6

static const uint8_t wrap_check[WRAP_HALF] = {0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6};

/* One of its steps: A with the number of the step, and one half, through AES. */
static bool wrap_step(const struct box_keeper *k, bool encrypt, unsigned step, uint8_t a[WRAP_HALF],
		      uint8_t half[WRAP_HALF])
{
	uint8_t block[2 * WRAP_HALF];
	int n;
	bool ok;

	if (!encrypt)
		a[WRAP_HALF - 1] ^= (uint8_t)step;
	memcpy(block, a, WRAP_HALF);
	memcpy(block + WRAP_HALF, half, WRAP_HALF);
	ok = EVP_CipherUpdate(k->ctx, block, &n, block, sizeof(block)) && n == sizeof(block);
	memcpy(a, block, WRAP_HALF);
	memcpy(half, block + WRAP_HALF, WRAP_HALF);
	if (encrypt)
		a[WRAP_HALF - 1] ^= (uint8_t)step;
	wipe(block, sizeof(block));
	return ok;
}

static bool wrap_begin(const struct box_keeper *k, bool encrypt)
{
	return EVP_CipherInit_ex2(k->ctx, crypto_algorithms()->aes_256_ecb, k->node_key->p, NULL,
				  encrypt ? 1 : 0, NULL) &&
	       EVP_CIPHER_CTX_set_padding(k->ctx, 0);
}

/*
 * OpenSSL's own AES-256-WRAP does not use the processor's AES instructions, and is several times
 * slower than all else that a box needs.
 */
static bool wrap(const struct box_keeper *k, const uint8_t key[BOX_KEY_BYTES],
		 uint8_t ret[BOX_WRAPPED_BYTES])
{
	bool ok = wrap_begin(k, true);

	memcpy(ret, wrap_check, WRAP_HALF);
	memcpy(ret + WRAP_HALF, key, BOX_KEY_BYTES);
	for (unsigned step = 0; ok && step < WRAP_ROUNDS * WRAP_HALVES; step++)
		ok = wrap_step(k, true, step + 1, ret, ret + WRAP_HALF * (1 + step % WRAP_HALVES));
	EVP_CIPHER_CTX_reset(k->ctx);
	return ok;
}

/* False: it fails, or it was wrapped by another key. */
static bool unwrap(const struct box_keeper *k, const uint8_t wrapped[BOX_WRAPPED_BYTES],
		   uint8_t ret[BOX_KEY_BYTES])
{
	bool ok = wrap_begin(k, false);
	uint8_t a[WRAP_HALF];

	memcpy(a, wrapped, WRAP_HALF);
	memcpy(ret, wrapped + WRAP_HALF, BOX_KEY_BYTES);
	for (unsigned step = WRAP_ROUNDS * WRAP_HALVES; ok && step-- > 0;)
		ok = wrap_step(k, false, step + 1, a, ret + WRAP_HALF * (step % WRAP_HALVES));
	EVP_CIPHER_CTX_reset(k->ctx);
	ok = ok && CRYPTO_memcmp(a, wrap_check, WRAP_HALF) == 0;
	if (!ok)
		wipe(ret, BOX_KEY_BYTES);
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
	if (!wrap(k, fresh, key.wrapped))
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
	if (!unwrap(k, key->wrapped, raw))
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
