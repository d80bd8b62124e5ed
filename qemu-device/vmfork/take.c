/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "cancel.h"
#include "copy.h"
#include "maps.h"
#include "recover.h"
#include "steps.h"
#include "take.h"

#define TAKE_PATIENCE (60 * G_USEC_PER_SEC)

/* Numbers of the descriptors that the server inherits. */
enum { TAKE_PEER = 3, TAKE_UFFD = 4, TAKE_BLOCK = 5 };

void take_init(struct take *t)
{
	t->peer = -1;
	t->frames = -1;
	t->generation = -1;
}

static void take_close(struct take *t)
{
	for (int i = 0; i < t->n; i++)
		close(t->fds[i]);
	t->n = 0;
	if (t->peer >= 0)
		close(t->peer);
	t->peer = -1;
}

void take_clear(struct take *t)
{
	take_close(t);
	g_clear_pointer(&t->blocks, json_array_unref);
	g_clear_pointer(&t->qmp, qmp_free);
	g_clear_pointer(&t->old, g_free);
}

gboolean take_is(struct take *t, const char *how)
{
	return strcmp(t->how, how) == 0;
}

/* --- which way ------------------------------------------------------------------- */

void take_choose(struct take *t)
{
	g_autofree char *program = view_program(NULL);

	t->how = "copy";
	if (!program || json_object_get_boolean_member_with_default(t->m->record, "no-view",
								    FALSE))
		return;
	if (machine_string(t->run, "ram"))
		t->how = "process";
	else if (qmp_has_command(t->qmp, "ram-view-open"))
		t->how = "view";
}

/* It works without a view as well, but not as fast: the user has to know why. */
static gboolean take_fall_back(struct take *t, GError **error)
{
	if (cancel_token() && g_cancellable_is_cancelled(cancel_token()))
		return FALSE;
	vmfork_warn("no view of the memory (%s): the machine has to stand still while its "
		    "memory is copied; \"vmfork doctor\" says more",
		    error && *error ? (*error)->message : "?");
	g_clear_error(error);
	take_close(t);
	t->private = FALSE;
	g_clear_pointer(&t->blocks, json_array_unref);
	t->how = "copy";
	return view_end(t->s->dir, TRUE, error) && view_unmount(t->s->dir, error);
}

/* --- the way "view" ------------------------------------------------------------------ */

/* QEMU's message: 'V' with the descriptors. */
static gboolean take_receive(struct take *t, GError **error)
{
	char byte, control[CMSG_SPACE(sizeof(t->fds))];
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *c;
	ssize_t got = recvmsg(t->peer, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	c = got == 1 && byte == 'V' ? CMSG_FIRSTHDR(&msg) : NULL;
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
		t->n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(t->fds, CMSG_DATA(c), t->n * sizeof(int));
	}
	if (t->n >= 2 && !(msg.msg_flags & MSG_CTRUNC) &&
	    (guint)t->n == json_array_get_length(t->blocks) + 1)
		return TRUE;
	return vmfork_fail(error, VMFORK_FAILED, "QEMU did not hand over its memory");
}

static JsonArray *take_take_blocks(JsonObject *answer)
{
	JsonNode *node = json_object_get_member(answer, "blocks");

	if (!node || !JSON_NODE_HOLDS_ARRAY(node))
		return NULL;
	return json_array_ref(json_node_get_array(node));
}

static gboolean take_check_blocks(struct take *t, GError **error)
{
	if (t->blocks && json_array_get_length(t->blocks) == 1)
		return TRUE;
	return vmfork_fail(error, VMFORK_REFUSED, "the machine has memory that was plugged "
			   "in: a fork could not be given that yet");
}

static gboolean take_ask(struct take *t, GError **error)
{
	JsonObject *arguments = json_object_new();
	g_autoptr(JsonObject) answer = NULL;

	json_object_set_string_member(arguments, "fdname", "vmfork-view");
	if (t->private)
		json_object_set_boolean_member(arguments, "private", TRUE);
	answer = qmp_ask(t->qmp, "ram-view-open", arguments, error);
	if (!answer)
		return FALSE;
	t->opened = TRUE;
	g_clear_pointer(&t->blocks, json_array_unref);
	t->blocks = take_take_blocks(answer);
	/* Private memory has no descriptors. */
	return take_check_blocks(t, error) && (t->private || take_receive(t, error));
}

