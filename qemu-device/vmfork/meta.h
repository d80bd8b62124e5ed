/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* meta.json of a snapshot, and the record of a machine that is made from it. */
#ifndef VMFORK_META_H
#define VMFORK_META_H

#include "take.h"

JsonObject *meta_of(struct take *t);
/* Members of the record of a machine that a snapshot gives to its forks. */
void meta_inherit(JsonObject *record, JsonObject *meta);
/* FALSE for what is no description that this version wrote. */
gboolean meta_check(JsonObject *meta, const char *path, GError **error);

#endif
