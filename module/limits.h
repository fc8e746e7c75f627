/* SPDX-License-Identifier: GPL-2.0 */
/* Every limit of the module. INFO shows them. */
#ifndef WF_LIMITS_H
#define WF_LIMITS_H

#define WF_MAX_VIEWS	1024		/* of a process at a time: ENOSPC */
#define WF_MAX_LIVE	2048		/* the same and those deleted with threads in them: ENOSPC */
#define WF_MAX_OVERLAYS	262144		/* pages of one view: ENOSPC */
#define WF_MAX_RANGES	1024		/* pinned ranges of a process: ENOSPC */
#define WF_MAX_SEGS	1024		/* segments of one write or read: E2BIG */
#define WF_MAX_IO	(16UL << 20)	/* bytes of one write or read: E2BIG */
#define WF_MAX_EVENTS	1024		/* records waiting on one handle: WFPATCH_EVENT_OVERFLOW */
#define WF_MAX_LIST	65536U		/* threads that LIST_THREADS shows; more are counted only */
#define WF_MAX_SPANS	4096		/* spans of one transition: E2BIG */
#define WF_MAX_STACK	(256UL << 20)	/* bytes of one stack that an AUTO transition reads */

/* Where MAP puts an image that may lie anywhere near an address. */
#define WF_MAP_LOWEST		(64UL << 10)		/* or mmap_min_addr, if that is higher */
#define WF_MAP_STACK_ROOM	(129UL << 20)		/* below a stack that grows down */
#define WF_MAP_HEAP_ROOM	(1UL << 30)		/* above the heap, if there is room elsewhere */

/* Short of memory, MAP tries so often, and so far apart, to take back what it cannot tell of. */
#define WF_MAP_UNDO_TRIES	100
#define WF_MAP_UNDO_MS		20

/* Callers of an older interface (WFPATCH_API_VERSION) than this are told so: EPROTONOSUPPORT. */
#ifndef WF_OLDEST_CALLER
#define WF_OLDEST_CALLER	1
#endif

/* Private tables of pages that are worked on before the view lock is dropped for a moment. */
#define WF_REVALIDATE_BUDGET	4

#endif
