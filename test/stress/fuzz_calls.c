// SPDX-License-Identifier: GPL-2.0
/*
 * The calls of the fuzzer: what each does follows from its random words alone. Most requests are
 * valid or nearly so; which answers a request may give is checked against the interface's header.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "device.h"
#include "fuzz.h"
#include "fuzz_pool.h"

enum field_type {
	FIELD_END,
	FIELD_ZERO,
	FIELD_VIEW,
	FIELD_OUT,
	FIELD_FD,
	FIELD_TARGET,
	FIELD_LENGTH,
	FIELD_BUFFER,
	FIELD_SEGS,
	FIELD_NR_SEGS,
	FIELD_SPANS,
	FIELD_FEW,
};

struct field {
	uint8_t offset;
	uint8_t width;
	uint8_t type;
};

#define FIELD(of, member, kind)                                                             \
	{                                                                                   \
		offsetof(struct of, member), sizeof(((struct of *)0)->member), FIELD_##kind \
	}

/* The errors that a request may give besides those that all may give. */
static const struct request {
	const char *name;
	unsigned long number;
	uint8_t size;
	struct field fields[7];
	int errors[8];
} requests[KIND_IOCTLS] = {
	{ "INFO", WFPATCH_IOC_INFO, sizeof(struct wfpatch_info), { { 0 } }, { 0 } },
	{ "ATTACH",
	  WFPATCH_IOC_ATTACH,
	  sizeof(struct wfpatch_attach),
	  { FIELD(wfpatch_attach, pidfd, FD), FIELD(wfpatch_attach, reserved, ZERO) },
	  { EOPNOTSUPP } },
	{ "PIN",
	  WFPATCH_IOC_PIN,
	  sizeof(struct wfpatch_range),
	  { FIELD(wfpatch_range, addr, TARGET), FIELD(wfpatch_range, len, LENGTH) },
	  { ENOMEM, EACCES, EOPNOTSUPP, ENOSPC, EEXIST } },
	{ "UNPIN",
	  WFPATCH_IOC_UNPIN,
	  sizeof(struct wfpatch_range),
	  { FIELD(wfpatch_range, addr, TARGET), FIELD(wfpatch_range, len, LENGTH) },
	  { ENOMEM, ENOSPC, ENOENT } },
	{ "VIEW_CREATE",
	  WFPATCH_IOC_VIEW_CREATE,
	  sizeof(struct wfpatch_view_create),
	  { FIELD(wfpatch_view_create, parent, VIEW), FIELD(wfpatch_view_create, view, OUT) },
	  { ENOENT, ENOSPC, ENOMEM, EIO } },
	{ "VIEW_DELETE",
	  WFPATCH_IOC_VIEW_DELETE,
	  sizeof(struct wfpatch_view_delete),
	  { FIELD(wfpatch_view_delete, view, VIEW), FIELD(wfpatch_view_delete, reserved, ZERO) },
	  { ENOENT, EBUSY } },
	{ "VIEW_MIGRATE",
	  WFPATCH_IOC_VIEW_MIGRATE,
	  sizeof(struct wfpatch_view_migrate),
	  { FIELD(wfpatch_view_migrate, view, VIEW), FIELD(wfpatch_view_migrate, previous, OUT) },
	  { ENOENT, ENOMEM } },
	{ "VIEW_CURRENT",
	  WFPATCH_IOC_VIEW_CURRENT,
	  sizeof(struct wfpatch_view_current),
	  { FIELD(wfpatch_view_current, view, OUT), FIELD(wfpatch_view_current, reserved, ZERO) },
	  { 0 } },
	{ "VIEW_WRITE",
	  WFPATCH_IOC_VIEW_WRITE,
	  sizeof(struct wfpatch_view_io),
	  { FIELD(wfpatch_view_io, view, VIEW), FIELD(wfpatch_view_io, nr_segs, NR_SEGS),
	    FIELD(wfpatch_view_io, segs, SEGS) },
	  { ENOENT, EACCES, EOPNOTSUPP, ENOMEM, ENOSPC } },
	{ "VIEW_READ",
	  WFPATCH_IOC_VIEW_READ,
	  sizeof(struct wfpatch_view_io),
	  { FIELD(wfpatch_view_io, view, VIEW), FIELD(wfpatch_view_io, nr_segs, NR_SEGS),
	    FIELD(wfpatch_view_io, segs, SEGS) },
	  { ENOENT, ENOMEM } },
	{ "VIEW_COMMIT",
	  WFPATCH_IOC_VIEW_COMMIT,
	  sizeof(struct wfpatch_view_commit),
	  { FIELD(wfpatch_view_commit, view, VIEW), FIELD(wfpatch_view_commit, reserved, ZERO) },
	  { EOPNOTSUPP } },
	{ "TRANSITION",
	  WFPATCH_IOC_TRANSITION,
	  sizeof(struct wfpatch_transition),
	  { FIELD(wfpatch_transition, view, VIEW), FIELD(wfpatch_transition, nr_ranges, ZERO),
	    FIELD(wfpatch_transition, ranges, SPANS), FIELD(wfpatch_transition, call, ZERO) },
	  { ENOENT, EOPNOTSUPP } },
	{ "MAP",
	  WFPATCH_IOC_MAP,
	  sizeof(struct wfpatch_map),
	  { FIELD(wfpatch_map, fd, FD), FIELD(wfpatch_map, prot, FEW),
	    FIELD(wfpatch_map, addr, TARGET), FIELD(wfpatch_map, len, LENGTH),
	    FIELD(wfpatch_map, offset, FEW) },
	  { EOPNOTSUPP } },
	{ "LIST_VIEWS",
	  WFPATCH_IOC_LIST_VIEWS,
	  sizeof(struct wfpatch_list),
	  { FIELD(wfpatch_list, nr, FEW), FIELD(wfpatch_list, total, OUT),
	    FIELD(wfpatch_list, entries, BUFFER) },
	  { ENOMEM } },
	{ "LIST_THREADS",
	  WFPATCH_IOC_LIST_THREADS,
	  sizeof(struct wfpatch_list),
	  { FIELD(wfpatch_list, nr, FEW), FIELD(wfpatch_list, total, OUT),
	    FIELD(wfpatch_list, entries, BUFFER) },
	  { ENOMEM } },
};

