/*
 * OpenSSL is made ready once. It makes all algorithms of one operation (ciphers, digests, key
 * derivation ...) when the first of them is asked for, and never tries again: had it no memory for
 * one at that moment, that one would be missing for as long as the process lives, and no handshake
 * would ever succeed. So each operation that is used begins here, where a failure is an error.
 */
#include <sodium.h>

#include "base/buf.h"
#include "crypto/digest.h"
#include "crypto/internal.h"

/* OpenSSL's private keys live here: locked, between guard pages, not in core files; the seal key
 * has a page of its own (base/secret.h). Ephemeral keys of TLS handshakes are here too (32 bytes
 * each), and OpenSSL does not fall back when it is full. */
#define SECURE_HEAP_BYTES 262144
#define SECURE_HEAP_BLOCK_MIN 32

static struct crypto_algorithms algorithms;

/* Asked for and given back: the library keeps them. */
#define IS_THERE(KIND, name)                                                                       \
	do {                                                                                       \
		KIND *found = KIND##_fetch(NULL, name, NULL);                                      \
                                                                                                   \
		if (!found)                                                                        \
			return err_openssl(ERR_CRYPTO, "OpenSSL lacks " name);                     \
		KIND##_free(found);                                                                \
	} while (0)

/* What TLS 1.3 with our suites, groups and signatures needs, and reading certificates and keys. */
static enum err fetch_for_tls(void)
{
	IS_THERE(EVP_MD, "SHA2-256");
	IS_THERE(EVP_MD, "SHA2-384");
	IS_THERE(EVP_MD, "SHA2-512");
	IS_THERE(EVP_CIPHER, "AES-256-GCM");
	IS_THERE(EVP_CIPHER, "AES-128-GCM");
	IS_THERE(EVP_CIPHER, "CHACHA20-POLY1305");
	IS_THERE(EVP_MAC, "HMAC");
	IS_THERE(EVP_KDF, "HKDF");
	IS_THERE(EVP_KDF, "TLS13-KDF");
	IS_THERE(EVP_RAND, "CTR-DRBG");
	IS_THERE(EVP_KEYMGMT, "EC");
	IS_THERE(EVP_KEYMGMT, "X25519");
	IS_THERE(EVP_KEYMGMT, "ED25519");
	IS_THERE(EVP_KEYEXCH, "ECDH");
	IS_THERE(EVP_KEYEXCH, "X25519");
	IS_THERE(EVP_SIGNATURE, "ECDSA");
	IS_THERE(EVP_SIGNATURE, "ED25519");
	IS_THERE(OSSL_DECODER, "EC");
	IS_THERE(OSSL_DECODER, "ED25519");
	return ERR_OK;
}

enum err crypto_init(void)
{
	enum err e;

	if (algorithms.aes_256_ecb)
		return ERR_OK;
	if (sodium_init() < 0)
		return err_new(ERR_CRYPTO, "libsodium does not start");
	/* No openssl.cnf: no provider, engine or protocol setting from outside this program. */
	if (!OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL))
		return err_openssl(ERR_CRYPTO, "OpenSSL does not start");
	if (!CRYPTO_secure_malloc_initialized() &&
	    !CRYPTO_secure_malloc_init(SECURE_HEAP_BYTES, SECURE_HEAP_BLOCK_MIN))
		return err_openssl(ERR_CRYPTO, "no locked memory for keys");
	e = fetch_for_tls();
	if (e)
		return err_trace(e);
	algorithms.aes_256_gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	algorithms.aes_256_ecb = EVP_CIPHER_fetch(NULL, "AES-256-ECB", NULL);
	if (!algorithms.aes_256_gcm || !algorithms.aes_256_ecb) {
		crypto_fini();
		return err_openssl(ERR_CRYPTO, "OpenSSL lacks AES-256");
	}
	return ERR_OK;
}

void crypto_fini(void)
{
	EVP_CIPHER_free(algorithms.aes_256_ecb);
	EVP_CIPHER_free(algorithms.aes_256_gcm);
	algorithms = (struct crypto_algorithms){0};
}

const struct crypto_algorithms *crypto_algorithms(void)
{
	ASSERT(algorithms.aes_256_ecb);
	return &algorithms;
}