static gboolean take_open(struct take *t, GError **error)
{
	int ends[2];
	gboolean sent;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return vmfork_fail_errno(error, "cannot open the view");
	t->peer = ends[0];
	sent = qmp_send_fd(t->qmp, "vmfork-view", ends[1], error);
	close(ends[1]);
	if (!sent || !take_ask(t, error))
		return FALSE;
	step(STEP_SNAPSHOT_OPENED);
	return TRUE;
}

/* The blocks, each with the number of its descriptor. */
static JsonObject *take_describe_live(struct take *t)
{
	JsonObject *d = json_object_new();

	json_object_set_int_member(d, "version", 1);
	for (guint i = 0; i < json_array_get_length(t->blocks); i++)
		json_object_set_int_member(json_array_get_object_element(t->blocks, i), "fd",
					   TAKE_BLOCK + i);
	json_object_set_array_member(d, "blocks", json_array_ref(t->blocks));
	return d;
}

static gboolean take_serve_live(struct take *t, GError **error)
{
	g_autoptr(JsonObject) d = take_describe_live(t);
	struct process_fd fds[TAKE_BLOCKS + 2] = { { t->peer, TAKE_PEER } };
	gboolean done;

	json_object_set_int_member(d, "uffd", TAKE_UFFD);
	json_object_set_int_member(d, "peer", TAKE_PEER);
	for (int i = 0; i < t->n; i++)
		fds[i + 1] = (struct process_fd){ t->fds[i], TAKE_UFFD + i };
	done = view_serve(t->s->dir, d, fds, t->n + 1, &t->options, error);
	/* QEMU and the server have them now. */
	take_close(t);
	if (done)
		step(STEP_SNAPSHOT_SERVED);
	return done;
}

static gboolean take_arm(const char *dir, GError **error)
{
	if (!view_do(dir, "arm", NULL, TAKE_PATIENCE, error))
		return FALSE;
	step(STEP_SNAPSHOT_ARMED);
	return TRUE;
}

static gboolean take_first(struct take *t, GError **error)
{
	return take_open(t, error) && take_serve_live(t, error) &&
	       take_arm(t->s->dir, error);
}

/* --- the same after an older view, whose server arms ahead and hands over --- */

static gboolean take_look(struct take *t, GError **error)
{
	g_autoptr(JsonObject) answer = qmp_ask(t->qmp, "query-ram-view", NULL, error);

	if (!answer)
		return FALSE;
	t->blocks = take_take_blocks(answer);
	if (!t->blocks)
		return vmfork_fail(error, VMFORK_FAILED, "QEMU has taken its memory back");
	return take_check_blocks(t, error);
}

static gboolean take_serve_next(struct take *t, const char *old, GError **error)
{
	g_autoptr(JsonObject) d = take_describe_live(t);
	g_autofree char *control = g_build_filename(old, "control", NULL);
	struct process_fd fd = { machine_memory(t->run, error), TAKE_BLOCK };
	gboolean done;

	if (fd.from < 0)
		return FALSE;
	json_object_set_string_member(d, "inherits", control);
	done = view_serve(t->s->dir, d, &fd, 1, &t->options, error);
	close(fd.from);
	if (done)
		step(STEP_SNAPSHOT_SERVED);
	return done;
}

static char *take_old_dir(struct take *t)
{
	return store_path(t->v->store, "snapshots", t->old, NULL);
}

static gboolean take_next(struct take *t, GError **error)
{
	g_autofree char *old = take_old_dir(t);

	return take_look(t, error) && take_serve_next(t, old, error) &&
	       take_arm(old, error);
}

