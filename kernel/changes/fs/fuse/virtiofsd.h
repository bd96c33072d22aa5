/* SPDX-License-Identifier: GPL-2.0 */
/* Included by fuse_i.h; see virtiofsd.c. */
struct fuse_mount;
struct fuse_args;

/* What fuse_simple_request() was. */
ssize_t fuse_ask_once(struct fuse_mount *fm, struct fuse_args *args);
