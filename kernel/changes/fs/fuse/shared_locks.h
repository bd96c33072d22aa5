/* SPDX-License-Identifier: GPL-2.0 */
/* Included by fuse_i.h; see shared_locks.c. */
#include <linux/jiffies.h>

/* When this machine last got a lock, in jiffies. */
extern u64 fuse_locked_at;

/*
 * Whether what was to hold until then must be asked for again: also if it was asked for before the
 * last lock. virtiofsd's answers hold for a second (cache=auto); a tick is for rounding.
 */
static inline bool fuse_expired(u64 until)
{
	return time_before64(until, get_jiffies_64()) ||
	       time_before64(until, READ_ONCE(fuse_locked_at) + HZ + 1);
}
