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

/* Callers of an older interface (WFPATCH_API_VERSION) than this are told so: EPROTONOSUPPORT. */
#ifndef WF_OLDEST_CALLER
#define WF_OLDEST_CALLER	1
#endif

/* Private tables of pages that are worked on before the view lock is dropped for a moment. */
#define WF_REVALIDATE_BUDGET	4

#endif