static const int errors_of_all[] = { EFAULT, EINVAL, E2BIG, EPERM, ESRCH, EBADF };

static const char *const other_names[] = {
	"other ioctl", "read", "poll", "mmap", "open", "close", "dup", "fork", "pass", "touch",
};

/* How often each kind is chosen; views must come into being for the rest to mean anything. */
static const uint8_t weights[NR_KINDS] = {
	2, 1, 8, 5, 14, 6, 14, 3, 20, 12, 1, 4, 1, 3, 3, 3, 4, 2, 3, 4, 2, 2, 2, 2, 10,
};

#define NR_RECENT 16

static _Atomic uint32_t recent_views[NR_RECENT];
static _Atomic uint32_t nr_created;

static int handle_of(uint64_t word)
{
	return FIRST_HANDLE + (int)(word % NR_HANDLES);
}

const char *kind_name(unsigned int kind)
{
	return kind < KIND_IOCTLS ? requests[kind].name : other_names[kind - KIND_IOCTLS];
}

void make_call(struct call *call, uint64_t *state)
{
	unsigned int total = 0, i, chosen;

	for (i = 0; i < NR_KINDS; i++)
		total += weights[i];
	chosen = (unsigned int)(random_next(state) % total);
	for (i = 0; chosen >= weights[i]; i++)
		chosen -= weights[i];
	call->kind = i;
	for (i = 0; i < NR_WORDS; i++)
		call->words[i] = random_next(state);
}

static uint32_t pick_view(uint64_t word)
{
	switch (word % 16) {
	case 0:
		return 0;
	case 1:
		return (uint32_t)(word >> 32) % 256;
	case 2:
		return (uint32_t)(word >> 32);
	default:
		return recent_views[(word >> 8) % NR_RECENT];
	}
}

static uint64_t pick_few(uint64_t word)
{
	static const uint64_t values[] = { 0,	       1,	   2,	       3,	7,
					   8,	       64,	   1000,       1 << 16, 0x7fffffff,
					   0xffffffff, 1ULL << 32, 1ULL << 63, ~0ULL };

	return word % 4 ? (word >> 8) % 12
			: values[(word >> 8) % (sizeof(values) / sizeof(*values))];
}

/* An array of segments in @segs, or somewhere in the pool; @word says how wrong it is. */
static uint64_t make_segs(struct wfpatch_seg *segs, uint32_t nr, uint64_t word)
{
	uint64_t state = word, place;
	uint32_t i;

	for (i = 0; i < nr; i++) {
		segs[i].addr = pick_target(random_next(&state), false);
		segs[i].data = pick_buffer(random_next(&state));
		segs[i].len = pick_length(random_next(&state), false);
	}
	switch (word % 8) {
	case 0:
		return pick_buffer(word >> 8);
	case 1:
		place = pick_end(word >> 8, nr * sizeof(*segs));
		copy_surely(place, segs, nr * sizeof(*segs));
		return place;
	default:
		return (uintptr_t)segs;
	}
}

