// SPDX-License-Identifier: GPL-2.0
/*
 * Local quiescence: a thread may change its view if neither its instruction pointer nor any register
 * nor any word of its user stack lies in a span. A return address is always on the stack, or for a
 * moment in a register (the C library's vfork() makes its system call that way), so none is missed;
 * what only looks like one delays.
 *
 * A return address lies behind a call: a span is open at its start and closed at its end here, for
 * the last instruction of a function may be the call of one that does not return.
 *
 * From a stack that a signal handler runs on, the search goes on at the stack that the handler
 * interrupted, found by the frame that the kernel put there. The stacks of coroutines that are not
 * running are not seen; see docs/semantics.md.
 *
 * Sleeps. Reads as a debugger does: pages that are not there and would be zero stay away.
 */
#include <linux/bsearch.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/uaccess.h>
#include <linux/uprobes.h>
#include <linux/userfaultfd_k.h>
#include <asm/ptrace.h>
#include "compat.h"
#include "limits.h"
#include "overlay.h"
#include "quiescent.h"

static int wf_span_compare(const void *a, const void *b)
{
	const struct wfpatch_span *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static bool wf_span_is_bad(const struct wfpatch_span *span)
{
	return span->start >= span->end || span->end > TASK_SIZE_MAX || span->reserved ||
	       span->flags & ~WFPATCH_SPAN_ENTRY;
}

/*
 * Few areas that the spans lie in: where the gap to the next span is one of the widest, an area ends.
 * A word that has_return() finds lies in (start, start + len] of one.
 */
static void wf_spans_divide(struct wf_spans *spans)
{
	unsigned long gaps[WF_MAX_AREAS - 1] = { };
	unsigned int i, j, n = 0;

	for (i = 1; i < spans->nr; i++) {
		unsigned long gap = spans->span[i].start - spans->span[i - 1].end;

		/* The widest first. */
		for (j = 0; j < ARRAY_SIZE(gaps); j++)
			if (gap > gaps[j])
				swap(gap, gaps[j]);
	}
	spans->area[0].start = spans->span[0].start;
	for (i = 1; i <= spans->nr; i++) {
		unsigned long gap = i < spans->nr ?
				    spans->span[i].start - spans->span[i - 1].end : 0;

		if (i < spans->nr && (gap <= gaps[WF_MAX_AREAS - 2] || n == WF_MAX_AREAS - 1))
			continue;
		spans->area[n].len = spans->span[i - 1].end - spans->area[n].start;
		n++;
		if (i < spans->nr)
			spans->area[n].start = spans->span[i].start;
	}
	spans->nr_areas = n;
}

/* The spans of a request, with a reference; or an error. */
struct wf_spans *wf_spans_get_user(u64 ranges, u32 nr)
{
	struct wf_spans *spans;
	unsigned int i;

	if (!nr)
		return ERR_PTR(-EINVAL);
	if (nr > WF_MAX_SPANS)
		return ERR_PTR(-E2BIG);
	spans = kvmalloc(struct_size(spans, span, nr), GFP_KERNEL_ACCOUNT);
	if (!spans)
		return ERR_PTR(-ENOMEM);
	refcount_set(&spans->refs, 1);
	spans->nr = nr;
	if (copy_from_user(spans->span, u64_to_user_ptr(ranges), nr * sizeof(*spans->span))) {
		wf_spans_put(spans);
		return ERR_PTR(-EFAULT);
	}
	for (i = 0; i < nr; i++) {
		if (wf_span_is_bad(&spans->span[i])) {
			wf_spans_put(spans);
			return ERR_PTR(-EINVAL);
		}
	}
	sort(spans->span, nr, sizeof(*spans->span), wf_span_compare, NULL);
	/* The search needs them apart. */
	for (i = 1; i < nr; i++) {
		if (spans->span[i].start < spans->span[i - 1].end) {
			wf_spans_put(spans);
			return ERR_PTR(-EINVAL);
		}
	}
	wf_spans_divide(spans);
	return spans;
}

void wf_spans_get(struct wf_spans *spans)
{
	refcount_inc(&spans->refs);
}

void wf_spans_put(struct wf_spans *spans)
{
	if (spans && refcount_dec_and_test(&spans->refs))
		kvfree(spans);
}

/* The last span that begins at @addr or before; NULL if there is none. */
static const struct wfpatch_span *wf_span_before(const struct wf_spans *spans, unsigned long addr)
{
	unsigned int low = 0, high = spans->nr;

	while (low < high) {
		unsigned int middle = (low + high) / 2;

		if (spans->span[middle].start <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &spans->span[low - 1] : NULL;
}

/* At the entry of a function to be replaced, a thread has not run any of it. */
bool wf_span_is_entry(const struct wf_spans *spans, unsigned long ip)
{
	const struct wfpatch_span *span = wf_span_before(spans, ip);

	return span && span->start == ip && span->flags & WFPATCH_SPAN_ENTRY;
}

static bool wf_span_has_ip(const struct wf_spans *spans, unsigned long ip)
{
	const struct wfpatch_span *span = wf_span_before(spans, ip);

	return span && ip < span->end && !(span->start == ip && span->flags & WFPATCH_SPAN_ENTRY);
}

/* In an area, is it in a span? */
static bool wf_span_has_near(const struct wf_spans *spans, unsigned long word)
{
	const struct wfpatch_span *span = wf_span_before(spans, word - 1);

	return span && word <= span->end;
}

/* Inline: it is asked of every word of every stack. */
static __always_inline bool wf_span_has_return(const struct wf_spans *spans, unsigned long word)
{
	unsigned int i;

	for (i = 0; i < spans->nr_areas; i++)
		if (word - 1 - spans->area[i].start < spans->area[i].len)
			return wf_span_has_near(spans, word);
	return false;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* The view's page at @addr, with a reference, if it has one of its own there. */
static struct page *wf_stack_overlay(struct wf_process *p, struct wf_view *view,
				     unsigned long addr)
{
	struct wf_overlay *overlay;
	struct page *page = NULL;
	unsigned long flags;

	raw_spin_lock_irqsave(&p->lock, flags);
	overlay = wf_overlay_find(view, addr);
	/* One that is being made has the base's content. */
	if (overlay && overlay->page) {
		page = overlay->page;
		get_page(page);
	}
	raw_spin_unlock_irqrestore(&p->lock, flags);
	return page;
}

/*
 * Copy the page of a stack at @addr. 0 if it has never been written to, 1 if there it is, or an error.
 * Mmap lock held.
 */
static int wf_stack_page(struct wf_process *p, struct wf_view *view, struct vm_area_struct *vma,
			 unsigned long addr, char *to)
{
	struct page *page = view ? wf_stack_overlay(p, view, addr) : NULL;
	long n = 1;

	if (!page)
		n = wf_get_user_page(p->mm, addr, FOLL_FORCE | FOLL_DUMP, &page);
	if (n == 1) {
		copy_page(to, page_address(page));
		put_page(page);
		return 1;
	}
	/* Elsewhere it is there and cannot be had, or somebody will fill it in. */
	if (n != -EFAULT || !vma_is_anonymous(vma) || userfaultfd_missing(vma))
		return n ?: -EFAULT;
	/*
	 * Nothing is there. A page that guards the end of a stack looks the same where guards are a matter
	 * of page tables: such a page ends the stack, and so does one that cannot be had.
	 */
	if (wf_madvise_has_guards()) {
		n = wf_get_user_page(p->mm, addr, 0, &page);
		if (n == -EFAULT)
			return -ENOENT;
		if (n != 1)
			return n ?: -ENOMEM;
		put_page(page);
	}
	return 0;
}

/* --- searching -------------------------------------------------------------------------------- */

/* What the kernel saves for a signal handler, counted in words from the beginning of a ucontext. */
#define WF_UC_LINK	1
#define WF_UC_SP	20
#define WF_UC_IP	21
#define WF_UC_FLAGS	22
#define WF_UC_CS	23
#define WF_UC_SIZE	((WF_UC_CS + 1) * sizeof(long))

#define WF_MAX_STACKS	16	/* that handlers have interrupted one after the other */

struct wf_search {
	struct wf_process *p;
	struct wf_view *view;
	const struct wf_spans *spans;
	struct wf_look *look;
	bool hit;			/* a word was found; @look has it */
	unsigned int nr;
	struct {
		unsigned long from;
		unsigned long to;
	} stack[WF_MAX_STACKS];		/* that were or will be searched */
	char page[WF_UC_SIZE + PAGE_SIZE];	/* with the end of the page before, or zeroes */
};

static bool wf_search_fail(struct wf_search *s, u32 reason, unsigned long where,
			   unsigned long word)
{
	s->look->reason = reason;
	s->look->where = where;
	s->look->word = word;
	return false;
}

/* A stack to be searched, unless it is known. False if there are too many. */
static bool wf_search_add(struct wf_search *s, unsigned long sp)
{
	unsigned int i;

	for (i = 0; i < s->nr; i++)
		if (sp >= s->stack[i].from && sp < s->stack[i].to)
			return true;
	if (s->nr == WF_MAX_STACKS)
		return wf_search_fail(s, WFPATCH_BLOCKED_TOO_LARGE, sp, 0);
	s->stack[s->nr].from = sp;
	/* Until its mapping is known. */
	s->stack[s->nr++].to = sp + 1;
	return true;
}

/*
 * Does a saved context end with the word at @at, which looks like a segment of user code? It is known by
 * what the kernel always writes: no link, flags of the processor. Something else that looks like one
 * costs time.
 */
static bool wf_search_frame(struct wf_search *s, const char *at, unsigned long where)
{
	unsigned long uc[WF_UC_CS + 1];

	memcpy(uc, at + sizeof(long) - WF_UC_SIZE, sizeof(uc));
	if (uc[0] > 7 || uc[WF_UC_LINK] || !(uc[WF_UC_FLAGS] & X86_EFLAGS_FIXED) ||
	    uc[WF_UC_FLAGS] >> 22)
		return true;
	s->look->handler = true;
	if (wf_span_has_ip(s->spans, uc[WF_UC_IP]))
		return wf_search_fail(s, WFPATCH_BLOCKED_STACK, where, uc[WF_UC_IP]);
	return wf_search_add(s, uc[WF_UC_SP]);
}

/* Return addresses of 32-bit code, which a 64-bit program may call. */
static bool wf_search_halves(struct wf_search *s, unsigned long where, unsigned long word)
{
	if (wf_span_has_return(s->spans, (u32)word))
		return wf_search_fail(s, WFPATCH_BLOCKED_STACK, where, (u32)word);
	if (wf_span_has_return(s->spans, word >> 32))
		return wf_search_fail(s, WFPATCH_BLOCKED_STACK, where + 4, word >> 32);
	return true;
}

/*
 * Search what s->page holds of [from, to), which ends in the page that was read last. Of several words that
 * lie in spans the last is kept: its function is the last to return.
 */
static bool wf_search_page(struct wf_search *s, unsigned long from, unsigned long to,
			   unsigned int step, bool halves)
{
	const char *at = s->page + WF_UC_SIZE + (from - ((to - 1) & PAGE_MASK));

	for (; from + sizeof(long) <= to; from += step, at += step) {
		unsigned long word;

		memcpy(&word, at, sizeof(word));
		/* As most of a stack has never been written to. */
		if (!word)
			continue;
		if (wf_span_has_return(s->spans, word)) {
			wf_search_fail(s, WFPATCH_BLOCKED_STACK, from, word);
			s->hit = true;
		}
		if (((u16)word == __USER_CS || (u16)word == __USER32_CS) &&
		    !wf_search_frame(s, at, from))
			return false;
		if (unlikely(halves) && !wf_search_halves(s, from, word))
			return false;
	}
	return true;
}

/*
 * Search one stack, from where it points to the end of its mapping. The first must be there; one that
 * an interrupted context points to may be gone, for contexts stay in memory when their handler is over.
 */
static bool wf_search_stack(struct wf_search *s, unsigned int index, bool halves)
{
	unsigned long sp = s->stack[index].from, addr, end, next;
	/* A return address may lie anywhere if the stack pointer does. */
	unsigned int step = sp % sizeof(long) ? 1 : sizeof(long);
	struct vm_area_struct *vma = find_vma(s->p->mm, sp);
	unsigned long read = 0;
	int ret;

	if (!vma || (vma->vm_start > sp && !(vma->vm_flags & VM_GROWSDOWN)))
		return index || wf_search_fail(s, WFPATCH_BLOCKED_UNREADABLE, sp, 0);
	addr = max(sp, vma->vm_start);
	end = vma->vm_end;
	s->stack[index].to = end;
	/* What becomes the end of the page before the first. */
	memset(s->page + PAGE_SIZE, 0, WF_UC_SIZE);
	if (end - addr > WF_MAX_STACK)
		return wf_search_fail(s, WFPATCH_BLOCKED_TOO_LARGE, addr, 0);
	for (; addr < end; addr = next) {
		next = min(end, (addr & PAGE_MASK) + PAGE_SIZE);
		memcpy(s->page, s->page + PAGE_SIZE, WF_UC_SIZE);
		ret = wf_stack_page(s->p, s->view, vma, addr & PAGE_MASK,
				    s->page + WF_UC_SIZE);
		if (ret == -ENOENT && (index || addr > sp))
			break;
		if (ret < 0)
			return wf_search_fail(s, WFPATCH_BLOCKED_UNREADABLE, addr, 0);
		if (!ret)
			memset(s->page + PAGE_SIZE, 0, WF_UC_SIZE);
		else if (!wf_search_page(s, addr - (step == 1 && read ? sizeof(long) - 1 : 0), next,
					 step, halves))
			return false;
		if (!(++read % 64))
			cond_resched();
	}
	return !s->hit;
}

/*
 * Is the word that was found the last time still there, on the same stack? Then there is no need to search:
 * a thread that is trapped again and again, deep inside, would spend its time on that. Mmap lock held.
 */
static bool wf_search_still(struct wf_search *s, unsigned long sp)
{
	const struct wf_look *look = s->look;
	struct vm_area_struct *vma;
	unsigned long word;

	if (look->reason != WFPATCH_BLOCKED_STACK || look->where < sp ||
	    look->where % sizeof(long))
		return false;
	vma = find_vma(s->p->mm, sp);
	if (!vma || look->where >= vma->vm_end ||
	    wf_stack_page(s->p, s->view, vma, look->where & PAGE_MASK, s->page) != 1)
		return false;
	memcpy(&word, s->page + offset_in_page(look->where), sizeof(word));
	return word == look->word && wf_span_has_return(s->spans, word);
}

/* Words in registers. */
static bool wf_search_registers(struct wf_search *s, const struct pt_regs *regs)
{
	const unsigned long words[] = {
		regs->ax, regs->bx, regs->cx, regs->dx, regs->si, regs->di, regs->bp, regs->r8,
		regs->r9, regs->r10, regs->r11, regs->r12, regs->r13, regs->r14, regs->r15,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(words); i++)
		if (wf_span_has_return(s->spans, words[i]))
			return wf_search_fail(s, WFPATCH_BLOCKED_STACK, 0, words[i]);
	return true;
}

/*
 * What probes (uprobes) keep from the stack: where one waits for a function's return, the return address
 * is with the kernel. @task is current or does not run.
 */
bool wf_quiescent_probes(struct task_struct *task, const struct wf_spans *spans,
			 struct wf_look *look)
{
#ifdef CONFIG_UPROBES
	struct return_instance *instance;

	if (!task->utask)
		return true;
	/* In a copy of the probed instruction, elsewhere. */
	if (task->utask->active_uprobe && wf_span_has_ip(spans, task->utask->vaddr)) {
		look->reason = WFPATCH_BLOCKED_IP;
		look->where = 0;
		look->word = 0;
		return false;
	}
	for (instance = task->utask->return_instances; instance; instance = instance->next) {
		if (!wf_span_has_return(spans, instance->orig_ret_vaddr))
			continue;
		look->reason = WFPATCH_BLOCKED_STACK;
		look->where = instance->stack;
		look->word = instance->orig_ret_vaddr;
		return false;
	}
#endif
	return true;
}

/*
 * May the thread with these registers, in @view (NULL for the base), change its view? Fills in @look
 * if not. The thread is current, or will not run user code before the caller lets it.
 */
bool wf_quiescent(struct wf_process *p, struct wf_view *view, const struct wf_spans *spans,
		  const struct pt_regs *regs, struct wf_look *look)
{
	struct wf_search *s;
	bool quiescent;
	unsigned int i;

	look->looks++;
	look->ip = regs->ip;
	look->handler = false;
	if (wf_span_has_ip(spans, regs->ip)) {
		look->reason = WFPATCH_BLOCKED_IP;
		look->where = 0;
		look->word = 0;
		return false;
	}
	s = kmalloc(sizeof(*s), GFP_KERNEL_ACCOUNT);
	if (!s) {
		look->reason = WFPATCH_BLOCKED_MEMORY;
		return false;
	}
	s->p = p;
	s->view = view;
	s->spans = spans;
	s->look = look;
	s->nr = 0;
	s->hit = false;
	mmap_read_lock(p->mm);
	if (wf_search_still(s, regs->sp)) {
		quiescent = false;
		goto out;
	}
	look->reason = WFPATCH_BLOCKED_UNSEEN;
	look->where = 0;
	look->word = 0;
	quiescent = wf_search_registers(s, regs) && wf_search_add(s, regs->sp);
	for (i = 0; quiescent && i < s->nr; i++)
		quiescent = wf_search_stack(s, i, !user_64bit_mode((struct pt_regs *)regs));
out:
	mmap_read_unlock(p->mm);
	kfree(s);
	return quiescent;
}
