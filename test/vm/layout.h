/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where the fields of the interface's structs are. compat32 tells it as a 32-bit compiler sees it,
 * compat_test as a 64-bit one does.
 */
#ifndef TEST_LAYOUT_H
#define TEST_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#include "wfpatch.h"

struct layout {
	const char *type;
	const char *field;	/* "" for the whole struct */
	uint32_t offset;	/* of the whole struct: its size */
	uint32_t size;
};

#define LAYOUT_OF(type)		{ #type, "", sizeof(struct type), sizeof(struct type) }
#define LAYOUT_AT(type, field)									\
	{ #type, #field, offsetof(struct type, field), sizeof(((struct type *)0)->field) }

static const struct layout layouts[] = {
	LAYOUT_OF(wfpatch_info),
	LAYOUT_AT(wfpatch_info, api_version),
	LAYOUT_AT(wfpatch_info, max_views),
	LAYOUT_AT(wfpatch_info, features),
	LAYOUT_AT(wfpatch_info, max_segs),
	LAYOUT_AT(wfpatch_info, max_ranges),
	LAYOUT_AT(wfpatch_info, max_io),
	LAYOUT_AT(wfpatch_info, max_overlays),
	LAYOUT_AT(wfpatch_info, nr_views),
	LAYOUT_AT(wfpatch_info, max_live),
	LAYOUT_AT(wfpatch_info, max_events),
	LAYOUT_AT(wfpatch_info, max_list),
	LAYOUT_OF(wfpatch_attach),
	LAYOUT_AT(wfpatch_attach, pidfd),
	LAYOUT_AT(wfpatch_attach, reserved),
	LAYOUT_OF(wfpatch_range),
	LAYOUT_AT(wfpatch_range, addr),
	LAYOUT_AT(wfpatch_range, len),
	LAYOUT_OF(wfpatch_view_create),
	LAYOUT_AT(wfpatch_view_create, parent),
	LAYOUT_AT(wfpatch_view_create, view),
	LAYOUT_OF(wfpatch_view_delete),
	LAYOUT_AT(wfpatch_view_delete, view),
	LAYOUT_AT(wfpatch_view_delete, reserved),
	LAYOUT_OF(wfpatch_view_migrate),
	LAYOUT_AT(wfpatch_view_migrate, view),
	LAYOUT_AT(wfpatch_view_migrate, previous),
	LAYOUT_OF(wfpatch_view_current),
	LAYOUT_AT(wfpatch_view_current, view),
	LAYOUT_AT(wfpatch_view_current, reserved),
	LAYOUT_OF(wfpatch_seg),
	LAYOUT_AT(wfpatch_seg, addr),
	LAYOUT_AT(wfpatch_seg, data),
	LAYOUT_AT(wfpatch_seg, len),
	LAYOUT_OF(wfpatch_view_io),
	LAYOUT_AT(wfpatch_view_io, view),
	LAYOUT_AT(wfpatch_view_io, nr_segs),
	LAYOUT_AT(wfpatch_view_io, segs),
	LAYOUT_OF(wfpatch_view_commit),
	LAYOUT_AT(wfpatch_view_commit, view),
	LAYOUT_AT(wfpatch_view_commit, reserved),
	LAYOUT_OF(wfpatch_span),
	LAYOUT_AT(wfpatch_span, start),
	LAYOUT_AT(wfpatch_span, end),
	LAYOUT_AT(wfpatch_span, flags),
	LAYOUT_AT(wfpatch_span, reserved),
	LAYOUT_OF(wfpatch_transition),
	LAYOUT_AT(wfpatch_transition, view),
	LAYOUT_AT(wfpatch_transition, nr_ranges),
	LAYOUT_AT(wfpatch_transition, ranges),
	LAYOUT_OF(wfpatch_map),
	LAYOUT_AT(wfpatch_map, fd),
	LAYOUT_AT(wfpatch_map, prot),
	LAYOUT_AT(wfpatch_map, addr),
	LAYOUT_AT(wfpatch_map, len),
	LAYOUT_AT(wfpatch_map, offset),
	LAYOUT_OF(wfpatch_view_info),
	LAYOUT_AT(wfpatch_view_info, view),
	LAYOUT_AT(wfpatch_view_info, parent),
	LAYOUT_AT(wfpatch_view_info, flags),
	LAYOUT_AT(wfpatch_view_info, nr_threads),
	LAYOUT_AT(wfpatch_view_info, nr_overlays),
	LAYOUT_OF(wfpatch_thread_info),
	LAYOUT_AT(wfpatch_thread_info, tid),
	LAYOUT_AT(wfpatch_thread_info, view),
	LAYOUT_OF(wfpatch_list),
	LAYOUT_AT(wfpatch_list, nr),
	LAYOUT_AT(wfpatch_list, total),
	LAYOUT_AT(wfpatch_list, entries),
	LAYOUT_OF(wfpatch_event),
	LAYOUT_AT(wfpatch_event, type),
	LAYOUT_AT(wfpatch_event, view),
	LAYOUT_AT(wfpatch_event, previous),
	LAYOUT_AT(wfpatch_event, tid),
	LAYOUT_AT(wfpatch_event, addr),
	LAYOUT_AT(wfpatch_event, count),
	LAYOUT_OF(wfpatch_status),
	LAYOUT_AT(wfpatch_status, seq),
	LAYOUT_AT(wfpatch_status, target),
	LAYOUT_AT(wfpatch_status, nr_views),
	LAYOUT_AT(wfpatch_status, pending),
};

#define NR_LAYOUTS	(sizeof(layouts) / sizeof(layouts[0]))

#endif /* TEST_LAYOUT_H */