static uint64_t field_value(uint8_t type, uint64_t word, bool aligned)
{
	switch (type) {
	case FIELD_VIEW:
		return pick_view(word);
	case FIELD_FD:
		return (uint64_t)handle_of(word);
	case FIELD_TARGET:
		return pick_target(word, aligned);
	case FIELD_LENGTH:
		return pick_length(word, aligned);
	case FIELD_BUFFER:
		return pick_buffer(word);
	case FIELD_FEW:
		return pick_few(word);
	case FIELD_SPANS:
		return word % 16 ? 0 : pick_buffer(word);
	default:
		return 0;
	}
}

/* Fill a request's struct; returns the size that it claims to have. */
static uint32_t make_struct(unsigned char *data, const struct request *request,
			    const struct call *call, struct wfpatch_seg *segs)
{
	static const uint32_t sizes[] = { 0, 4, 7, 8, 16, 4096, 4097, 0x7fffffff, 0xffffffff };
	uint32_t size = request->size, nr_segs = 1 + (uint32_t)(call->words[10] % 6), flags = 0;
	unsigned int i, mode = call->words[0] % 16;
	uint64_t value;

	for (i = 0; request->fields[i].type != FIELD_END; i++) {
		const struct field *field = &request->fields[i];

		value = field_value(field->type, call->words[2 + i], call->words[1] >> 32 & 3);
		if (field->type == FIELD_NR_SEGS)
			value = call->words[10] >> 32 & 15 ? nr_segs
							   : pick_few(call->words[10] >> 40);
		if (field->type == FIELD_SEGS)
			value = make_segs(segs, nr_segs, call->words[11]);
		if (mode == 1 && call->words[9] % 4 == i)
			value = call->words[9];
		memcpy(data + field->offset, &value, field->width);
	}
	if (mode == 2)
		size = sizes[call->words[8] % (sizeof(sizes) / sizeof(*sizes))];
	else if (mode == 3)
		size += 8 + call->words[8] % 64 / 8 * 8;
	if (mode == 3 && call->words[8] >> 32 & 1)
		data[request->size + call->words[8] % 8] = 1;
	if (mode == 4)
		flags = call->words[8] & 1 ? 1U << (call->words[8] >> 8) % 32
					   : (uint32_t)call->words[8];
	memcpy(data, &size, sizeof(size));
	memcpy(data + 4, &flags, sizeof(flags));
	return size;
}

static bool documented(const struct request *request, int error, bool in_child)
{
	unsigned int i;

	if (error == EPERM || error == ESRCH)
		return in_child;
	for (i = 0; i < sizeof(errors_of_all) / sizeof(*errors_of_all); i++)
		if (error == errors_of_all[i])
			return true;
	for (i = 0; request->errors[i]; i++)
		if (error == request->errors[i])
			return true;
	return false;
}

static long run_request(const struct call *call, bool in_child)
{
	const struct request *request = &requests[call->kind];
	unsigned char data[256] __attribute__((aligned(16))) = { 0 };
	struct wfpatch_seg segs[8];
	uint64_t place = (uintptr_t)data;
	uint32_t size = make_struct(data, request, call, segs);
	long result;

	if (size < request->size || size > sizeof(data))
		size = request->size;
	switch (call->words[1] >> 8 & 15) {
	case 0:
		place = pick_end(call->words[1] >> 16, size);
		copy_surely(place, data, size);
		break;
	case 1:
		place = pick_buffer(call->words[1] >> 16);
		break;
	}
	result = device_call(handle_of(call->words[1]), request->number, (void *)place);
	if (!result && request->number == WFPATCH_IOC_VIEW_CREATE && place == (uintptr_t)data)
		memcpy((void *)&recent_views[nr_created++ % NR_RECENT],
		       data + offsetof(struct wfpatch_view_create, view), 4);
	if (result < 0 && !documented(request, (int)-result, in_child))
		fault_found("%s gives an error that is not documented: %d (%s)", request->name,
			    (int)-result, strerrorname_np((int)-result));
	if (result > 0)
		fault_found("%s returns %ld", request->name, result);
	return result;
}

static long run_other_ioctl(const struct call *call)
{
	unsigned long number = call->words[2] % 4 ? requests[call->words[3] % KIND_IOCTLS].number
						  : (uint32_t)call->words[3];
	unsigned char data[256] = { 0 };

	/* The direction, the size, the number or the magic is another. */
	if (call->words[2] % 4)
		number ^= 1UL << call->words[4] % 32;
	data[0] = (unsigned char)(call->words[5] % 64);
	return device_call(handle_of(call->words[1]), number,
			   call->words[6] % 4 ? data : (void *)pick_buffer(call->words[7]));
}

