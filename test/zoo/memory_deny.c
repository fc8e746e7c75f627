// SPDX-License-Identifier: GPL-2.0
/*
 * A process that may not make memory executable, as systemd's MemoryDenyWriteExecute= has it.
 * filter=0: by PR_SET_MDWE (status 77 where the kernel has none); filter=1: by a seccomp filter for
 * mmap, mprotect, pkey_mprotect and shmat.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include "pair.h"
#include "zoo.h"

#define SET_MDWE	65
#define REFUSE_EXEC_GAIN 1UL

#define NUMBER		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define THIRD		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2]))
#define ALLOW		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define REFUSE		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)
/* Refuse a system call whose third argument has all these bits. */
#define RULE(number, bits)						\
	NUMBER,								\
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 4),		\
	THIRD,								\
	BPF_STMT(BPF_ALU | BPF_AND | BPF_K, bits),			\
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, bits, 0, 1),		\
	REFUSE

static int set_filter(void)
{
	struct sock_filter rules[] = {
		RULE(SYS_mmap, PROT_EXEC | PROT_WRITE),
		RULE(SYS_mprotect, PROT_EXEC),
		RULE(SYS_pkey_mprotect, PROT_EXEC),
		RULE(SYS_shmat, SHM_EXEC),
		ALLOW,
	};
	struct sock_fprog filter = { sizeof(rules) / sizeof(rules[0]), rules };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
}

static void *thread(void *argument)
{
	while (!zoo_stopping()) {
		zoo_count(outer(100));
		zoo_sleep(1000);
	}
	return argument;
}

int main(int argc, char **argv)
{
	void *page;

	zoo_start(argc, argv);
	if (zoo_option("filter", 0)) {
		zoo_check("filter", set_filter());
	} else if (prctl(SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0)) {
		if (errno == EINVAL)
			return 77;
		zoo_check("PR_SET_MDWE", -1);
	}
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
	if (page != MAP_FAILED)
		zoo_error("it can still make executable memory");
	zoo_thread(thread, NULL);
	zoo_thread(thread, NULL);
	zoo_ready();
	zoo_wait();
	zoo_join();
	return 0;
}