/* Noted before it happens: from then on the older view needs a new place. */
static gboolean take_note_handing(struct take *t, GError **error)
{
	json_object_set_boolean_member(recover_doing(t->m), "detached", TRUE);
	if (!machine_note(t->m, error))
		return FALSE;
	t->detached = TRUE;
	step(STEP_SNAPSHOT_HANDING);
	return TRUE;
}

/* --- the way "process" ----------------------------------------------------------------- */

static JsonObject *take_process_description(struct take *t, GError **error)
{
	JsonObject *process = json_object_get_object_member(t->run, "process");
	gint64 pid = json_object_get_int_member(process, "pid");
	const char *base = machine_string(t->run, "ram");
	JsonArray *maps = maps_of(pid, base, error);
	JsonObject *d;

	if (!maps)
		return NULL;
	d = json_object_new();
	json_object_set_int_member(d, "version", 1);
	json_object_set_int_member(d, "process", pid);
	json_object_set_array_member(d, "maps", maps);
	json_object_set_string_member(d, "base", base);
	if (t->blocks)
		json_object_set_array_member(d, "blocks", json_array_ref(t->blocks));
	return d;
}

static gboolean take_serve_process(struct take *t, GError **error)
{
	g_autoptr(JsonObject) d = take_process_description(t, error);

	return d && view_serve(t->s->dir, d, NULL, 0, &t->options, error);
}

/* The server starts now, unless QEMU is going to say where the guest sees the memory. */
static gboolean take_prepare_process(struct take *t, GError **error)
{
	t->private = qmp_has_command(t->qmp, "ram-view-open");
	t->served = t->blocks || !t->private;
	return !t->served || take_serve_process(t, error);
}

/* The memory is left out of the state then.  An older QEMU puts all of it in. */
static gboolean take_try_private(struct take *t, GError **error)
{
	g_autoptr(GError) why = NULL;

	if (take_open(t, &why))
		return TRUE;
	if (t->opened || !cancel_check(NULL)) {
		g_propagate_error(error, g_steal_pointer(&why));
		return FALSE;
	}
	take_close(t);
	t->private = FALSE;
	vmfork_warn("the machine has to stand still while its memory is saved with its state: %s",
		    why->message);
	return TRUE;
}

static gboolean take_open_private(struct take *t, GError **error)
{
	if (t->private && !take_try_private(t, error))
		return FALSE;
	return t->served || take_serve_process(t, error) || take_fall_back(t, error);
}

/* QEMU closes such a view itself before the machine runs. */
static gboolean take_close_private(struct take *t, GError **error)
{
	if (!t->private || qmp_do(t->qmp, "ram-view-close", NULL, error))
		return TRUE;
	g_prefix_error(error, "the machine ran while its memory was read: ");
	return FALSE;
}

/* --- the way "copy" ------------------------------------------------------------------ */

static gboolean take_copy_maps(struct take *t, struct copy *c, GError **error)
{
	JsonObject *process = json_object_get_object_member(t->run, "process");
	g_autoptr(JsonArray) maps = maps_of(json_object_get_int_member(process, "pid"),
					    machine_string(t->run, "ram"), error);
	JsonObject *map;

	if (!maps)
		return FALSE;
	for (guint i = 0; i < json_array_get_length(maps); i++) {
		map = json_array_get_object_element(maps, i);
		if (!copy_range(c, json_object_get_int_member(map, "host"),
				json_object_get_int_member(map, "offset"),
				json_object_get_int_member(map, "size"), error))
			return FALSE;
	}
	if (ftruncate(c->to, c->all) == 0)
		return TRUE;
	return vmfork_fail_errno(error, "cannot make the copy of the memory");
}

static int take_open_process(struct take *t, GError **error)
{
	JsonObject *process = json_object_get_object_member(t->run, "process");
	g_autofree char *path = g_strdup_printf("/proc/%" G_GINT64_FORMAT "/mem",
						json_object_get_int_member(process, "pid"));
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		vmfork_fail_errno(error, "cannot read the machine's memory (%s)", path);
	return fd;
}

