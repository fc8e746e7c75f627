// SPDX-License-Identifier: GPL-2.0
/* Text and JSON that several commands print. Names come from files and processes: they are quoted. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "tool.h"

int complain(int status, const char *format, ...)
{
	char line[1024], *clean;
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	clean = printable(line);
	fflush(stdout);
	fprintf(stderr, "wfpatch: %s\n", clean ? clean : "out of memory");
	free(clean);
	return status;
}

const char *hook_name(unsigned int hook)
{
	static const char *const names[WFPATCH_NR_HOOKS] = {
		[WFPATCH_HOOK_PRE_APPLY] = "pre-apply",
		[WFPATCH_HOOK_POST_APPLY] = "post-apply",
		[WFPATCH_HOOK_PRE_REVERT] = "pre-revert",
		[WFPATCH_HOOK_POST_REVERT] = "post-revert",
	};

	return names[hook];
}

int status_of(int err, bool revert)
{
	switch (err) {
	case 0:
		return STATUS_DONE;
	case -EEXIST:
		return STATUS_UNCHANGED;
	case -ETIMEDOUT:
	case -ECANCELED:
		return STATUS_TAKEN_BACK;
	case -EINPROGRESS:
		return STATUS_UNFINISHED;
	case -ESRCH:
		return STATUS_NOT_FOUND;
	case -ENOENT:
		return revert ? STATUS_NOT_FOUND : STATUS_REFUSED;
	case -EPERM:
		return STATUS_PERMISSION;
	case -ENODEV:
	case -EPROTONOSUPPORT:
		return STATUS_MODULE;
	case -ENOMEM:
	case -EIO:
	case -EFAULT:
	case -EINTR:
	case -EMFILE:
	case -ENFILE:
		return STATUS_SYSTEM;
	default:
		return STATUS_REFUSED;
	}
}

const char *status_name(int status)
{
	switch (status) {
	case STATUS_DONE:
		return "done";
	case STATUS_USAGE:
		return "usage";
	case STATUS_REFUSED:
		return "refused";
	case STATUS_TAKEN_BACK:
		return "taken back";
	case STATUS_UNFINISHED:
		return "unfinished";
	case STATUS_NOT_FOUND:
		return "not found";
	case STATUS_PERMISSION:
		return "permission denied";
	case STATUS_MODULE:
		return "no module";
	case STATUS_UNCHANGED:
		return "applied already";
	default:
		return "failed";
	}
}

/* How many bytes a character of UTF-8 has that may be shown as it is; 0 for all others. */
static size_t shown(const unsigned char *c)
{
	size_t len, i;

	if (c[0] >= 0x20 && c[0] < 0x7f)
		return 1;
	/* Control characters from U+0080 on; those that turn the direction of a line or have no width. */
	if (c[0] == 0xc2 && c[1] < 0xa0)
		return 0;
	if (c[0] == 0xe2 && c[1] == 0x80 &&
	    ((c[2] >= 0x8b && c[2] <= 0x8f) || (c[2] >= 0xa8 && c[2] <= 0xae)))
		return 0;
	if (c[0] == 0xe2 && c[1] == 0x81 && c[2] >= 0xa0 && c[2] <= 0xaf)
		return 0;
	len = c[0] >= 0xc2 && c[0] < 0xe0 ? 2 : c[0] >= 0xe0 && c[0] < 0xf0 ? 3 : 0;
	for (i = 1; i < len; i++) {
		if ((c[i] & 0xc0) != 0x80)
			return 0;
	}
	return len;
}

char *printable(const char *text)
{
	char *clean = malloc(4 * strlen(text) + 1), *end = clean;
	const unsigned char *c = (const unsigned char *)text;
	size_t len;

	if (!clean)
		return NULL;
	while (*c) {
		len = shown(c);
		if (len) {
			memcpy(end, c, len);
			end += len;
			c += len;
		} else {
			end += sprintf(end, "\\x%02x", *c++);
		}
	}
	*end = '\0';
	return clean;
}

/* --- JSON ------------------------------------------------------------------------------------- */

json_t *json_text(const char *text)
{
	json_t *value = json_string(text);
	char *clean;

	if (value)
		return value;
	/* It is not UTF-8. */
	clean = printable(text);
	value = clean ? json_string(clean) : NULL;
	free(clean);
	return value ? value : json_string("?");
}

json_t *json_hex(uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%#llx", (unsigned long long)number);
	return json_string(text);
}

int put_json(json_t *value)
{
	int status = STATUS_DONE;

	if (!value || json_dumpf(value, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6)))
		status = complain(STATUS_SYSTEM, "out of memory, or output cannot be written");
	putchar('\n');
	fflush(stdout);
	json_decref(value);
	return status;
}

