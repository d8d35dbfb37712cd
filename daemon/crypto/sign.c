#include "crypto/sign.h"

#include "crypto/digest.h"
#include "crypto/internal.h"

#define KNOWN_SIGNATURES 256 /* a power of two */

/* What was verified lately: a checkpoint comes with each batch, record and Hello that rests on it.
 * A digest of key, signature and message that was put here cannot be met by others. Each is at its
 * own first byte; zero: none. */
static struct digest known_signatures[KNOWN_SIGNATURES];

struct verify_key {
	EVP_PKEY *pkey;
	EVP_MD_CTX *ctx; /* re-initialised for each signature, which is faster than a new one */
	uint8_t raw[ED25519_PUBLIC_BYTES];
};

struct seal_key {
	struct verify_key *public;
	EVP_PKEY *pkey;
	EVP_MD_CTX *ctx;
};

DEFINE_FREEP(BN_CTX, BN_CTX_free)

/* p = 2^255 - 19 and the curve's d, as in RFC 8032 section 5.1. */
static const char field_prime[] =
	"7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed";
static const char curve_d[] = "52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3";

/* y of the points of order 1, 2, 4 and 8. */
static const char *const small_order_y[] = {
	"0",
	"1",
	"7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffec",
	"05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826",
	"7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7",
};

/* NULL: out of memory, as after each call here. */
static BIGNUM *bn_from_hex(BN_CTX *ctx, const char *hex)
{
	BIGNUM *bn = BN_CTX_get(ctx);

	return bn && BN_hex2bn(&bn, hex) ? bn : NULL;
}

/*
 * Is (y^2 - 1) / (d y^2 + 1) a square? Equally: is their product one.
 *
 * @return 1 or 0; below: out of memory
 */
static int y_is_on_curve(BN_CTX *ctx, const BIGNUM *y, const BIGNUM *p)
{
	BIGNUM *d = bn_from_hex(ctx, curve_d);
	BIGNUM *u = BN_CTX_get(ctx);
	BIGNUM *v = BN_CTX_get(ctx);
	int symbol;

	if (!d || !u || !v || !BN_mod_sqr(u, y, p, ctx) || !BN_mod_mul(v, d, u, p, ctx) ||
	    !BN_sub_word(u, 1) || !BN_add_word(v, 1) || !BN_mod_mul(u, u, v, p, ctx))
		return -1;
	symbol = BN_kronecker(u, p, ctx);
	return symbol < -1 ? -1 : symbol == 1;
}

static int y_is_of_small_order(BN_CTX *ctx, const BIGNUM *y)
{
	for (size_t i = 0; i < ARRAY_LEN(small_order_y); i++) {
		const BIGNUM *small = bn_from_hex(ctx, small_order_y[i]);

		if (!small)
			return -1;
		if (BN_cmp(y, small) == 0)
			return 1;
	}
	return 0;
}

/*
 * OpenSSL takes any 32 bytes. A key of small order would verify one signature for many messages,
 * so that its owner could deny what it signed; a signature is evidence here.
 *
 * @return 1 or 0; below: out of memory
 */
static int point_is_safe(const uint8_t raw[ED25519_PUBLIC_BYTES])
{
	CLEANUP(BN_CTX_freep) BN_CTX *ctx = BN_CTX_new();
	uint8_t bytes[ED25519_PUBLIC_BYTES];
	BIGNUM *p, *y;
	int is_small, safe = -1;

	if (!ctx)
		return -1;
	BN_CTX_start(ctx);
	p = bn_from_hex(ctx, field_prime);
	memcpy(bytes, raw, sizeof(bytes));
	bytes[31] &= 0x7f; /* the sign of x */
	y = BN_CTX_get(ctx);
	if (p && y && BN_lebin2bn(bytes, sizeof(bytes), y)) {
		safe = BN_cmp(y, p) < 0 ? y_is_on_curve(ctx, y, p) : 0;
		is_small = y_is_of_small_order(ctx, y);
		if (safe > 0)
			safe = is_small < 0 ? -1 : !is_small;
	}
	BN_CTX_end(ctx);
	return safe;
}

enum err verify_key_new(struct view raw, struct verify_key **ret)
{
	CLEANUP(verify_key_freep) struct verify_key *k = NULL;
	int safe;

	if (raw.n != ED25519_PUBLIC_BYTES)
		return err_new(ERR_FORMAT, "an Ed25519 key has 32 bytes, not %zu", raw.n);
	safe = point_is_safe(raw.p);
	if (safe < 0)
		return err_openssl(ERR_NOMEM, "checking a key");
	if (!safe)
		return err_new(ERR_FORMAT, "not a usable Ed25519 key");
	k = calloc(1, sizeof(*k));
	if (!k)
		return err_new(ERR_NOMEM, "key");
	memcpy(k->raw, raw.p, sizeof(k->raw));
	k->pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, raw.p, raw.n);
	k->ctx = EVP_MD_CTX_new();
	if (!k->pkey || !k->ctx)
		return err_openssl(ERR_CRYPTO, "public key");
	*ret = TAKE(k);
	return ERR_OK;
}

