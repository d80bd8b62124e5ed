/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A client of QEMU's monitor protocol.  Events that come while a command waits for its
 * answer are kept for qmp_wait().  Every wait has a limit and can be cancelled.
 */
#ifndef VMFORK_QMP_H
#define VMFORK_QMP_H

#include <gio/gio.h>
#include <json-glib/json-glib.h>

#define QMP_PATIENCE (60 * G_USEC_PER_SEC)

struct qmp;

struct qmp *qmp_open(const char *path, GError **error);
struct qmp *qmp_open_within(const char *path, gint64 patience, GError **error);
/* The same on a connected socket, which is closed in any case. */
struct qmp *qmp_attach(int fd, const char *name, gint64 patience, GError **error);
void qmp_free(struct qmp *qmp);
typedef struct qmp qmp_client;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(qmp_client, qmp_free)
/* How long an answer may take from now on. */
void qmp_patience(struct qmp *qmp, gint64 us);

/* What the command returns; arguments is taken and may be NULL. */
JsonNode *qmp_run(struct qmp *qmp, const char *command, JsonObject *arguments,
		  GError **error);
gboolean qmp_do(struct qmp *qmp, const char *command, JsonObject *arguments, GError **error);
/* The same where an object is returned. */
JsonObject *qmp_ask(struct qmp *qmp, const char *command, JsonObject *arguments,
		    GError **error);
/* QMP's getfd: the descriptor stays open here. */
gboolean qmp_send_fd(struct qmp *qmp, const char *name, int fd, GError **error);
/* The data of the oldest event of that name that was not asked for yet. */
JsonObject *qmp_wait(struct qmp *qmp, const char *event, gint64 timeout_us, GError **error);
/* Forget the events that came until now. */
void qmp_forget(struct qmp *qmp);
/* False also where QEMU does not answer. */
gboolean qmp_has_command(struct qmp *qmp, const char *name);

#endif
