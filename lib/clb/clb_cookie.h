/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Attributes of a classic load balancer's cookie that follows the application's own
 * (C23:elb-sticky-sessions): it lives where and as long as that one does.
 */
#ifndef CLB_COOKIE_H
#define CLB_COOKIE_H

#include "service_cookie.h"

/**
 * Copy the attributes of the application's cookie.  Those that ELB doesn't know, that make no sense
 * or for which there is no room are left out; an underscore in the path becomes %5F.
 * @param set  the value of its Set-Cookie field
 */
void clb_cookie_attributes(struct http_text set, char out[SERVICE_COOKIE_ATTRIBUTES_MAX]);

#endif
