/* SPDX-License-Identifier: BSD-3-Clause */
/* Within lib/http. */
#ifndef HTTP_TARGET_H
#define HTTP_TARGET_H

#include "http.h"

/** Path, query and host of a request's target, in any form. @return false: it has none of them. */
bool http_target_split(struct http_request *r);

/** The next protocol of an Upgrade that may pass; http_request_upgrades() says which. */
bool http_upgrade_next(struct http_text *protocols, struct http_text *protocol);

#endif
