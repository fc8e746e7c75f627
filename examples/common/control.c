// SPDX-License-Identifier: GPL-2.0
/*
 * Sends one command to a control socket (of the patcher or of mcload) and prints the answer as it
 * comes. The exit status is 0 if its last line begins with "ok".
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(address.sun_path)) {
		fprintf(stderr, "control: %s: path too long for a socket\n", path);
		return -1;
	}
	strcpy(address.sun_path, path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		fprintf(stderr, "control: ");
		perror(path);
		return -1;
	}
	return fd;
}

int main(int argc, char **argv)
{
	char line[1024], command[1024] = "";
	FILE *answer;
	int fd, ok = 0;

	if (argc < 3) {
		fprintf(stderr, "usage: control SOCKET COMMAND [ARG...]\n");
		return 2;
	}
	for (int i = 2; i < argc; i++) {
		if (strlen(command) + strlen(argv[i]) + 2 > sizeof(command)) {
			fprintf(stderr, "control: command too long\n");
			return 2;
		}
		strcat(command, argv[i]);
		strcat(command, i < argc - 1 ? " " : "\n");
	}
	fd = connect_to(argv[1]);
	if (fd < 0)
		return 2;
	if (send(fd, command, strlen(command), MSG_NOSIGNAL) != (ssize_t)strlen(command)) {
		perror("control: send");
		return 2;
	}
	answer = fdopen(fd, "r");
	if (!answer)
		return 2;
	while (fgets(line, sizeof(line), answer)) {
		fputs(line, stdout);
		fflush(stdout);
		ok = !strncmp(line, "ok", 2);
	}
	return ok ? 0 : 1;
}
