/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "image.h"

#define IMAGE_SAMPLES 64
#define IMAGE_SAMPLE 4096
/* For how long requests to an NBD server elsewhere wait when it is gone, in seconds */
#define IMAGE_REMOTE_DELAY 10
/* How long a look at an image may take: a server that is stuck would never answer */
#define IMAGE_PATIENCE "10"
/* What timeout(1) ends with */
#define IMAGE_TIMED_OUT 124
/* The first bytes of a qcow2 file */
#define IMAGE_MAGIC "QFI\xfb"

JsonObject *image_object(const char *name, ...)
{
	JsonObject *object = json_object_new();
	va_list args;

	va_start(args, name);
	for (; name; name = va_arg(args, const char *))
		json_object_set_string_member(object, name, va_arg(args, const char *));
	va_end(args);
	return object;
}

/* --- NBD URIs --- */

static JsonObject *image_unix(GUri *uri, GError **error)
{
	g_autoptr(GHashTable) query = NULL;
	const char *path;

	query = g_uri_parse_params(g_uri_get_query(uri) ?: "", -1, "&",
				   G_URI_PARAMS_NONE, error);
	if (!query)
		return NULL;
	path = g_hash_table_lookup(query, "socket");
	if (path)
		return image_object("type", "unix", "path", path, NULL);
	vmfork_fail(error, VMFORK_USAGE, "an NBD URI of a unix socket has the form "
		    "nbd+unix:///EXPORT?socket=PATH");
	return NULL;
}

static JsonObject *image_inet(GUri *uri)
{
	g_autofree char *port = NULL;
	int number = g_uri_get_port(uri);

	port = g_strdup_printf("%d", number > 0 ? number : 10809);
	return image_object("type", "inet", "host", g_uri_get_host(uri), "port", port, NULL);
}

static JsonObject *image_server(GUri *uri, GError **error)
{
	if (strcmp(g_uri_get_scheme(uri), "nbd+unix") == 0)
		return image_unix(uri, error);
	if (strcmp(g_uri_get_scheme(uri), "nbd") == 0 && g_uri_get_host(uri) &&
	    *g_uri_get_host(uri))
		return image_inet(uri);
	vmfork_fail(error, VMFORK_USAGE, "nbd: takes nbd://HOST[:PORT]/EXPORT or "
		    "nbd+unix:///EXPORT?socket=PATH, and no TLS");
	return NULL;
}

static JsonObject *image_remote(const char *text, GError **error)
{
	g_autoptr(GUri) uri = g_uri_parse(text, G_URI_FLAGS_NONE, error);
	JsonObject *options, *server;
	const char *name;

	server = uri ? image_server(uri, error) : NULL;
	if (!server)
		return NULL;
	name = g_uri_get_path(uri);
	options = image_object("driver", "nbd", "export", *name == '/' ? name + 1 : name, NULL);
	json_object_set_object_member(options, "server", server);
	json_object_set_int_member(options, "reconnect-delay", IMAGE_REMOTE_DELAY);
	return options;
}

JsonObject *image_options(JsonObject *layer, GError **error)
{
	const char *format = layers_string(layer, "format");
	JsonObject *options, *file;

	if (strcmp(format, "nbd") == 0)
		return image_remote(layers_string(layer, "uri"), error);
	file = image_object("driver", "file", "filename", layers_string(layer, "file"), NULL);
	options = image_object("driver", format, NULL);
	json_object_set_object_member(options, "file", file);
	return options;
}

/* --- qemu-img --- */

/* What it prints; that is parsed by the caller.  What it says of an error is passed on. */
static char *image_tool(const char *const *argv, GError **error)
{
	GSpawnFlags flags = G_SPAWN_SEARCH_PATH;
	g_autofree char *err = NULL;
	char *out = NULL;
	int status;

	if (!g_spawn_sync(NULL, (char **)argv, NULL, flags, NULL, NULL, &out, &err, &status,
			  error)) {
		g_prefix_error(error, "install the tools of QEMU, or put them into PATH: ");
		return NULL;
	}
	if (g_spawn_check_wait_status(status, NULL))
		return out;
	if (WIFEXITED(status) && WEXITSTATUS(status) == IMAGE_TIMED_OUT)
		vmfork_fail(error, VMFORK_FAILED, "the server of the image does not answer");
	else
		vmfork_fail(error, VMFORK_FAILED, "%s", g_strchomp(err));
	g_free(out);
	return NULL;
}

