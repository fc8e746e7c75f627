/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * For authors of patches: hooks, and shadow variables. What is included here becomes part of the patch and so
 * of the program that it is applied to; there is no library to link with. C11 or C++11, gcc or clang.
 * docs/writing-patches.md shows the use of both.
 */
#ifndef WFPATCH_PATCH_H
#define WFPATCH_PATCH_H

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- hooks ------------------------------------------------------------------------------------ */

/*
 * A hook is a function of the patch that runs once in the process when the patch is applied or reverted, in
 * one of its threads: one that has just called a function that the patch replaces (or one of pack's
 * --hook-point), and has run none of it. So it may do what that function might do as its first statement:
 * allocate, take the locks that it takes, sleep. It must return; it must not end its thread, nor let an
 * exception or longjmp() pass. The function that was called may be about to report errno: that is kept.
 *
 * Each macro once in a patch, at file level:
 *
 *   WFPATCH_PRE_APPLY(fn)    int fn(void): before any thread runs new code. Anything but 0 refuses the patch
 *   WFPATCH_POST_APPLY(fn)   void fn(void): every thread runs new code
 *   WFPATCH_PRE_REVERT(fn)   int fn(void): before any thread goes back to old code. Anything but 0 refuses that
 *   WFPATCH_POST_REVERT(fn)  void fn(void): every thread runs old code; then the patch is unmapped. Also if
 *                            the patch was not applied after all though its pre-apply hook had agreed
 */
/* In C++ too the name is what pack looks for. */
#ifdef __cplusplus
#define WFPATCH_C_ extern "C"
#else
#define WFPATCH_C_
#endif

#define WFPATCH_HOOK_(name, call)						\
	WFPATCH_C_ int name(void);						\
	__attribute__((used, noinline, visibility("hidden"))) int name(void)	\
	{									\
		int result_ = 0, errno_ = errno;				\
										\
		call;								\
		errno = errno_;							\
		return result_;							\
	}									\
	struct wfpatch_hook_end_

#define WFPATCH_PRE_APPLY(fn)	WFPATCH_HOOK_(wfpatch_pre_apply, result_ = fn())
#define WFPATCH_POST_APPLY(fn)	WFPATCH_HOOK_(wfpatch_post_apply, fn())
#define WFPATCH_PRE_REVERT(fn)	WFPATCH_HOOK_(wfpatch_pre_revert, result_ = fn())
#define WFPATCH_POST_REVERT(fn)	WFPATCH_HOOK_(wfpatch_post_revert, fn())

/* --- shadow variables ------------------------------------------------------------------------- */

/*
 * Data that belongs to an object of the program for which the object has no room: found by the object's
 * address and a number that the author chooses. All patches of a process share one table, so that a later
 * patch finds what an earlier one has attached, under the same number.
 *
 * Any thread may call any of these at any time, but not a signal handler. What is found stays until somebody
 * frees it: that nobody uses it then is the affair of the program, as with the object itself. Who frees an
 * object must free what is attached to it (in the patch: in the function that frees it), or the next object at its
 * address has it.
 */

#define WFPATCH_SHADOW_BUCKETS	1024

struct wfpatch_shadow_node {
	struct wfpatch_shadow_node *next;
	const void *object;
	uint64_t id;
	uint64_t unused; /* so that what follows is aligned as malloc() does it */
};

struct wfpatch_shadow_bucket {
	int lock; /* 0: free, 1: taken, 2: taken, and somebody may sleep on it */
	int unused;
	struct wfpatch_shadow_node *first;
};

struct wfpatch_shadow_table {
	struct wfpatch_shadow_bucket bucket[WFPATCH_SHADOW_BUCKETS];
};

/*
 * The patch's own table, and the one that is used: the linker of wfpatch has the latter point to the table of
 * the patch that was applied first. Its image then stays mapped as long as that is needed.
 */
__attribute__((weak, visibility("hidden"))) struct wfpatch_shadow_table wfpatch_shadow_own;
__attribute__((weak, visibility("hidden"))) struct wfpatch_shadow_table *wfpatch_shadow_table =
	&wfpatch_shadow_own;

static inline long wfpatch_futex_(int *word, int operation, int value)
{
	long ret;

	/* Without a time limit. */
	__asm__ volatile("xor %%r10d, %%r10d; syscall"
			 : "=a"(ret)
			 : "0"(202L), "D"(word), "S"((long)operation), "d"((long)value)
			 : "rcx", "r10", "r11", "memory", "cc");
	return ret;
}

