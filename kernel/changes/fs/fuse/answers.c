// SPDX-License-Identifier: GPL-2.0
/*
 * Who asks the server of the shares looks for the answer for a while before it sleeps. Included by
 * virtio_fs.c.
 *
 * Most answers come in less time than it takes to put a processor to sleep and to wake it, through
 * an interrupt, a worker and the one who waits; most of all an emulated one.
 */
#include <linux/moduleparam.h>
#include <linux/sched/clock.h>

/* How long, in microseconds; 0: not at all. On the command line virtiofs.look_for_answers. */
static unsigned int look_for_answers = 200;
module_param(look_for_answers, uint, 0644);

/* And the others' requests must not be held up, and may be made where nobody may look for long. */
static bool is_waited_for(const struct fuse_req *req)
{
	return test_bit(FR_ISREPLY, &req->flags) && !test_bit(FR_BACKGROUND, &req->flags) &&
	       !test_bit(FR_ASYNC, &req->flags) && !req->args->may_block;
}

/* The queue stays until stop_looking(). False: it is going. seen: what it has of answers by now. */
static bool start_looking(struct virtio_fs_vq *fsvq, unsigned int *seen)
{
	bool connected;

	spin_lock(&fsvq->lock);
	connected = fsvq->connected;
	if (connected) {
		inc_in_flight_req(fsvq);
		*seen = virtqueue_enable_cb_prepare(fsvq->vq);
		virtqueue_disable_cb(fsvq->vq);
	}
	spin_unlock(&fsvq->lock);
	return connected;
}

/* Takes what answers there are; for later ones there are interrupts again. */
static void stop_looking(struct virtio_fs_vq *fsvq)
{
	virtio_fs_requests_done_work(&fsvq->done_work);
	spin_lock(&fsvq->lock);
	dec_in_flight_req(fsvq);
	spin_unlock(&fsvq->lock);
}

static int enqueue_and_look(struct virtio_fs_vq *fsvq, struct fuse_req *req)
{
	const u64 end = local_clock() + (u64)look_for_answers * NSEC_PER_USEC;
	unsigned int seen;
	int result;

	if (!look_for_answers || !is_waited_for(req) || !start_looking(fsvq, &seen))
		return virtio_fs_enqueue_req(fsvq, req, false);
	result = virtio_fs_enqueue_req(fsvq, req, false);
	/* No cpu_relax(): with a pause an emulated processor leaves its translated code. */
	while (result == 0 && !virtqueue_poll(fsvq->vq, seen) && !need_resched() &&
	       local_clock() < end)
		barrier();
	stop_looking(fsvq);
	return result;
}