void hex(char *text, const unsigned char *bytes, unsigned int nr)
{
	unsigned int i;

	text[0] = '\0';
	for (i = 0; i < nr; i++)
		sprintf(text + 2 * i, "%02x", bytes[i]);
}

static json_t *json_texts(const char *const *texts, unsigned int nr)
{
	json_t *array = json_array();
	unsigned int i;

	for (i = 0; i < nr; i++)
		json_array_append_new(array, json_text(texts[i]));
	return array;
}

json_t *json_info(const struct wfpatch_patch_info *info)
{
	char build_id[2 * WFPATCH_BUILD_ID_MAX + 1], hash[2 * WFPATCH_HASH_SIZE + 1];
	const struct wfpatch_patch_function *f;
	json_t *value = json_object(), *functions = json_array(), *entry;
	unsigned int i;

	hex(build_id, info->build_id, info->build_id_size);
	json_object_set_new(value, "name", json_text(info->name));
	json_object_set_new(value, "id", json_text(info->id));
	json_object_set_new(value, "version", json_text(info->version));
	json_object_set_new(value, "description", json_text(info->description));
	json_object_set_new(value, "author", json_text(info->author));
	json_object_set_new(value, "cves", json_texts(info->cves, info->nr_cves));
	json_object_set_new(value, "replaces", json_texts(info->replaces, info->nr_replaces));
	json_object_set_new(value, "target", json_text(info->target));
	json_object_set_new(value, "build_id", json_text(build_id));
	for (i = 0; i < info->nr_functions; i++) {
		f = &info->functions[i];
		hex(hash, f->hash, sizeof(f->hash));
		entry = json_object();
		json_object_set_new(entry, "name", json_text(f->name));
		json_object_set_new(entry, "new_name", json_text(f->new_name));
		json_object_set_new(entry, "address", json_hex(f->address));
		json_object_set_new(entry, "size", json_integer((json_int_t)f->size));
		json_object_set_new(entry, "sha256", json_text(hash));
		json_array_append_new(functions, entry);
	}
	json_object_set_new(value, "functions", functions);
	entry = json_object();
	for (i = 0; i < WFPATCH_NR_HOOKS; i++) {
		if (info->hooks[i])
			json_object_set_new(entry, hook_name(i), json_text(info->hooks[i]));
	}
	json_object_set_new(value, "hooks", entry);
	json_object_set_new(value, "hook_points",
			    json_texts(info->hook_points, info->nr_hook_points));
	return value;
}

/* --- text ------------------------------------------------------------------------------------- */

static void put_field(const char *label, const char *text)
{
	char *clean = printable(text);

	if (clean && *clean)
		printf("%-12s %s\n", label, clean);
	free(clean);
}

void put_info(const struct wfpatch_patch_info *info)
{
	char build_id[2 * WFPATCH_BUILD_ID_MAX + 1];
	const struct wfpatch_patch_function *f;
	char *name, *new_name;
	unsigned int i;

	hex(build_id, info->build_id, info->build_id_size);
	put_field("name", info->name);
	put_field("id", info->id);
	put_field("version", info->version);
	put_field("description", info->description);
	put_field("author", info->author);
	for (i = 0; i < info->nr_cves; i++)
		put_field("cve", info->cves[i]);
	for (i = 0; i < info->nr_replaces; i++)
		put_field("replaces", info->replaces[i]);
	put_field("target", info->target);
	put_field("build-id", build_id);
	for (i = 0; i < info->nr_functions; i++) {
		f = &info->functions[i];
		name = printable(f->name);
		new_name = printable(f->new_name);
		if (name && new_name)
			printf("%-12s %s%s%s, %llu bytes at %#llx\n", "function", name,
			       strcmp(name, new_name) ? " by " : "",
			       strcmp(name, new_name) ? new_name : "", (unsigned long long)f->size,
			       (unsigned long long)f->address);
		free(name);
		free(new_name);
	}
	for (i = 0; i < WFPATCH_NR_HOOKS; i++) {
		if (info->hooks[i])
			put_field("hook", hook_name(i));
	}
	for (i = 0; i < info->nr_hook_points; i++)
		put_field("hook-point", info->hook_points[i]);
}

/* --- --watch ---------------------------------------------------------------------------------- */

void redraw(void)
{
	if (isatty(STDOUT_FILENO))
		fputs("\033[H\033[J", stdout);
}

bool watch_wait(void)
{
	struct timespec second = { 1, 0 };

	fflush(stdout);
	return !nanosleep(&second, NULL) && !signals_seen();
}
