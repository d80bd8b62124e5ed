/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The record of all images: DIR/images/layers.json.  One file, replaced by rename(), so
 * that a snapshot of several disks is recorded whole or not at all.
 *
 *	{"version": 1, "next": 8,
 *	 "layers": {"l1": {"format": "raw", "file": "/path", "virtual": BYTES, "mark": {...}},
 *	            "l2": {"format": "qcow2", "own": true, "file": ..., "backing": "l1", ...}},
 *	 "disks": {"d3": {"owner": "web", "index": 0, "layer": "l2", "image": "l1",
 *	           "how": "nbd"}},
 *	 "snapshots": {"s": ["l2"]},
 *	 "pending": {"s": {"process": {...}, "disks": {"d3": "l4"}}}}
 *
 * A layer is what qemu-storage-daemon calls a node, and has the same name there.  A layer
 * with a mark never changes (see image.h).  One that we made ("own") is deleted when no
 * disk, snapshot or other layer needs it.  A number is given once only, so a backing
 * layer always has a smaller one than what lies on it.
 */
#ifndef VMFORK_LAYERS_H
#define VMFORK_LAYERS_H

#include "store.h"

struct layers {
	struct store *store;
	JsonObject *root;
	int lock;		/* DIR/storage/lock: nothing else is locked after it */
};

/* Locks and reads.  What was not saved by layers_save() is lost at layers_close(). */
gboolean layers_open(struct layers *layers, struct store *store, GError **error);
void layers_close(struct layers *layers);
gboolean layers_save(struct layers *layers, GError **error);

/* One of the four lists above */
JsonObject *layers_list(struct layers *layers, const char *list);
JsonObject *layers_get(struct layers *layers, const char *list, const char *id);
JsonObject *layers_layer(struct layers *layers, const char *id);
const char *layers_string(JsonObject *object, const char *member);
/* Adds an object under a new number and returns its name, which the object keeps. */
const char *layers_add(struct layers *layers, const char *list, JsonObject *object);
/* The layer of that file, whatever name the file has here; NULL: there is none. */
const char *layers_of_file(struct layers *layers, const char *path);

/* From a layer down to the one that lies on nothing */
GPtrArray *layers_chain(struct layers *layers, const char *id);
/* The names of those that a disk, a snapshot or a step to a snapshot needs */
GHashTable *layers_needed(struct layers *layers);
/* How many layers lie on this one, and disks and snapshots end at it */
guint layers_users(struct layers *layers, const char *id);
/* Those on which disks write, or will after the next disk_freeze() */
GHashTable *layers_tops(struct layers *layers);

#endif