static long run_read(const struct call *call)
{
	struct pollfd poll_fd = { handle_of(call->words[1]), POLLIN, 0 };

	/* Rarely block, perhaps for good: the process ends all the same. */
	if (call->words[2] % 256 && poll(&poll_fd, 1, 0) <= 0)
		return 0;
	return raw_call(SYS_read, (unsigned long)poll_fd.fd, pick_buffer(call->words[3]),
			pick_length(call->words[4], false), 0);
}

static long run_mmap(const struct call *call)
{
	static const int flags[] = { MAP_SHARED, MAP_PRIVATE, MAP_SHARED | MAP_POPULATE,
				     MAP_SHARED_VALIDATE };
	size_t length = call->words[2] % 4 ? PAGE : pick_length(call->words[3], false) % (1 << 20);
	off_t offset = call->words[4] % 4 ? 0 : (off_t)((call->words[4] >> 8 & 0xff) * PAGE);
	int prot = call->words[5] % 2 ? PROT_READ : (int)(call->words[5] >> 8 & 7);
	void *area = mmap(NULL, length, prot, flags[call->words[6] % 4], handle_of(call->words[1]),
			  offset);

	if (area == MAP_FAILED)
		return -errno;
	if (prot & PROT_WRITE && flags[call->words[6] % 4] & MAP_SHARED)
		fault_found("the status page can be mapped for writing");
	if (call->words[7] % 2)
		mprotect(area, length, PROT_READ | PROT_WRITE);
	if (length == PAGE && !offset && prot & PROT_READ)
		copy_out(area, sizeof(struct wfpatch_status));
	munmap(area, length);
	return 0;
}

static long run_open(const struct call *call)
{
	int flags = O_RDWR | O_CLOEXEC | (call->words[2] % 8 ? O_NONBLOCK : 0),
	    to = handle_of(call->words[1]);
	int fd = open(DEVICE_PATH, call->words[3] % 16 ? flags : O_RDONLY | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	if (dup3(fd, to, call->words[4] % 4 ? O_CLOEXEC : 0) < 0)
		fault_found("dup3: %d", errno);
	close(fd);
	return 0;
}

static long run_dup(const struct call *call)
{
	return dup3(handle_of(call->words[1]), handle_of(call->words[2]), O_CLOEXEC) < 0 ? -errno
											 : 0;
}

static long run_fork(const struct call *call)
{
	uint64_t state = call->words[2];
	struct call random_call;
	unsigned int i;
	pid_t pid = fork();

	if (pid)
		return pid < 0 ? -errno : 0;
	for (i = 0; i < 2 + call->words[3] % 8; i++) {
		make_call(&random_call, &state);
		run_call(&random_call, true);
	}
	_exit(0);
}

/* Send a handle over a socket and take it out again, or leave it there. */
static long run_pass(const struct call *call)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control.space) };
	int pair[2], fd = handle_of(call->words[1]);
	long result = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair))
		return -errno;
	control.header = (struct cmsghdr){ CMSG_LEN(sizeof(fd)), SOL_SOCKET, SCM_RIGHTS };
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	if (sendmsg(pair[0], &message, MSG_DONTWAIT) < 0) {
		result = -errno;
	} else if (call->words[2] % 2 &&
		   recvmsg(pair[1], &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) == 1 &&
		   message.msg_controllen >= CMSG_LEN(sizeof(fd))) {
		memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
		dup3(fd, handle_of(call->words[3]), O_CLOEXEC);
		close(fd);
	}
	close(pair[0]);
	close(pair[1]);
	return result;
}

static long run_kind(const struct call *call, bool in_child)
{
	struct pollfd poll_fd = { handle_of(call->words[1]), (short)call->words[2], 0 };

	switch (call->kind) {
	case KIND_OTHER_IOCTL:
		return run_other_ioctl(call);
	case KIND_READ:
		return run_read(call);
	case KIND_POLL:
		return poll(&poll_fd, 1, (int)(call->words[3] % 4)) < 0 ? -errno : 0;
	case KIND_MMAP:
		return run_mmap(call);
	case KIND_OPEN:
		return run_open(call);
	case KIND_CLOSE:
		return close(handle_of(call->words[1])) ? -errno : 0;
	case KIND_DUP:
		return run_dup(call);
	case KIND_FORK:
		return in_child ? 0 : run_fork(call);
	case KIND_PASS:
		return run_pass(call);
	case KIND_TOUCH:
		return touch(call->words);
	default:
		return run_request(call, in_child);
	}
}

long run_call(const struct call *call, bool in_child)
{
	long result = run_kind(call, in_child);

	shared->calls[call->kind]++;
	shared->errnos[call->kind][result < 0 && result > -134 ? -result : 0]++;
	return result;
}

void calls_init(void)
{
	struct call call = { .words = { 0, 0, 1, 1, 1 } };

	for (call.words[1] = 0; call.words[1] < NR_HANDLES; call.words[1]++)
		run_open(&call);
}