static JsonObject *image_info(JsonObject *layer, GError **error)
{
	g_autoptr(JsonObject) options = image_options(layer, error);
	g_autoptr(JsonParser) parser = json_parser_new();
	g_autoptr(JsonNode) node = NULL;
	g_autofree char *text = NULL, *name = NULL, *out = NULL;

	if (!options)
		return NULL;
	node = json_node_init_object(json_node_alloc(), options);
	text = json_to_string(node, FALSE);
	name = g_strconcat("json:", text, NULL);
	out = image_tool((const char *[]){ "timeout", IMAGE_PATIENCE, "qemu-img", "info",
			 "--output=json", name, NULL }, error);
	if (!out || !json_parser_load_from_data(parser, out, -1, error))
		return NULL;
	return json_node_dup_object(json_parser_get_root(parser));
}

gboolean image_sync(const char *path, GError **error)
{
	g_autofree char *dir = g_path_get_dirname(path);
	const char *const paths[] = { path, dir };
	int fd, ret;

	for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
		fd = open(paths[i], O_RDONLY | O_CLOEXEC);
		ret = fd < 0 ? -1 : fsync(fd);
		if (fd >= 0)
			close(fd);
		if (ret < 0)
			return vmfork_fail_errno(error, "%s", paths[i]);
	}
	return TRUE;
}

/* lazy_refcounts: a daemon that was killed leaves no leaked cluster, for the next open
 * counts anew, and fewer writes have to wait for others. */
gboolean image_create(const char *path, gint64 size, GError **error)
{
	g_autofree char *bytes = g_strdup_printf("%" G_GINT64_FORMAT, size), *out = NULL;

	out = image_tool((const char *[]){ "qemu-img", "create", "-q", "-f", "qcow2", "-o",
			 "compat=1.1,lazy_refcounts=on", path, bytes, NULL }, error);
	if (out && image_sync(path, error))
		return TRUE;
	unlink(path);
	return FALSE;
}

/* --- what the user names --- */

static gboolean image_has_header(const char *path, gboolean *ret, GError **error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char magic[4];
	ssize_t got;

	if (fd < 0)
		return vmfork_fail_errno(error, "%s", path);
	got = pread(fd, magic, sizeof(magic), 0);
	close(fd);
	if (got < 0)
		return vmfork_fail_errno(error, "%s", path);
	*ret = got == sizeof(magic) && memcmp(magic, IMAGE_MAGIC, sizeof(magic)) == 0;
	return TRUE;
}

/* To take a file without a header for raw is safe: nothing in it is followed. */
static const char *image_format(const char *path, GError **error)
{
	gboolean header;

	if (g_str_has_suffix(path, ".qcow2"))
		return "qcow2";
	if (g_str_has_suffix(path, ".raw"))
		return "raw";
	if (!image_has_header(path, &header, error))
		return NULL;
	if (!header)
		return "raw";
	vmfork_fail(error, VMFORK_REFUSED, "%s begins like a qcow2 image, but its name does not "
		    "say so, and a guest could have written that: if you trust it say "
		    "qcow2:%s, if it is a raw image raw:%s", path, path, path);
	return NULL;
}

static JsonObject *image_file(const char *format, const char *name, GError **error)
{
	g_autofree char *path = realpath(name, NULL);
	struct stat st;

	if (!path || stat(path, &st) < 0) {
		vmfork_fail_errno(error, "%s", name);
		return NULL;
	}
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
		vmfork_fail(error, VMFORK_REFUSED, "%s is neither a file nor a block device",
			    name);
		return NULL;
	}
	format = format ?: image_format(path, error);
	return format ? image_object("format", format, "file", path, NULL) : NULL;
}

