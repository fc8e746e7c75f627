// SPDX-License-Identifier: GPL-2.0
/*
 * A process that has shut itself in. root=1: an empty directory as its root; namespaces=1: mounts,
 * processes, users and network of its own; user=N: that user, without a way back; private=1: not
 * dumpable, so that only a privileged caller may trace it; public=1: dumpable, which a change of the
 * user takes away; deleted=1: its file is gone.
 */
#include <sched.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "pair.h"
#include "zoo.h"

static void *thread(void *argument)
{
	while (!zoo_stopping()) {
		zoo_count(outer(100));
		zoo_sleep(1000);
	}
	return argument;
}

static int live(uint64_t pid)
{
	char empty[] = "/tmp/zoo.XXXXXX";
	long user = zoo_option("user", 0);

	__atomic_store_n(&zoo->pid, pid, __ATOMIC_SEQ_CST);
	if (zoo_option("root", 0)) {
		if (!mkdtemp(empty))
			return 1;
		zoo_check("chroot", chroot(empty));
		zoo_check("chdir", chdir("/"));
	}
	if (user) {
		zoo_check("setresgid", setresgid(user, user, user));
		zoo_check("setresuid", setresuid(user, user, user));
		zoo_check("PR_SET_NO_NEW_PRIVS", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	}
	if (zoo_option("public", 0))
		zoo_check("PR_SET_DUMPABLE", prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
	if (zoo_option("private", 0))
		zoo_check("PR_SET_DUMPABLE", prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
	zoo_thread(thread, NULL);
	zoo_thread(thread, NULL);
	zoo_ready();
	zoo_wait();
	zoo_join();
	return 0;
}

int main(int argc, char **argv)
{
	char path[4096];
	ssize_t length;
	int status;
	pid_t pid;

	zoo_start(argc, argv);
	if (zoo_option("deleted", 0)) {
		length = zoo_check("readlink", readlink("/proc/self/exe", path, sizeof(path) - 1));
		if (length < 0)
			return 1;
		path[length] = 0;
		zoo_check("unlink", unlink(path));
	}
	if (!zoo_option("namespaces", 0))
		return live(getpid());
	if (zoo_check("unshare", unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET |
					 CLONE_NEWIPC | CLONE_NEWUTS)) < 0)
		return 1;
	pid = fork();
	if (!pid) {
		/* What it is outside is in no file of its own; its parent tells. */
		while (!zoo_get(&zoo->go))
			usleep(1000);
		return live(zoo_get(&zoo->go));
	}
	if (zoo_check("fork", pid) < 0)
		return 1;
	zoo_add(&zoo->go, pid);
	zoo_check("waitpid", waitpid(pid, &status, 0));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