/* FUTEX_WAIT_PRIVATE is 128, FUTEX_WAKE_PRIVATE 129. */
static inline void wfpatch_lock_(int *lock)
{
	int expected = 0;

	if (__atomic_compare_exchange_n(lock, &expected, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return;
	while (__atomic_exchange_n(lock, 2, __ATOMIC_ACQUIRE))
		wfpatch_futex_(lock, 128, 2);
}

static inline void wfpatch_unlock_(int *lock)
{
	if (__atomic_exchange_n(lock, 0, __ATOMIC_RELEASE) == 2)
		wfpatch_futex_(lock, 129, 1);
}

static inline struct wfpatch_shadow_bucket *wfpatch_shadow_bucket_(const void *object, uint64_t id)
{
	/* Objects lie 16 bytes apart at least; the upper bits of the product depend on all of the address. */
	uint64_t hash = (((uint64_t)(uintptr_t)object >> 4) ^ (id << 48) ^ id) *
			0x9e3779b97f4a7c15ULL;

	return &wfpatch_shadow_table->bucket[hash >> 54];
}

/* Bucket locked. Where the pointer to it is; that of NULL at the end if there is none. */
static inline struct wfpatch_shadow_node **
wfpatch_shadow_find_(struct wfpatch_shadow_bucket *bucket, const void *object, uint64_t id)
{
	struct wfpatch_shadow_node **at = &bucket->first;

	while (*at && ((*at)->object != object || (*at)->id != id))
		at = &(*at)->next;
	return at;
}

/* What is attached to the object under this number; NULL if nothing is. */
__attribute__((unused)) static void *wfpatch_shadow_get(const void *object, uint64_t id)
{
	struct wfpatch_shadow_bucket *bucket = wfpatch_shadow_bucket_(object, id);
	struct wfpatch_shadow_node *node;

	wfpatch_lock_(&bucket->lock);
	node = *wfpatch_shadow_find_(bucket, object, id);
	wfpatch_unlock_(&bucket->lock);
	return node ? node + 1 : NULL;
}

/*
 * The same, but if there is nothing, attach @size bytes: zero, then given to @construct, if that is not NULL,
 * before anybody else can find them. NULL if there is no memory, or if @construct did not return 0. It runs
 * once for what is attached, and must not call any of these functions.
 */
__attribute__((unused)) static void *
wfpatch_shadow_get_or_alloc(const void *object, uint64_t id, size_t size,
			    int (*construct)(const void *object, void *data, void *argument),
			    void *argument)
{
	struct wfpatch_shadow_bucket *bucket = wfpatch_shadow_bucket_(object, id);
	struct wfpatch_shadow_node *node, *fresh, **at;
	void *found = wfpatch_shadow_get(object, id);

	if (found || size > SIZE_MAX - sizeof(*fresh))
		return found;
	fresh = (struct wfpatch_shadow_node *)calloc(1, sizeof(*fresh) + size);
	if (!fresh)
		return NULL;
	fresh->object = object;
	fresh->id = id;
	wfpatch_lock_(&bucket->lock);
	at = wfpatch_shadow_find_(bucket, object, id);
	node = *at;
	if (!node && (!construct || !construct(object, fresh + 1, argument))) {
		node = *at = fresh;
		fresh = NULL;
	}
	wfpatch_unlock_(&bucket->lock);
	free(fresh);
	return node ? node + 1 : NULL;
}

/* Detach and free it; @destroy, if not NULL, is called before, with no lock held. 0 if there was nothing. */
__attribute__((unused)) static int
wfpatch_shadow_free(const void *object, uint64_t id,
		    void (*destroy)(const void *object, void *data))
{
	struct wfpatch_shadow_bucket *bucket = wfpatch_shadow_bucket_(object, id);
	struct wfpatch_shadow_node *node, **at;

	wfpatch_lock_(&bucket->lock);
	at = wfpatch_shadow_find_(bucket, object, id);
	node = *at;
	if (node)
		*at = node->next;
	wfpatch_unlock_(&bucket->lock);
	if (!node)
		return 0;
	if (destroy)
		destroy(object, node + 1);
	free(node);
	return 1;
}

/* The same for all objects: in a post-revert hook, when nobody uses them any more. Returns their number. */
__attribute__((unused)) static size_t
wfpatch_shadow_free_all(uint64_t id, void (*destroy)(const void *object, void *data))
{
	struct wfpatch_shadow_node *all = NULL, *node, **at;
	struct wfpatch_shadow_bucket *bucket;
	size_t i, nr = 0;

	for (i = 0; i < WFPATCH_SHADOW_BUCKETS; i++) {
		bucket = &wfpatch_shadow_table->bucket[i];
		wfpatch_lock_(&bucket->lock);
		at = &bucket->first;
		while ((node = *at)) {
			if (node->id != id) {
				at = &node->next;
				continue;
			}
			*at = node->next;
			node->next = all;
			all = node;
		}
		wfpatch_unlock_(&bucket->lock);
	}
	while ((node = all)) {
		all = node->next;
		if (destroy)
			destroy(node->object, node + 1);
		free(node);
		nr++;
	}
	return nr;
}

#ifdef __cplusplus
}
#endif

#endif
