#include "crypto/fingerprint.h"

#include <limits.h>
#include <stdlib.h>

#include "crypto/digest.h"
#include "crypto/internal.h"

/* the NUL at its end is part of what is hashed */
static const char domain[] = "amparo/v1/fingerprint";
static const uint8_t nonce[12];

struct fingerprinter {
	EVP_CIPHER_CTX *ctx; /* with the key; each fingerprint begins by setting the nonce */
};

enum err fingerprinter_new(const struct secret *node_key, struct fingerprinter **ret)
{
	CLEANUP(fingerprinter_freep) struct fingerprinter *f = calloc(1, sizeof(*f));
	struct digest key;
	bool ok;

	if (!f)
		return err_new(ERR_NOMEM, "fingerprints");
	f->ctx = EVP_CIPHER_CTX_new();
	if (!f->ctx)
		return err_new(ERR_NOMEM, "fingerprints");
	key = sha256_parts((struct view[]){view_of(domain, sizeof(domain)), secret_view(node_key)},
			   2);
	ok = EVP_EncryptInit_ex2(f->ctx, crypto_algorithms()->aes_256_gcm, key.b, nonce, NULL);
	wipe(&key, sizeof(key));
	if (!ok)
		return err_openssl(ERR_CRYPTO, "GMAC");
	*ret = TAKE(f);
	return ERR_OK;
}

void fingerprinter_free(struct fingerprinter *f)
{
	if (!f)
		return;
	EVP_CIPHER_CTX_free(f->ctx);
	free(f);
}

enum err fingerprint_make(struct fingerprinter *f, const struct view *parts, size_t n_parts,
			  struct fingerprint *ret)
{
	bool ok = EVP_EncryptInit_ex2(f->ctx, NULL, NULL, nonce, NULL);
	uint8_t none[1];
	int n;

	for (size_t i = 0; ok && i < n_parts; i++) {
		if (parts[i].n > INT_MAX)
			return err_new(ERR_LIMIT, "%zu bytes at once", parts[i].n);
		ok = parts[i].n == 0 ||
		     EVP_EncryptUpdate(f->ctx, NULL, &n, parts[i].p, (int)parts[i].n);
	}
	ok = ok && EVP_EncryptFinal_ex(f->ctx, none, &n) &&
	     EVP_CIPHER_CTX_ctrl(f->ctx, EVP_CTRL_AEAD_GET_TAG, FINGERPRINT_BYTES, ret->b) == 1;
	return ok ? ERR_OK : err_openssl(ERR_CRYPTO, "GMAC");
}
