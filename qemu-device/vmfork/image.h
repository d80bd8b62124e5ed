/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Image files, seen from outside of the daemon: what the user names, what qemu-img makes
 * and says, and marks, by which a changed base is noticed.
 */
#ifndef VMFORK_IMAGE_H
#define VMFORK_IMAGE_H

#include "layers.h"

/*
 * What --disk names, as a layer that lies on nothing: PATH, raw:PATH, qcow2:PATH or
 * nbd:URI.  The content of a file says nothing about its format, for a guest that was
 * given a raw image could have written a header that names any file of the host.  So a
 * qcow2 image is one by its name (.qcow2) or by that prefix.
 */
JsonObject *image_parse(const char *spec, GError **error);
/* A layer as QEMU's block driver options, without node names and backing */
JsonObject *image_options(JsonObject *layer, GError **error);
/* {"a": "b", ...}, ended by NULL */
JsonObject *image_object(const char *name, ...) G_GNUC_NULL_TERMINATED;

/* A new, empty qcow2 file, on disk when it returns */
gboolean image_create(const char *path, gint64 size, GError **error);
gboolean image_sync(const char *path, GError **error);
/* Size, time of the last change and a hash over samples of the content */
JsonObject *image_mark(const char *path, GError **error);
/* FALSE, with the file's name, when a layer with a mark is not what it was, or an NBD
 * server does not answer: the daemon would wait for it, and all disks with it */
gboolean image_verify(JsonObject *layer, GError **error);

#endif
