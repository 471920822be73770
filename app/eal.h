/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * EAL: its arguments derived from the configuration, and the lcores that result.
 *
 * The operator never has to write EAL options; those after `--` on the command line are added and
 * win.
 */
#ifndef EAL_H
#define EAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct eal_plan {
	const char *instance;       /* EAL's file prefix */
	const char *lcores;         /* EAL syntax from the configuration, NULL: choose */
	int management_lcore;       /* -1: the first */
	unsigned workers;           /* 0: as many as there are free CPUs */
	unsigned crypto;            /* lcores for TLS handshakes, behind the workers' */
	bool hugepages;             /* false: never use them */
	uint32_t mbufs;             /* what EAL has to find memory for */
	uint32_t mbuf_bytes;        /* of one, everything included */
	const char *const *devices; /* vdev strings and PCI addresses */
	unsigned devices_n;
	char **extra; /* operator's, after `--` */
	int extra_n;
};

struct eal_result {
	bool hugepages;   /* in use */
	bool physical;    /* there are devices that go by IOVAs */
	unsigned workers; /* lcores besides the main one */
};

/**
 * Start EAL.
 * @return  false with a sentence in `why` that says what to do.
 */
bool eal_start(const struct eal_plan *plan, struct eal_result *result, char *why, size_t why_len);

/** Stop EAL and remove its run-time directory. */
void eal_stop(void);

#endif
