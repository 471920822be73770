/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The journal of flow events, one per worker, in the past tense.
 *
 * Logs, replication and offload are its consumers; services call nothing else.  Without a consumer
 * an event costs one predictable branch.
 */
#ifndef FLOW_JOURNAL_H
#define FLOW_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

enum flow_event {
	FLOW_ESTABLISHED, /* the record is in the table */
	FLOW_MOVED,       /* it has another target */
	FLOW_REFRESHED,   /* it was seen again after long */
	FLOW_CLOSING,
	FLOW_CLOSED, /* the record is about to be given back */
};

struct flow_journal {
	/** `record` and `version` name the record as it was at the event. */
	void (*on_event)(void *arg, enum flow_event event, uint32_t record, uint16_t version);
	void *arg;
};

static inline void
flow_journal_note(const struct flow_journal *journal, enum flow_event event, uint32_t record,
		  uint16_t version)
{
	if (journal->on_event != NULL)
		journal->on_event(journal->arg, event, record, version);
}

#endif
