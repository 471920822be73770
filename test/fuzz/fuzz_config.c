/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as a configuration file: they are refused with at least one error, or give a model
 * whose canonical text loads to the same canonical text.
 */
#include <stdint.h>
#include <stdlib.h>

#include "check.h"
#include "config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *
write_model(const struct model *m, size_t *len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, len);

	CHECK(f != NULL && model_write(m, f));
	fclose(f);
	return text;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_source source = {"fuzz.ini", (const char *)data, size};
	struct config_errors errors = {0};
	struct model *m, *again;
	size_t len, len_again;
	char *text, *text_again;

	m = config_load(&source, 1, &errors);
	CHECK((m == NULL) == (errors.n > 0));
	config_errors_free(&errors);
	if (m == NULL)
		return 0;
	text = write_model(m, &len);
	source = (struct config_source){"canonical.ini", text, len};
	again = config_load(&source, 1, &errors);
	CHECK(again != NULL);
	text_again = write_model(again, &len_again);
	CHECK(len == len_again && memcmp(text, text_again, len) == 0);
	free(text);
	free(text_again);
	model_free(m);
	model_free(again);
	return 0;
}
