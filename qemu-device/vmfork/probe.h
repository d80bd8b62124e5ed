/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What a QEMU is and has: asked by its command line. */
#ifndef VMFORK_PROBE_H
#define VMFORK_PROBE_H

#include "vmfork.h"

/* The path of the program; prog: NULL for qemu-system-x86_64. */
char *probe_program(const char *prog, GError **error);
/* "10.0.13" */
char *probe_version(const char *qemu, GError **error);
/* The properties of a device, or NULL where QEMU has not got it. */
char *probe_device(const char *qemu, const char *device);
/* Standard output of a program, or NULL. */
char *probe_output(const char *const *args, GError **error);
/* Whether it has a QMP command. */
gboolean probe_command(const char *qemu, const char *command);

#endif
