// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that wait in io_uring_enter(2) for a read of a pipe that one of the kernel's workers, or a
 * poll, does for them. Without io_uring the program ends with status 77.
 */
#include <errno.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "zoo.h"

#define THREADS 4

static struct ring {
	int fd, pipe[2];
	unsigned int *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	char byte;
} rings[THREADS];

static long enter(struct ring *ring, unsigned int submit, unsigned int wait)
{
	return syscall(SYS_io_uring_enter, ring->fd, submit, wait, IORING_ENTER_GETEVENTS, NULL, 0);
}

/* Half of the threads ask for a worker, the others leave it to the kernel, which polls. */
static long block(unsigned int thread)
{
	struct ring *ring = &rings[thread];
	unsigned int tail = *ring->sq_tail, head = *ring->cq_head, i = tail & *ring->sq_mask;
	struct io_uring_sqe *sqe = &ring->sqes[i];
	long got;
	int result;

	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_READ;
	sqe->flags = thread % 2 ? IOSQE_ASYNC : 0;
	sqe->fd = ring->pipe[0];
	sqe->addr = (uintptr_t)&ring->byte;
	sqe->len = 1;
	ring->sq_array[i] = i;
	__atomic_store_n(ring->sq_tail, tail + 1, __ATOMIC_RELEASE);
	got = zoo_check("io_uring_enter", enter(ring, 1, 1));
	while (__atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE) == head) {
		if (zoo_stopping())
			return -1;
		got = zoo_check("io_uring_enter", enter(ring, 0, 1));
	}
	result = ring->cqes[head & *ring->cq_mask].res;
	__atomic_store_n(ring->cq_head, head + 1, __ATOMIC_RELEASE);
	errno = -result;
	return got < 0 || zoo_check("io_uring: read", result < 0 ? -1 : result) < 0 ? -1 : 0;
}

static void release(unsigned int thread)
{
	zoo_check("write", write(rings[thread].pipe[1], "", 1));
}

static int set_up(struct ring *ring)
{
	struct io_uring_params params = { 0 };
	char *sq, *cq;

	ring->fd = syscall(SYS_io_uring_setup, 4, &params);
	if (ring->fd < 0)
		return -1;
	sq = (char *)mmap(NULL, params.sq_off.array + params.sq_entries * sizeof(unsigned int),
			  PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, IORING_OFF_SQ_RING);
	cq = (char *)mmap(NULL, params.cq_off.cqes + params.cq_entries * sizeof(*ring->cqes),
			  PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, IORING_OFF_CQ_RING);
	ring->sqes = (struct io_uring_sqe *)mmap(NULL, params.sq_entries * sizeof(*ring->sqes),
						 PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd,
						 IORING_OFF_SQES);
	if (sq == MAP_FAILED || cq == MAP_FAILED || (void *)ring->sqes == MAP_FAILED)
		return -1;
	ring->sq_tail = (unsigned int *)(sq + params.sq_off.tail);
	ring->sq_mask = (unsigned int *)(sq + params.sq_off.ring_mask);
	ring->sq_array = (unsigned int *)(sq + params.sq_off.array);
	ring->cq_head = (unsigned int *)(cq + params.cq_off.head);
	ring->cq_tail = (unsigned int *)(cq + params.cq_off.tail);
	ring->cq_mask = (unsigned int *)(cq + params.cq_off.ring_mask);
	ring->cqes = (struct io_uring_cqe *)(cq + params.cq_off.cqes);
	return pipe(ring->pipe);
}

int main(int argc, char **argv)
{
	static const struct zoo_blocked blocked = { block, release, THREADS };
	int i;

	zoo_start(argc, argv);
	for (i = 0; i < THREADS; i++) {
		if (set_up(&rings[i])) {
			perror("io_uring");
			return errno == ENOSYS || errno == EPERM ? 77 : 1;
		}
	}
	return zoo_blocked(&blocked);
}
