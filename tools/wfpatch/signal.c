// SPDX-License-Identifier: GPL-2.0
/* Signals that mean "stop": remembered, so that what was begun can be taken back first. */
#include <signal.h>
#include <string.h>
#include "tool.h"

static volatile sig_atomic_t seen;

static void remember(int sig)
{
	seen = sig;
}

/* Without SA_RESTART, so that sleeping ends. */
void signals_catch(void)
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	action.sa_handler = remember;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

bool signals_seen(void)
{
	return seen;
}