void verify_key_free(struct verify_key *k)
{
	if (!k)
		return;
	EVP_MD_CTX_free(k->ctx);
	EVP_PKEY_free(k->pkey);
	free(k);
}

void verify_key_raw(const struct verify_key *k, uint8_t ret[ED25519_PUBLIC_BYTES])
{
	memcpy(ret, k->raw, ED25519_PUBLIC_BYTES);
}

struct digest verify_key_fingerprint(const struct verify_key *k)
{
	/* SEQUENCE { SEQUENCE { OID 1.3.101.112 }, BIT STRING }, RFC 8410 section 4 */
	static const uint8_t spki[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
				       0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
	const struct view parts[] = {view_of(spki, sizeof(spki)), view_of(k->raw, sizeof(k->raw))};

	return sha256_parts(parts, ARRAY_LEN(parts));
}

enum err verify_key_check(const struct verify_key *k, struct view message, struct view signature)
{
	const struct view all[] = {view_of(k->raw, sizeof(k->raw)), signature, message};
	struct digest digest, *known;
	int ok;

	if (signature.n != ED25519_SIGNATURE_BYTES)
		return err_new(ERR_SIGNATURE, "a signature has 64 bytes, not %zu", signature.n);
	digest = sha256_parts(all, ARRAY_LEN(all));
	known = &known_signatures[digest.b[0] % KNOWN_SIGNATURES];
	if (digest_eq(known, &digest))
		return ERR_OK;
	if (!EVP_DigestVerifyInit(k->ctx, NULL, NULL, NULL, k->pkey))
		return err_openssl(ERR_CRYPTO, "Ed25519");
	ok = EVP_DigestVerify(k->ctx, signature.p, signature.n, message.p, message.n);
	if (ok != 1)
		return err_openssl(ERR_SIGNATURE, "signature does not verify");
	*known = digest;
	return ERR_OK;
}

enum err verify_key_from_pkey(const EVP_PKEY *pkey, struct verify_key **ret)
{
	uint8_t raw[ED25519_PUBLIC_BYTES];
	size_t n = sizeof(raw);
	enum err e;

	if (EVP_PKEY_get_base_id(pkey) != EVP_PKEY_ED25519)
		return err_new(ERR_FORMAT, "not an Ed25519 key");
	if (!EVP_PKEY_get_raw_public_key(pkey, raw, &n))
		return err_openssl(ERR_CRYPTO, "public key");
	e = verify_key_new(view_of(raw, n), ret);
	if (e)
		return err_trace(e);
	return ERR_OK;
}

/* Takes over @p pkey, also on failure. */
static enum err seal_key_from_pkey(EVP_PKEY *pkey, struct seal_key **ret)
{
	CLEANUP(EVP_PKEY_freep) EVP_PKEY *own = pkey;
	CLEANUP(seal_key_freep) struct seal_key *k = calloc(1, sizeof(*k));
	enum err e;

	if (!k)
		return err_new(ERR_NOMEM, "key");
	e = verify_key_from_pkey(own, &k->public);
	if (e)
		return err_trace(e);
	k->ctx = EVP_MD_CTX_new();
	if (!k->ctx)
		return err_new(ERR_NOMEM, "key");
	k->pkey = TAKE(own);
	*ret = TAKE(k);
	return ERR_OK;
}

enum err seal_key_from_pem(struct view pem, struct seal_key **ret)
{
	EVP_PKEY *pkey = pkey_from_pem(pem);
	enum err e;

	if (!pkey)
		return err_openssl(ERR_CONFIG, "seal key: not an unencrypted private key in PEM");
	e = seal_key_from_pkey(pkey, ret);
	if (e == ERR_FORMAT)
		return err_new(ERR_CONFIG, "seal key: must be an Ed25519 key");
	if (e)
		return err_trace(e);
	return ERR_OK;
}

enum err seal_key_from_seed(const uint8_t seed[32], struct seal_key **ret)
{
	EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);
	enum err e;

	if (!pkey)
		return err_openssl(ERR_CRYPTO, "seal key");
	e = seal_key_from_pkey(pkey, ret);
	if (e)
		return err_trace(e);
	return ERR_OK;
}

void seal_key_free(struct seal_key *k)
{
	if (!k)
		return;
	verify_key_free(k->public);
	EVP_MD_CTX_free(k->ctx);
	EVP_PKEY_free(k->pkey);
	free(k);
}

const struct verify_key *seal_key_public(const struct seal_key *k)
{
	return k->public;
}

enum err seal_key_sign(const struct seal_key *k, struct view message,
		       uint8_t ret[ED25519_SIGNATURE_BYTES])
{
	uint8_t signature[ED25519_SIGNATURE_BYTES];
	size_t n = sizeof(signature);

	if (!EVP_DigestSignInit(k->ctx, NULL, NULL, NULL, k->pkey) ||
	    !EVP_DigestSign(k->ctx, signature, &n, message.p, message.n) || n != sizeof(signature))
		return err_openssl(ERR_CRYPTO, "signature");
	memcpy(ret, signature, sizeof(signature));
	return ERR_OK;
}
