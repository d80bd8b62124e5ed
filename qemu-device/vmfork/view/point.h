/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Named points of the worker, for tests: VMFORK_VIEW_POINT=
 *	NAME		it dies there, once in the life of the view
 *	NAME:always	it dies there each time
 *	NAME:gate	once, a thread waits there until the FIFO VMFORK_VIEW_GATE was
 *			opened and closed by the test
 * Nothing of it is in the program that is installed.
 */
#ifndef POINT_H
#define POINT_H

#ifdef VMFORK_POINTS
void point(const char *name);
void point_setup(_Atomic unsigned int *seen);
#define POINT(name) point(name)
#define POINT_SETUP(seen) point_setup(seen)
#else
#define POINT(name) ((void)0)
#define POINT_SETUP(seen) ((void)(seen))
#endif

#endif /* POINT_H */