/* A file that refers to others could name any of the host's. */
static gboolean image_stands_alone(JsonObject *layer, JsonObject *info, GError **error)
{
	JsonObject *data = json_object_has_member(info, "format-specific") ?
		json_object_get_object_member(info, "format-specific") : NULL;
	const char *file = layers_string(layer, "file");

	data = data && json_object_has_member(data, "data") ?
		json_object_get_object_member(data, "data") : NULL;
	if (!json_object_has_member(info, "backing-filename") &&
	    !(data && json_object_has_member(data, "data-file")))
		return TRUE;
	return vmfork_fail(error, VMFORK_REFUSED, "%s refers to another file: make one that "
			   "stands alone by qemu-img convert -O qcow2 %s NEW.qcow2", file, file);
}

static JsonObject *image_named(const char *spec, GError **error)
{
	if (g_str_has_prefix(spec, "nbd:"))
		return image_object("format", "nbd", "uri", spec + strlen("nbd:"), NULL);
	if (g_str_has_prefix(spec, "raw:"))
		return image_file("raw", spec + strlen("raw:"), error);
	if (g_str_has_prefix(spec, "qcow2:"))
		return image_file("qcow2", spec + strlen("qcow2:"), error);
	return image_file(NULL, spec, error);
}

JsonObject *image_parse(const char *spec, GError **error)
{
	g_autoptr(JsonObject) layer = image_named(spec, error), info = NULL, mark = NULL;
	const char *file;

	info = layer ? image_info(layer, error) : NULL;
	if (!info || !image_stands_alone(layer, info, error))
		return NULL;
	json_object_set_int_member(layer, "virtual",
			json_object_get_int_member_with_default(info, "virtual-size", 0));
	file = layers_string(layer, "file");
	if (file) {
		mark = image_mark(file, error);
		if (!mark)
			return NULL;
		json_object_set_object_member(layer, "mark", g_steal_pointer(&mark));
	}
	return g_steal_pointer(&layer);
}

/* --- marks --- */

static gboolean image_sample(int fd, off_t at, GChecksum *sum)
{
	guchar buf[IMAGE_SAMPLE];
	ssize_t got = pread(fd, buf, sizeof(buf), at);

	if (got > 0)
		g_checksum_update(sum, buf, got);
	return got >= 0;
}

static gboolean image_hash(int fd, off_t size, GChecksum *sum)
{
	for (off_t i = 0; i < IMAGE_SAMPLES; i++)
		if (!image_sample(fd, size / IMAGE_SAMPLES * i, sum))
			return FALSE;
	return image_sample(fd, MAX(size - IMAGE_SAMPLE, 0), sum);
}

static JsonObject *image_measure(int fd)
{
	g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
	off_t size = lseek(fd, 0, SEEK_END);
	JsonObject *mark;
	struct stat st;

	if (size < 0 || fstat(fd, &st) < 0 || !image_hash(fd, size, sum))
		return NULL;
	mark = image_object("sha256", g_checksum_get_string(sum), NULL);
	json_object_set_int_member(mark, "size", size);
	if (S_ISREG(st.st_mode))
		json_object_set_int_member(mark, "mtime", st.st_mtim.tv_sec * G_GINT64_CONSTANT
					   (1000000000) + st.st_mtim.tv_nsec);
	return mark;
}

JsonObject *image_mark(const char *path, GError **error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	JsonObject *mark = fd < 0 ? NULL : image_measure(fd);

	if (!mark)
		vmfork_fail_errno(error, "%s", path);
	if (fd >= 0)
		close(fd);
	return mark;
}

gboolean image_verify(JsonObject *layer, GError **error)
{
	const char *file = layers_string(layer, "file");
	g_autoptr(JsonObject) now = NULL;
	g_autoptr(JsonNode) a = NULL, b = NULL;

	if (!file) {
		now = image_info(layer, error);
		return now != NULL;
	}
	if (!json_object_has_member(layer, "mark"))
		return TRUE;
	now = image_mark(file, error);
	if (!now)
		return FALSE;
	a = json_node_init_object(json_node_alloc(), now);
	b = json_node_copy(json_object_get_member(layer, "mark"));
	if (json_node_equal(a, b))
		return TRUE;
	return vmfork_fail(error, VMFORK_REFUSED, "%s was changed after disks came to depend on "
			   "it: put the old file back, with its time, or remove the machines "
			   "and snapshots that need it by vmfork rm", file);
}
