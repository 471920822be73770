/* SPDX-License-Identifier: BSD-3-Clause */
#include "drop_reason.h"

#include "check.h"

static const struct {
	const char *name;
	const char *text;
} reasons[] = {
#define DROP_REASON_ROW(symbol, name, text) {name, text},
	DROP_REASON_LIST(DROP_REASON_ROW)
#undef DROP_REASON_ROW
};

_Static_assert(sizeof(reasons) / sizeof(reasons[0]) == DROP_REASONS, "one row per reason");

const char *
drop_reason_name(enum drop_reason reason)
{
	CHECK((unsigned)reason < DROP_REASONS);
	return reasons[reason].name;
}

const char *
drop_reason_text(enum drop_reason reason)
{
	CHECK((unsigned)reason < DROP_REASONS);
	return reasons[reason].text;
}
