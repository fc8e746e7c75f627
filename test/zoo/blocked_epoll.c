// SPDX-License-Identifier: GPL-2.0
/* Threads that are blocked in epoll_wait(2). */
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "zoo.h"

#define THREADS 8

static int polls[THREADS], events[THREADS];

static long block(unsigned int thread)
{
	struct epoll_event event;
	uint64_t number;

	if (zoo_check("epoll_wait", epoll_wait(polls[thread], &event, 1, -1)) < 0)
		return -1;
	return zoo_check("read", read(events[thread], &number, sizeof(number)));
}

static void release(unsigned int thread)
{
	uint64_t one = 1;

	zoo_check("write", write(events[thread], &one, sizeof(one)));
}

int main(int argc, char **argv)
{
	static const struct zoo_blocked blocked = { block, release, THREADS };
	struct epoll_event event = { .events = EPOLLIN };
	int i;

	zoo_start(argc, argv);
	for (i = 0; i < THREADS; i++) {
		polls[i] = zoo_check("epoll_create1", epoll_create1(0));
		events[i] = zoo_check("eventfd", eventfd(0, 0));
		zoo_check("epoll_ctl", epoll_ctl(polls[i], EPOLL_CTL_ADD, events[i], &event));
	}
	return zoo_blocked(&blocked);
}
