// SPDX-License-Identifier: GPL-2.0
/*
 * Locks of files that other machines use, too. Included by file.c, whose file operations these are.
 *
 * virtiofsd has no thread to spare for who waits, so a lock of a virtiofs file is asked for until it
 * is free. And as with NFS, a lock is a border for what is cached: who gets it sees what others
 * wrote, and what was written under it is with the host before it goes.
 */

u64 fuse_locked_at;

/* Between two questions, in jiffies. Who closes or unlocks the file in this machine ends it. */
#define LEAST_PAUSE 1
#define GREATEST_PAUSE (HZ / 16)

static bool is_shared(struct file *file)
{
	struct inode *inode = file_inode(file);

	return !get_fuse_conn(inode)->no_lock && !strcmp(inode->i_sb->s_type->name, "virtiofs");
}

/* Mappings' pages; what write(2) got is there already. */
static void write_what_is_cached(struct inode *inode)
{
	filemap_write_and_wait(inode->i_mapping);
	inode_lock(inode);
	fuse_sync_writes(inode);
	inode_unlock(inode);
}

/* Pages, attributes, names. The version makes answers void that are under way. */
static void forget_what_is_cached(struct inode *inode)
{
	struct fuse_inode *fi = get_fuse_inode(inode);

	WRITE_ONCE(fuse_locked_at, get_jiffies_64());
	spin_lock(&fi->lock);
	fi->attr_version = atomic64_inc_return(&get_fuse_conn(inode)->attr_version);
	spin_unlock(&fi->lock);
	invalidate_inode_pages2(inode->i_mapping);
}

static int set_lock(struct file *file, struct file_lock *fl, int flock)
{
	struct inode *inode = file_inode(file);
	wait_queue_head_t *queue = &get_fuse_inode(inode)->page_waitq;
	const unsigned int flags = fl->fl_flags;
	DEFINE_WAIT_FUNC(wait, woken_wake_function);
	long pause = LEAST_PAUSE;
	int err;

	write_what_is_cached(inode);
	fl->fl_flags &= ~FL_SLEEP;
	add_wait_queue(queue, &wait);
	while ((err = fuse_setlk(file, fl, flock)) == -EAGAIN && (flags & FL_SLEEP)) {
		if (!wait_woken(&wait, TASK_INTERRUPTIBLE, pause))
			pause = min_t(long, 2 * pause, GREATEST_PAUSE);
		if (signal_pending(current)) {
			err = -ERESTARTSYS;
			break;
		}
	}
	remove_wait_queue(queue, &wait);
	fl->fl_flags = flags;

	if (!err && fl->fl_type != F_UNLCK)
		forget_what_is_cached(inode);
	/* It went or became weaker. flock gives one up before it asks for a stronger one. */
	if (err || fl->fl_type != F_WRLCK)
		wake_up(queue);
	return err;
}

static int shared_lock(struct file *file, int cmd, struct file_lock *fl)
{
	struct fuse_file *ff = file->private_data;

	if (!is_shared(file))
		return fuse_file_lock(file, cmd, fl);
	if (fl->fl_flags & FL_OFDLCK)
		ff->ofd = true;
	if (cmd == F_GETLK || cmd == F_CANCELLK)
		return fuse_file_lock(file, cmd, fl);
	return set_lock(file, fl, 0);
}

/*
 * Not only where the server announces flock: virtiofsd takes these questions anyway, and would
 * refuse a kernel without this change that believed it.
 */
static int shared_flock(struct file *file, int cmd, struct file_lock *fl)
{
	struct fuse_file *ff = file->private_data;

	if (!is_shared(file))
		return fuse_file_flock(file, cmd, fl);
	ff->flock = true;
	return set_lock(file, fl, 1);
}

static int shared_flush(struct file *file, fl_owner_t id)
{
	const int err = fuse_flush(file, id);

	wake_up(&get_fuse_inode(file_inode(file))->page_waitq);
	return err;
}

static int shared_release(struct inode *inode, struct file *file)
{
	struct fuse_file *ff = file->private_data;
	int err;

	/* The locks of an open file (F_OFD_SETLK) end with it, and nobody else tells the server. */
	if (ff->ofd)
		fuse_flush(file, file);
	err = fuse_release(inode, file);
	wake_up(&get_fuse_inode(inode)->page_waitq);
	return err;
}