static gboolean take_copy_into(struct take *t, int to, GError **error)
{
	gboolean private = machine_string(t->run, "ram") != NULL, done;
	struct progress progress;
	struct copy c = { .to = to, .progress = &progress };

	c.all = json_object_get_int_member(t->m->record, "memory");
	c.from = private ? take_open_process(t, error) : machine_memory(t->run, error);
	if (c.from < 0)
		return FALSE;
	progress_begin(&progress, t->v, "copying memory");
	done = private ? take_copy_maps(t, &c, error) : copy_file(&c, c.all, error);
	progress_end(&progress);
	close(c.from);
	return done;
}

static gboolean take_copy(struct take *t, GError **error)
{
	g_autofree char *path = snap_path(t->s, "ram-copy");
	int to = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	gboolean done;

	if (to < 0)
		return vmfork_fail_errno(error, "%s", path);
	done = take_copy_into(t, to, error);
	close(to);
	return done;
}

/* A view of the copy: nothing depends on it, for forks map the copy itself. */
static void take_serve_copy(struct take *t)
{
	g_autoptr(JsonObject) d = json_object_new();
	g_autofree char *path = snap_path(t->s, "ram-copy"), *program = view_program(NULL);
	g_autoptr(GError) error = NULL;

	if (!program)
		return;
	json_object_set_int_member(d, "version", 1);
	json_object_set_string_member(d, "file", path);
	if (t->blocks)
		json_object_set_array_member(d, "blocks", json_array_ref(t->blocks));
	if (!view_serve(t->s->dir, d, NULL, 0, &t->options, &error))
		vmfork_warn("%s cannot be read as a view: %s", t->s->name, error->message);
}

/* --- the moments ----------------------------------------------------------------------- */

gboolean take_prepare(struct take *t, GError **error)
{
	gboolean done = TRUE;

	if (take_is(t, "view"))
		done = t->old ? take_next(t, error) : take_first(t, error);
	else if (take_is(t, "process"))
		done = take_prepare_process(t, error);
	return done || take_fall_back(t, error);
}

gboolean take_stopped(struct take *t, GError **error)
{
	return !take_is(t, "process") || take_open_private(t, error);
}

gboolean take_freeze(struct take *t, GError **error)
{
	g_autoptr(JsonObject) reply = NULL;

	if (take_is(t, "copy"))
		return take_copy(t, error);
	if (take_is(t, "view") && t->old && !take_note_handing(t, error))
		return FALSE;
	reply = view_ask(t->s->dir, "freeze", NULL, TAKE_PATIENCE, error);
	if (!reply)
		return take_fall_back(t, error) && take_copy(t, error);
	t->frames = json_object_get_int_member_with_default(reply, "frames", -1);
	return take_close_private(t, error);
}

void take_finish(struct take *t)
{
	if (take_is(t, "copy"))
		take_serve_copy(t);
}

static JsonObject *take_describe_block(JsonObject *block, gint64 offset)
{
	JsonObject *d = json_object_new();

	json_object_set_string_member(d, "id", json_object_get_string_member(block, "id"));
	json_object_set_int_member(d, "offset", offset);
	json_object_set_int_member(d, "size", json_object_get_int_member(block, "size"));
	/* Of a copy that is private, whatever the machine's own pages are. */
	json_object_set_int_member(d, "page-size", 4096);
	if (json_object_has_member(block, "ranges"))
		json_object_set_array_member(d, "ranges", json_array_ref(
			json_object_get_array_member(block, "ranges")));
	return d;
}

JsonObject *take_describe(struct take *t)
{
	JsonObject *ram = json_object_new(), *block;
	JsonArray *blocks = json_array_new();
	gint64 offset = 0;

	json_object_set_int_member(ram, "size", json_object_get_int_member(t->m->record,
									   "memory"));
	for (guint i = 0; t->blocks && i < json_array_get_length(t->blocks); i++) {
		block = json_array_get_object_element(t->blocks, i);
		json_array_add_object_element(blocks, take_describe_block(block, offset));
		offset += json_object_get_int_member(block, "size");
	}
	json_object_set_array_member(ram, "blocks", blocks);
	return ram;
}
