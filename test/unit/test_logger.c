/* SPDX-License-Identifier: BSD-3-Clause */
#include <dirent.h>
#include <ftw.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include <zlib.h>

#include "unit.h"

#include "logger.h"

#define RECORDS 20000

static struct log_ring ring;
static uint8_t *ring_bytes;
static char root[] = "/tmp/weir-logger-XXXXXX";
static char found[PATH_MAX];
static int files;

struct record {
	uint64_t id;
	uint32_t number;
};

static size_t
format(void *arg, const void *bytes, uint32_t len, uint64_t *id, char *line, size_t size)
{
	const struct record *r = bytes;

	(void)arg;
	(void)len;
	*id = r->id;
	return (size_t)snprintf(line, size, "record %u\n", r->number);
}

static void
put(uint64_t id, uint32_t number)
{
	struct record *r;

	while ((r = log_ring_reserve(&ring, sizeof(*r))) == NULL)
		usleep(1000);
	*r = (struct record){id, number};
	log_ring_commit(&ring);
}

static int
look(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)ftw;
	if (type == FTW_F) {
		files++;
		snprintf(found, sizeof(found), "%s", path);
	}
	return 0;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* Every record of a log that exists is a line of one compressed file, in order. */
static void
test_records_become_a_file(void)
{
	struct logger_config config = {.rings = {&ring}, .rings_n = 1, .format = format};
	struct logger_log log = {.id = 7, .directory = "prefix/AWSLogs", .name = "app.shop"};
	struct logger *l;
	uint32_t n = 0;
	char line[64];
	gzFile gz;

	snprintf(log.root, sizeof(log.root), "%s", root);
	log_ring_init(&ring, ring_bytes, 65536);
	l = logger_start(&config);
	EXPECT(l != NULL);
	EXPECT(logger_set_logs(l, &log, 1));
	usleep(100000); /* records of a log that is not known yet would be nobody's */
	for (uint32_t i = 0; i < RECORDS; i++) {
		put(7, i);
		if (i % 100 == 0)
			put(8, i); /* of a log that nobody asked for */
	}
	logger_stop(l);
	nftw(root, look, 8, FTW_PHYS);
	EXPECT(files == 1);
	EXPECT(strstr(found, "/prefix/AWSLogs/2") != NULL);
	EXPECT(strlen(found) > 7 && strcmp(found + strlen(found) - 7, ".log.gz") == 0);
	gz = gzopen(found, "rb");
	EXPECT(gz != NULL);
	while (gz != NULL && gzgets(gz, line, sizeof(line)) != NULL) {
		char want[64];

		snprintf(want, sizeof(want), "record %u\n", n++);
		if (strcmp(line, want) != 0)
			break;
	}
	EXPECT(n == RECORDS);
	if (gz != NULL)
		gzclose(gz);
}

/* A directory that is not there: lines are counted as lost, nothing stops. */
static void
test_no_directory(void)
{
	struct logger_config config = {.rings = {&ring}, .rings_n = 1, .format = format};
	struct logger_log log = {
		.id = 7, .directory = "x", .root = "/nonexistent/weir", .name = "app.shop"};
	struct logger_counters counters = {0};
	struct logger *l;

	log_ring_init(&ring, ring_bytes, 65536);
	l = logger_start(&config);
	logger_set_logs(l, &log, 1);
	usleep(100000);
	for (uint32_t i = 0; i < 10; i++)
		put(7, i);
	for (int i = 0; i < 100 && counters.failed < 10; i++) {
		usleep(20000);
		logger_counters(l, &counters);
	}
	EXPECT(counters.failed == 10 && counters.lines == 0);
	logger_stop(l);
}

int
main(void)
{
	ring_bytes = malloc(65536);
	if (ring_bytes == NULL || mkdtemp(root) == NULL)
		return 1;
	test_records_become_a_file();
	test_no_directory();
	nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(ring_bytes);
	return unit_done();
}
