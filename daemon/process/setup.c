#include "process/setup.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/secret.h"
#include "wire/frame.h"

/* A buffer that held keys. */
static void secret_buf_fini(struct buf *b)
{
	if (b->data)
		wipe(b->data, b->cap);
	buf_fini(b);
}

static enum err write_all(int fd, struct view v)
{
	while (v.n > 0) {
		ssize_t n = send(fd, v.p, v.n, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_new(ERR_IO, "send to a child: errno %d", errno);
		v.p += n;
		v.n -= (size_t)n;
	}
	return ERR_OK;
}

static enum err read_all(int fd, uint8_t *p, size_t n_wanted)
{
	while (n_wanted > 0) {
		ssize_t n = read(fd, p, n_wanted);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_new(ERR_IO, "the parent is gone: errno %d", n < 0 ? errno : 0);
		p += n;
		n_wanted -= (size_t)n;
	}
	return ERR_OK;
}

enum err setup_send(int fd, const void *message)
{
	CLEANUP(secret_buf_fini) struct buf out;
	enum err e;

	/* frame_put_relay() reserves the whole at once, so no copy is left behind by growing. */
	buf_init(&out, 0);
	e = frame_put_relay(&out, message);
	if (e)
		return err_trace(e);
	return write_all(fd, buf_view(&out));
}

enum err setup_receive(int fd, const ProtobufCMessageDescriptor *desc, void *ret)
{
	CLEANUP(secret_buf_fini) struct buf in;
	uint8_t head[FRAME_HEAD_BYTES];
	uint8_t *body;
	uint32_t n;
	enum err e;

	buf_init(&in, FRAME_RELAY_MAX);
	e = read_all(fd, head, sizeof(head));
	if (e)
		return err_trace(e);
	n = get_u32be(head);
	e = buf_reserve(&in, n, &body);
	if (!e)
		e = read_all(fd, body, n);
	if (e)
		return err_trace(e);
	return message_decode(desc, view_of(body, n), MESSAGE_STRICT, ret);
}

void setup_wipe(ProtobufCBinaryData *field)
{
	if (field->data)
		wipe(field->data, field->len);
}

/* Room for one descriptor beside the byte that carries it. */
union fd_control {
	struct cmsghdr header;
	char room[CMSG_SPACE(sizeof(int))];
};

enum err setup_send_fd(int fd, int passed)
{
	char byte = 'L';
	struct iovec one = {.iov_base = &byte, .iov_len = 1};
	union fd_control control = {0};
	struct msghdr m = {
		.msg_iov = &one,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &passed, sizeof(int));
	if (sendmsg(fd, &m, MSG_NOSIGNAL) != 1)
		return err_new(ERR_IO, "pass a descriptor: errno %d", errno);
	return ERR_OK;
}

enum err setup_receive_fd(int fd, int *ret)
{
	char byte;
	struct iovec one = {.iov_base = &byte, .iov_len = 1};
	union fd_control control = {0};
	struct msghdr m = {
		.msg_iov = &one,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room),
	};
	struct cmsghdr *c;

	if (recvmsg(fd, &m, MSG_CMSG_CLOEXEC) != 1)
		return err_new(ERR_IO, "take a descriptor: errno %d", errno);
	c = CMSG_FIRSTHDR(&m);
	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
	    c->cmsg_len != CMSG_LEN(sizeof(int)))
		return err_new(ERR_FORMAT, "no descriptor came");
	memcpy(ret, CMSG_DATA(c), sizeof(int));
	return ERR_OK;
}
