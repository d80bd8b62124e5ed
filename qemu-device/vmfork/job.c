/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <string.h>
#include <unistd.h>
#include "cancel.h"
#include "image.h"
#include "job.h"
#include "lock.h"
#include "progress.h"

#define JOB_PATIENCE (G_GINT64_CONSTANT(24) * 3600 * G_USEC_PER_SEC)
#define JOB_TICK (200 * 1000)

/* The job's entry in query-jobs; NULL: there is none */
static JsonObject *job_query(struct job *job, GError **error)
{
	g_autoptr(JsonNode) answer = qmp_run(job->qmp, "query-jobs", NULL, error);
	JsonArray *array = answer ? json_node_get_array(answer) : NULL;
	JsonObject *one;

	for (guint i = 0; array && i < json_array_get_length(array); i++) {
		one = json_array_get_object_element(array, i);
		if (g_strcmp0(layers_string(one, "id"), JOB_NAME) == 0)
			return json_object_ref(one);
	}
	return NULL;
}

/* TRUE once the job has concluded; until then a wait for a change of it */
static gboolean job_is_over(struct job *job, JsonObject *state, GError **error)
{
	g_autoptr(GError) why = NULL;
	g_autoptr(JsonObject) event = NULL;

	if (strcmp(layers_string(state, "status"), "concluded") == 0)
		return TRUE;
	event = qmp_wait(job->qmp, "JOB_STATUS_CHANGE", JOB_TICK, &why);
	if (!event && !g_error_matches(why, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
		g_propagate_error(error, g_steal_pointer(&why));
	return FALSE;
}

static gboolean job_await(struct job *job, struct progress *progress, GError **error)
{
	g_autoptr(GError) why = NULL;
	const char *text;

	for (;;) {
		g_autoptr(JsonObject) state = job_query(job, &why);

		if (why || !state)
			break;
		if (progress)
			progress_at(progress,
				    json_object_get_int_member(state, "current-progress"),
				    json_object_get_int_member(state, "total-progress"));
		if (!job_is_over(job, state, &why)) {
			if (why)
				break;
			continue;
		}
		text = layers_string(state, "error");
		return !text || vmfork_fail(error, VMFORK_FAILED, "qemu-storage-daemon: %s",
					    text);
	}
	if (!why)
		return vmfork_fail(error, VMFORK_FAILED, "the storage daemon has lost the job");
	g_propagate_error(error, g_steal_pointer(&why));
	return FALSE;
}

/* Ends what is there, be it of this process or of a dead one. */
static void job_dismiss(struct job *job)
{
	g_autoptr(JsonObject) state = job_query(job, NULL);

	if (!state)
		return;
	if (strcmp(layers_string(state, "status"), "concluded") != 0) {
		qmp_do(job->qmp, "job-cancel", image_object("id", JOB_NAME, NULL), NULL);
		job_await(job, NULL, NULL);
	}
	qmp_do(job->qmp, "job-dismiss", image_object("id", JOB_NAME, NULL), NULL);
}

gboolean job_open(struct job *job, struct store *store, GError **error)
{
	g_autofree char *lock = store_path(store, "storage", "jobs.lock", NULL);
	g_autofree char *path = store_path(store, "storage", "jobs.sock", NULL);

	*job = (struct job){ .lock = lock_take(lock, "an image", JOB_PATIENCE, error) };
	if (job->lock < 0)
		return FALSE;
	job->qmp = qmp_open(path, error);
	if (!job->qmp) {
		close(job->lock);
		return FALSE;
	}
	job_dismiss(job);
	qmp_do(job->qmp, "blockdev-del", image_object("node-name", JOB_NAME, NULL), NULL);
	return TRUE;
}

/* What it leaves the next one ends; but a node keeps a file open. */
void job_close(struct job *job)
{
	cancel_shield();
	job_dismiss(job);
	qmp_do(job->qmp, "blockdev-del", image_object("node-name", JOB_NAME, NULL), NULL);
	cancel_expose();
	qmp_free(job->qmp);
	close(job->lock);
}

gboolean job_run(struct job *job, const char *command, JsonObject *arguments,
		 struct progress *progress, GError **error)
{
	json_object_set_string_member(arguments, "job-id", JOB_NAME);
	json_object_set_boolean_member(arguments, "auto-dismiss", FALSE);
	return qmp_do(job->qmp, command, arguments, error) && job_await(job, progress, error);
}
