// SPDX-License-Identifier: GPL-2.0
/*
 * A table of texts.
 * verdict: can be patched
 * replaced: f
 * new: names
 */
int use(const char *const *);
static const char *const names[] = { "one",
#ifdef NEW
	"two"
#else
	"too"
#endif
};

int f(void)
{
	return use(names);
}
