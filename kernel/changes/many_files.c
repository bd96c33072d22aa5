// SPDX-License-Identifier: GPL-2.0
/*
 * More files than the server of a share may hold open. Included by dev.c, behind ask_once(), which
 * was fuse_simple_request().
 *
 * virtiofsd holds a descriptor of each file that this machine knows of, and this machine knows files
 * as long as it has memory for them. When the host's limit is reached, what nobody here uses is
 * forgotten, and the same is asked again.
 */

/* The server closes what it is told to forget one after the other; in jiffies. */
#define LEAST_PAUSE 1
#define GREATEST_PAUSE (HZ / 16)
#define MOST_PAUSES 20

static bool is_full(struct fuse_mount *fm, ssize_t answer)
{
	return (answer == -EMFILE || answer == -ENFILE) && fm->sb &&
	       !strcmp(fm->sb->s_type->name, "virtiofs");
}

/* Of all mounts that the server serves. As when memory is short, which may be any time. */
static void forget_what_is_unused(struct fuse_conn *fc)
{
	struct fuse_mount *fm;

	/* Who unmounts one of them now forgets it, too. */
	if (!down_read_trylock(&fc->killsb))
		return;
	list_for_each_entry(fm, &fc->mounts, fc_entry)
		if (fm->sb)
			shrink_dcache_sb(fm->sb);
	up_read(&fc->killsb);
}

ssize_t fuse_simple_request(struct fuse_mount *fm, struct fuse_args *args)
{
	const struct fuse_args asked = *args; /* the answer changes sizes in it */
	long pause = LEAST_PAUSE;
	ssize_t answer = ask_once(fm, args);
	int pauses;

	for (pauses = 0; is_full(fm, answer) && pauses < MOST_PAUSES; ++pauses) {
		forget_what_is_unused(fm->fc);
		schedule_timeout_killable(pause);
		if (fatal_signal_pending(current))
			break;
		pause = min_t(long, 2 * pause, GREATEST_PAUSE);
		*args = asked;
		answer = ask_once(fm, args);
	}
	return answer;
}
