/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include "cancel.h"

static GCancellable *token;
static int shields;

static void *cancel_wait(void *signals)
{
	int signal;

	while (sigwait(signals, &signal) == 0)
		g_cancellable_cancel(token);
	return NULL;
}

/* The signals are blocked in every thread; what is started unblocks them (process.c). */
void cancel_start(void)
{
	static sigset_t signals;
	pthread_t thread;

	token = g_cancellable_new();
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (pthread_create(&thread, NULL, cancel_wait, &signals) != 0)
		pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
	else
		pthread_detach(thread);
}

GCancellable *cancel_token(void)
{
	return shields ? NULL : token;
}

gboolean cancel_came(void)
{
	return g_cancellable_is_cancelled(token);
}

gboolean cancel_check(GError **error)
{
	return !g_cancellable_set_error_if_cancelled(cancel_token(), error);
}

void cancel_shield(void)
{
	shields++;
}

void cancel_expose(void)
{
	shields--;
}

gboolean cancel_sleep(gint64 us, GError **error)
{
	GPollFD fd = { .fd = -1 };

	g_cancellable_make_pollfd(cancel_token(), &fd);
	g_poll(&fd, fd.fd < 0 ? 0 : 1, us / 1000);
	if (fd.fd >= 0)
		g_cancellable_release_fd(cancel_token());
	return cancel_check(error);
}
