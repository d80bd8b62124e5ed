/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <stdio.h>
#include "vmfork.h"

G_DEFINE_QUARK(vmfork-error, vmfork_error)

gboolean vmfork_fail(GError **error, enum vmfork_error code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (error)
		*error = g_error_new_valist(VMFORK_ERROR, code, format, args);
	va_end(args);
	return FALSE;
}

/* A denial and a full disk have a code of GIO's, by which callers tell them apart. */
gboolean vmfork_fail_errno(GError **error, const char *format, ...)
{
	int cause = errno;
	va_list args;
	g_autofree char *what = NULL;

	va_start(args, format);
	what = g_strdup_vprintf(format, args);
	va_end(args);
	g_set_error(error, G_IO_ERROR, g_io_error_from_errno(cause), "%s: %s", what,
		    g_strerror(cause));
	return FALSE;
}

int vmfork_exit_status(const GError *error)
{
	if (!error)
		return 0;
	if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
		return VMFORK_CANCELLED;
	if (error->domain == G_OPTION_ERROR)
		return VMFORK_USAGE;
	return error->domain == VMFORK_ERROR ? error->code : VMFORK_FAILED;
}

void vmfork_warn(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("vmfork: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
}
