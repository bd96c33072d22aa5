// SPDX-License-Identifier: GPL-2.0
/*
 * What virtiofsd (QEMU 7.2's) needs of who asks it. Included by virtio_fs.c.
 *
 * It holds a descriptor of each file that this machine knows of, and this machine knows files as
 * long as it has memory for them. So what nobody uses is forgotten in time, or at least when the
 * server says that it is full.
 *
 * And it removes and renames only what it knows. Where another machine, or the host, has put
 * another file in a file's place, it says EIO: the name has to be looked up anew.
 */

/* Descriptors of the server, by the mount option max_files; 0: not known. A machine has one server. */
static unsigned int max_files;

/* How often a server that cannot answer now is asked. */
#define MOST_TRIES 4

static unsigned long unused_files(struct fuse_conn *fc)
{
	struct fuse_mount *fm;
	unsigned long count = 0;

	list_for_each_entry(fm, &fc->mounts, fc_entry)
		if (fm->sb)
			count += list_lru_count(&fm->sb->s_dentry_lru);
	return count;
}

/* If there are more than so many. As when memory is short, which may be any time. */
static void forget_unused_files(struct fuse_conn *fc, unsigned long limit)
{
	struct fuse_mount *fm;

	/* Who unmounts now forgets, too. */
	if (!down_read_trylock(&fc->killsb))
		return;
	if (unused_files(fc) > limit)
		list_for_each_entry(fm, &fc->mounts, fc_entry)
			if (fm->sb)
				shrink_dcache_sb(fm->sb);
	up_read(&fc->killsb);
}

/* It closes one after the other: until so many are left to close, for a second at most. */
static void wait_for_server(struct fuse_conn *fc, unsigned long limit)
{
	struct virtio_fs *fs = fc->iq.priv;
	const unsigned long end = jiffies + HZ;

	while (READ_ONCE(fs->vqs[VQ_HIPRIO].in_flight) > limit && time_before(jiffies, end) &&
	       !fatal_signal_pending(current))
		schedule_timeout_killable(1);
}

/* Else a name that the first question made would be refused to the second. */
static bool may_be_asked_again(const struct fuse_args *args)
{
	const struct fuse_create_in *create = args->in_args[0].value;

	switch (args->opcode) {
	case FUSE_MKNOD:
	case FUSE_MKDIR:
	case FUSE_SYMLINK:
	case FUSE_LINK:
		return false;
	case FUSE_CREATE:
		return !(create->flags & O_EXCL);
	default:
		return true;
	}
}

/* Full, or what was to be made was there, and then was not: another machine has made and removed it. */
static bool cannot_answer_now(const struct fuse_args *args, ssize_t answer)
{
	return answer == -EMFILE || answer == -ENFILE ||
	       (answer == -ENOENT && args->opcode == FUSE_CREATE);
}

static ssize_t ask_until_answered(struct fuse_mount *fm, struct fuse_args *args)
{
	const struct fuse_args asked = *args; /* the answer changes sizes in it */
	ssize_t answer;
	int tries;

	if (max_files) {
		forget_unused_files(fm->fc, max_files / 4);
		wait_for_server(fm->fc, max_files / 8);
	}
	answer = fuse_ask_once(fm, args);
	for (tries = 1; cannot_answer_now(&asked, answer) && may_be_asked_again(&asked) &&
			tries < MOST_TRIES; ++tries) {
		if (answer != -ENOENT) {
			forget_unused_files(fm->fc, 0);
			wait_for_server(fm->fc, 0);
		}
		*args = asked;
		answer = fuse_ask_once(fm, args);
	}
	return answer;
}

static bool removes_a_name(const struct fuse_args *args)
{
	return args->opcode == FUSE_UNLINK || args->opcode == FUSE_RMDIR ||
	       args->opcode == FUSE_RENAME || args->opcode == FUSE_RENAME2;
}

ssize_t fuse_simple_request(struct fuse_mount *fm, struct fuse_args *args)
{
	ssize_t answer;

	/* Of file systems with servers in this machine there may be others. */
	if (!fm->fc->auto_submounts)
		return fuse_ask_once(fm, args);
	answer = ask_until_answered(fm, args);
	/* Who called the kernel for it looks up the names anew, and asks once more. */
	return answer == -EIO && removes_a_name(args) ? -ESTALE : answer;
}
