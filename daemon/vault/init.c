/* `amparod --init`: the files of a new node, all or none. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/secret.h"
#include "crypto/box.h"
#include "crypto/random.h"
#include "vault/keys.h"
#include "vault/last_signed.h"

static enum err make_folder(const char *path)
{
	struct stat st;

	if (mkdir(path, 0700) == 0)
		return ERR_OK;
	if (errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return ERR_OK;
	return err_new(ERR_CONFIG, "%s cannot be made: errno %d", path, errno);
}

static enum err refuse_if_there(const char *path)
{
	struct stat st;

	if (lstat(path, &st) == 0)
		return err_new(ERR_EXISTS,
			       "%s is there already: this node was made before. Another node needs "
			       "paths of its own; to begin anew, move all its files away",
			       path);
	return ERR_OK;
}

static enum err write_key_file(const char *path, const char *text, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	enum err e = ERR_OK;

	if (fd < 0)
		return err_new(errno == EEXIST ? ERR_EXISTS : ERR_CONFIG,
			       "%s cannot be made: errno %d", path, errno);
	if (write(fd, text, n) != (ssize_t)n || fsync(fd) != 0)
		e = err_new(ERR_IO, "%s: errno %d", path, errno);
	(void)close(fd);
	if (e)
		(void)unlink(path);
	return e;
}

/** 32 random bytes, as hex in the file. */
static enum err make_node_key(struct vault_keys *k)
{
	uint8_t key[BOX_KEY_BYTES];
	char text[HEX_LEN(sizeof(key))];
	enum err e = random_bytes(key, sizeof(key));

	if (!e)
		e = secret_new(view_of(key, sizeof(key)), &k->node_key);
	if (!e) {
		hex_encode(view_of(key, sizeof(key)), text);
		text[sizeof(text) - 1] = '\n';
		e = write_key_file(k->setup->node_key_path, text, sizeof(text));
	}
	wipe(key, sizeof(key));
	wipe(text, sizeof(text));
	return e;
}

static enum err port_last_signed(void *ctx, struct view newest, struct view previous)
{
	return last_signed_write(ctx, newest, previous);
}

static enum err port_signed_sync(void *ctx)
{
	return last_signed_sync(ctx);
}

static enum err make_database(struct vault_keys *k)
{
	CLEANUP(last_signed_closep) struct last_signed *l = NULL;
	struct node_options options = vault_keys_options(k);
	enum err e = last_signed_open(k->setup->last_signed_path, &l);

	if (e)
		return err_trace(e);
	options.port.ctx = l;
	options.port.last_signed = port_last_signed;
	options.port.signed_sync = port_signed_sync;
	return node_init(&options);
}

static void remove_database(const struct vault_keys *k)
{
	static const char *const suffix[] = {"", "-wal", "-shm", "-journal"};

	for (size_t i = 0; i < ARRAY_LEN(suffix); i++) {
		CLEANUP(buf_fini) struct buf path = {0};

		if (!buf_printf(&path, "%s%s", k->database, suffix[i]) && !buf_put_u8(&path, 0))
			(void)unlink((const char *)buf_data(&path));
	}
}

enum err vault_init(struct vault_keys *k)
{
	const struct pb_vault_setup *s = k->setup;
	enum err e = refuse_if_there(k->database);

	if (!e)
		e = refuse_if_there(s->node_key_path);
	if (!e)
		e = refuse_if_there(s->last_signed_path);
	if (!e)
		e = make_folder(s->data_dir);
	if (!e)
		e = make_node_key(k);
	if (e)
		return err_trace(e);
	e = last_signed_create(s->last_signed_path);
	if (!e) {
		e = make_database(k);
		if (!e)
			return ERR_OK;
		remove_database(k);
		(void)unlink(s->last_signed_path);
	}
	(void)unlink(s->node_key_path);
	return e;
}
