/**
 * @file
 * The parent's life once all is read: the two children, until they end.
 */
#ifndef PARENT_SERVE_H
#define PARENT_SERVE_H

#include "config/config.h"
#include "parent/material.h"

/**
 * Bind, start gate and vault, hand over, serve.
 *
 * @param file      path of the configuration as given
 * @param material  wiped as soon as it is handed over
 * @return the exit code: 0 after a stop that was asked for
 */
int serve(const char *file, const struct config *c, struct material *material);

#endif
