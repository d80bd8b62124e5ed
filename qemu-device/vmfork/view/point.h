/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Named points at which a test has the worker die: VMFORK_VIEW_POINT=NAME, once in the
 * life of the view; NAME:always, each time.  Nothing of it is in what is installed.
 */
#ifndef POINT_H
#define POINT_H

#ifdef VMFORK_POINTS
void point(const char *name);
void point_setup(_Atomic unsigned int *seen);
#define POINT(name) point(name)
#else
#define POINT(name) ((void)0)
#endif

#endif /* POINT_H */
