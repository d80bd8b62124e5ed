// SPDX-License-Identifier: GPL-2.0
/* placeholder until the real suite below exists */
