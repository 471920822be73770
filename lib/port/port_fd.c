/* SPDX-License-Identifier: BSD-3-Clause */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include <linux/if_packet.h>
#include <sys/socket.h>

#include <rte_ethdev.h>

#include "port.h"

/* The interface that a packet socket is bound to; 0: `fd` is none. */
static unsigned
packet_socket_interface(int fd)
{
	struct sockaddr_ll at = {0};
	socklen_t len = sizeof(at);

	if (getsockname(fd, (struct sockaddr *)&at, &len) != 0 || at.sll_family != AF_PACKET)
		return 0;
	return (unsigned)at.sll_ifindex;
}

static int
compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Packet sockets of an interface, as they were opened. @return how many. */
static unsigned
find_sockets(unsigned interface, int *fds, unsigned fds_max)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	unsigned n = 0;

	while (dir != NULL && n < fds_max && (entry = readdir(dir)) != NULL) {
		int fd = atoi(entry->d_name);

		if (entry->d_name[0] != '.' && packet_socket_interface(fd) == interface)
			fds[n++] = fd;
	}
	if (dir != NULL)
		closedir(dir);
	qsort(fds, n, sizeof(fds[0]), compare);
	return n;
}

int
port_rx_fd(const struct port *port, uint16_t queue)
{
	struct rte_eth_dev_info info;
	int fds[64];

	if (port->ops == NULL || rte_eth_dev_info_get(port->port_id, &info) != 0 ||
	    strcmp(info.driver_name, "net_af_packet") != 0 || info.if_index == 0)
		return -1;
	return queue < find_sockets(info.if_index, fds, 64) ? fds[queue] : -1;
}
