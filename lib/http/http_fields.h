/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside http: lines, lists and fields, which requests and responses share.
 */
#ifndef HTTP_FIELDS_H
#define HTTP_FIELDS_H

#include "http.h"

/** The next line without its end. @return false: none is left. */
bool http_take_line(const uint8_t **at, const uint8_t *end, struct http_text *line, bool *bare_lf);

/**
 * The next element of a comma-separated list, maybe an empty one.
 * @param list  NULL `at` behind the last
 * @return  false at its end.
 */
bool http_take_element(struct http_text *list, struct http_text *element);

/** RFC 9110 section 5.6.2. */
bool http_is_token(struct http_text text);

/** Whether all bytes may be in a field's value. */
bool http_is_value(struct http_text text);

/** Read [at, end), which ends with the empty line. @return false: malformed. */
bool http_read_fields(struct http_fields *fields, const uint8_t *at, const uint8_t *end);

#endif
