/* SPDX-License-Identifier: BSD-3-Clause */
/* Attributes that AWSELB has from the application's own cookie. */
#include "unit.h"

#include <string.h>

#include "clb_cookie.h"

#define LONG_512                                                                       \
	"0123456789012345678901234567890123456789012345678901234567890123456789012345" \
	"0123456789012345678901234567890123456789012345678901234567890123456789012345" \
	"0123456789012345678901234567890123456789012345678901234567890123456789012345" \
	"0123456789012345678901234567890123456789012345678901234567890123456789012345" \
	"0123456789012345678901234567890123456789012345678901234567890123456789012345" \
	"0123456789012345678901234567890123456789012345678901234567890123456789012345" \
	"0123456789012345678901234567890123456789012345678901234567890123456789012345"

static void
test_attributes(void)
{
	static const struct {
		const char *why, *set, *want;
	} rows[] = {
		{"none", "app=1", ""},
		{"nothing at all", "", ""},
		{"all that are copied",
		 "app=1; Path=/a; Port=\"80\"; Domain=b.example; Secure; HttpOnly; Discard; "
		 "Max-Age=5; Expires=Thu, 29 Feb 2024 01:02:03 GMT; Version=1; Comment=c; "
		 "CommentURL=d; SameSite=Lax",
		 "; Path=/a; Port=\"80\"; Domain=b.example; Secure; HttpOnly; Discard; "
		 "Max-Age=5; Expires=Thu, 29 Feb 2024 01:02:03 GMT; Version=1; Comment=c; "
		 "CommentURL=d; SameSite=Lax"},
		{"one that ELB doesn't know", "app=1; Priority=High; Path=/", "; Path=/"},
		{"a name in any case, with blanks", "app=1;  pATH = /", "; pATH = /"},
		{"underscores of the path alone", "app_1=a_b; Path=/c_d_; Domain=e_f",
		 "; Path=/c%5Fd%5F; Domain=e_f"},
		{"a name that begins like one", "app=1; Pathological=/; Securely", ""},
		{"empty ones", "app=1;;; ;Path=/;", "; Path=/"},
		{"one with controls", "app=1; Path=/\x01z; Secure", "; Secure"},
		{"one for which there is no room", "app=1; Comment=" LONG_512 "; Secure",
		 "; Secure"},
		{"that isn't a name, though no other has one", "Path=/; Secure", "; Secure"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char out[SERVICE_COOKIE_ATTRIBUTES_MAX];

		clb_cookie_attributes(http_text_string(rows[i].set), out);
		EXPECT_ROW(rows[i].why, strcmp(out, rows[i].want) == 0);
		if (strcmp(out, rows[i].want) != 0)
			printf("  got: %s\n", out);
	}
}

int
main(void)
{
	test_attributes();
	return unit_done();
}
