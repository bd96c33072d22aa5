// SPDX-License-Identifier: GPL-2.0
/*
 * How much is reported as free, and when. Included by page_reporting.c.
 *
 * With a block of free pages the host is given back the kernel's records of these pages (struct
 * page), too, which are made anew when the block is used. Otherwise each GiB that was used once costs
 * the host 16 MiB for good. The first page of a block's records stays: the free lists lead through
 * it. The rest is zeros meanwhile, which say to whoever walks through all pages that nobody has a
 * reference to this one: as is true.
 */
#include <linux/moduleparam.h>

/* On the command line page_reporting.records=0: they stay. */
static bool records = true;
module_param(records, bool, 0644);

#define KEPT_RECORDS (PAGE_SIZE / sizeof(struct page))

/* False: they are too few, or do not lie together. */
static bool find_records(struct page *page, unsigned int order, struct scatterlist *found)
{
	char *begin = (char *)(page + KEPT_RECORDS);
	char *last = (char *)(page + (1UL << order)) - PAGE_SIZE;
	phys_addr_t at;

	if (order < pageblock_order)
		return false;
	at = slow_virt_to_phys(begin);
	if (!PAGE_ALIGNED(at) || slow_virt_to_phys(last) - at != last - begin)
		return false;
	sg_set_page(found, pfn_to_page(PHYS_PFN(at)), last - begin + PAGE_SIZE, 0);
	return true;
}

/* The blocks are nobody's meanwhile: neither free nor in use. */
static int report_with_records(struct page_reporting_dev_info *prdev, struct scatterlist *blocks,
			       unsigned int count)
{
	static struct scatterlist found[PAGE_REPORTING_CAPACITY]; /* one report at a time */
	const int error = prdev->report(prdev, blocks, count);
	unsigned int entries = 0;
	struct scatterlist *block;
	unsigned int number;

	if (error || !records)
		return error;
	sg_init_table(found, PAGE_REPORTING_CAPACITY);
	for_each_sg(blocks, block, count, number)
		if (find_records(sg_page(block), get_order(block->length), &found[entries]))
			++entries;
	if (entries) {
		sg_mark_end(&found[entries - 1]);
		/* Where it fails, they are what they were. */
		prdev->report(prdev, found, entries);
	}
	return 0;
}

/* As those of free pages within a block. The caller holds the zone's lock. */
static void make_records_anew(struct page *page, unsigned int order)
{
	const unsigned long place = page->flags & ~((1UL << NR_PAGEFLAGS) - 1); /* zone and node */
	struct page *const end = page + (1UL << order);
	struct page *record;

	for (record = page + KEPT_RECORDS; record < end; ++record) {
		mm_zero_struct_page(record);
		record->flags = place;
		page_mapcount_reset(record);
		INIT_LIST_HEAD(&record->lru);
	}
}

void page_reporting_take(struct page *page, unsigned int order)
{
	__ClearPageReported(page);
	make_records_anew(page, order);
}

/* The round had its share of blocks, and left others. */
static bool left_some;

static unsigned long next_round(void)
{
	const unsigned long delay = left_some ? HZ / 2 : PAGE_REPORTING_DELAY;

	left_some = false;
	return delay;
}

/*
 * A machine that has freed no more blocks since the last round rests, and reports smaller ones once:
 * then there is no hurry, and what is free in a block that somebody still uses a little of may be
 * most of it.
 */
#define REST (2 * HZ)
#define LEAST_ORDER_AT_REST 5U

static bool rests;

static unsigned int least_order(void)
{
	return rests ? min(page_reporting_order, LEAST_ORDER_AT_REST) : page_reporting_order;
}
