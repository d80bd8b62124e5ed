/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* A real function for every inline one, for languages that cannot include C. */
#define VMGEN_INLINE VMGEN_API

/* Where they are static, nobody declares them. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"

#include "vmgen.h"
