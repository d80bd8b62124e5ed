// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * ueventwatch: prints "listening", then every uevent of the kernel as one line
 * of space-separated fields.
 */
#include <linux/netlink.h>
#include <sys/socket.h>

#include "guest.h"

int main(void)
{
	struct sockaddr_nl group = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd = socket(AF_NETLINK, SOCK_DGRAM, NETLINK_KOBJECT_UEVENT);
	char event[8192];
	ssize_t n;

	if (fd < 0 || bind(fd, (struct sockaddr *)&group, sizeof(group)))
		die("netlink");
	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("listening");
	while ((n = recv(fd, event, sizeof(event) - 1, 0)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			putchar(event[i] ? event[i] : ' ');
		putchar('\n');
	}
	die("recv");
}
