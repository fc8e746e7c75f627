// SPDX-License-Identifier: GPL-2.0
/* The patcher of a worker pool, which wakes sleeping workers once they have somewhere to go. */
#include "example.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER, ready = PTHREAD_COND_INITIALIZER;
static int jobs, done[2]; /* to do; done at the old price, at the new one */

static WFPATCH_REPLACEABLE int price(void)
{
	return opaque(100);
}

static WFPATCH_REPLACEABLE int price_fixed(void)
{
	return opaque(119);
}

static void *work(void *arg)
{
	for (pthread_mutex_lock(&lock);; pthread_cond_wait(&more, &lock)) {
		wfpatch_quiesce();
		for (; jobs; jobs--)
			done[price() == 119]++;
		pthread_cond_signal(&ready);
	}
	return arg;
}

/* Without jobs this wakes the workers, and they pass their point. */
static void do_jobs(int nr)
{
	pthread_mutex_lock(&lock);
	jobs = nr;
	pthread_cond_broadcast(&more);
	while (jobs)
		pthread_cond_wait(&ready, &lock);
	pthread_mutex_unlock(&lock);
}

int main(void)
{
	/* Four workers and this thread: others, without points, would not be waited for. */
	WFPATCH_OPTS(wfpatch_wait_opts, opts, .nr_threads = 4 + 1, .timeout_ms = 60000);
	struct wfpatch *wf;
	unsigned int view;

	wf = open_wfpatch();
	start_threads(4, work);
	do_jobs(50);
	check("begin", wfpatch_begin(wf, &view));
	check("redirect", wfpatch_redirect(wf, view, price, price_fixed, NULL));
	check("transition", wfpatch_transition(wf, view, 0, NULL, 0));
	do_jobs(0);
	check("finish", wfpatch_finish(wf, view, &opts));
	do_jobs(50);
	printf("%d jobs at the old price, %d at the new one\n", done[0], done[1]);
	return done[0] != 50 || done[1] != 50;
}
