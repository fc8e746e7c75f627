// SPDX-License-Identifier: GPL-2.0
/* main() apart, so that the rest can be a shared library. */
#include "target.h"

int main(void)
{
	return target_main();
}
