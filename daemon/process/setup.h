/**
 * @file
 * How the parent hands a child what it needs, before either enters its loop: whole messages and
 * descriptors over their socketpair, blocking. What may hold keys is wiped on both sides.
 */
#ifndef PROCESS_SETUP_H
#define PROCESS_SETUP_H

#include "base/err.h"
#include "wire/message.h"

/**
 * Send one message (struct pb_x *), of at most FRAME_RELAY_MAX bytes; its encoding is wiped.
 *
 * @retval ERR_LIMIT  too long
 * @retval ERR_IO     the child is gone, or took nothing for too long
 */
enum err setup_send(int fd, const void *message) WARN_UNUSED;

/**
 * Receive one message; its encoding is wiped.
 *
 * @param[out] ret  as message_decode()
 * @retval ERR_IO   the parent is gone
 *
 * Owner:   caller frees with message_free(), after setup_wipe() of what is secret in it.
 */
enum err setup_receive(int fd, const ProtobufCMessageDescriptor *desc, void *ret) WARN_UNUSED;

/** Overwrite a bytes field; the field stays. */
void setup_wipe(ProtobufCBinaryData *field);

/** Pass a descriptor on; it stays open here. */
enum err setup_send_fd(int fd, int passed) WARN_UNUSED;

/** Take a descriptor; close-on-exec. @retval ERR_FORMAT none came */
enum err setup_receive_fd(int fd, int *ret) WARN_UNUSED;

#endif
