/* SPDX-License-Identifier: BSD-3-Clause */
#include "logger.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <zlib.h>

#include "log.h"

#define BUFFER_BYTES      65536
#define RECORDS_PER_RING  1024
#define COMPRESS_BYTES    65536
#define PATH_BYTES        1200
#define COMPLAIN_PERIOD_S 60

/* A log's file, while there is one. */
struct log_file {
	struct log_file *next;
	struct logger_log log;
	int directory_fd; /* of the day's directory; -1: no file */
	int fd;
	char tmp[200]; /* name in the directory */
	time_t begun;
	uint64_t bytes;
	size_t buffered;
	char buffer[BUFFER_BYTES];
};

/* A complete file that is to be compressed. */
struct finished {
	struct finished *next;
	int directory_fd;
	char name[200]; /* NAME.log */
};

struct compression {
	struct finished *of; /* NULL: none under way */
	int in, out;
	z_stream z;
	uint8_t read[COMPRESS_BYTES], written[COMPRESS_BYTES];
};

struct logger {
	struct logger_config config;
	pthread_t thread;
	atomic_bool stop;
	pthread_mutex_t lock; /* of `wanted` */
	struct logger_log *wanted;
	uint32_t wanted_n;
	bool changed;
	struct log_file *files;
	struct finished *finished, **finished_last;
	struct compression compression;
	time_t complained;
	uint32_t serial;
	_Atomic uint64_t lines, bytes, files_n, failed;
	char line[LOGGER_LINE_MAX];
};

static void
complain(struct logger *l, const char *what, const char *where)
{
	time_t now = time(NULL);

	if (now - l->complained < COMPLAIN_PERIOD_S)
		return;
	l->complained = now;
	LOG_WARNING("log file: %s %s: %s; lines are lost", what, where, strerror(errno));
}

/* Open `path` below `at`, making what is missing; no symbolic link is followed. */
static int
open_directory(int at, const char *path)
{
	char part[256];
	int fd = dup(at);

	while (fd >= 0 && *path != '\0') {
		size_t n = strcspn(path, "/");
		int below;

		if (n >= sizeof(part)) {
			errno = ENAMETOOLONG;
			close(fd);
			return -1;
		}
		memcpy(part, path, n);
		part[n] = '\0';
		path += n + (path[n] == '/');
		if (n == 0)
			continue;
		if (mkdirat(fd, part, 0750) != 0 && errno != EEXIST)
			below = -1;
		else
			below = openat(fd, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		close(fd);
		fd = below;
	}
	return fd;
}

static bool
begin_file(struct logger *l, struct log_file *f)
{
	char path[PATH_BYTES], day[16];
	struct tm tm;
	int root, tries = 0;

	f->begun = time(NULL);
	gmtime_r(&f->begun, &tm);
	strftime(day, sizeof(day), "%Y/%m/%d", &tm);
	snprintf(path, sizeof(path), "%s/%s", f->log.directory, day);
	root = open(f->log.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0) {
		complain(l, "cannot open", f->log.root);
		return false;
	}
	f->directory_fd = open_directory(root, path);
	close(root);
	if (f->directory_fd < 0) {
		complain(l, "cannot make", path);
		return false;
	}
	/* A name that a weir that crashed has left is somebody else's. */
	do {
		snprintf(f->tmp, sizeof(f->tmp), "%.150s_%08x.log.tmp", f->log.name, l->serial++);
		f->fd = openat(f->directory_fd, f->tmp,
			       O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
	} while (f->fd < 0 && errno == EEXIST && ++tries < 100);
	if (f->fd < 0) {
		complain(l, "cannot create", f->tmp);
		close(f->directory_fd);
		f->directory_fd = -1;
		return false;
	}
	f->bytes = 0;
	return true;
}

static void
flush_file(struct logger *l, struct log_file *f)
{
	size_t at = 0;

	while (at < f->buffered) {
		ssize_t n = write(f->fd, f->buffer + at, f->buffered - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			complain(l, "cannot write", f->tmp);
			for (size_t i = at; i < f->buffered; i++)
				l->failed += f->buffer[i] == '\n';
			break;
		}
		at += (size_t)n;
	}
	f->bytes += at;
	l->bytes += at;
	f->buffered = 0;
}

static void
end_file(struct logger *l, struct log_file *f)
{
	struct finished *done = malloc(sizeof(*done));
	char end[32];
	time_t now = time(NULL);
	struct tm tm;

	if (f->directory_fd < 0) {
		free(done);
		return;
	}
	flush_file(l, f);
	close(f->fd);
	gmtime_r(&now, &tm);
	strftime(end, sizeof(end), "%Y%m%dT%H%M%SZ", &tm);
	l->files_n++;
	if (done != NULL) {
		*done = (struct finished){.directory_fd = f->directory_fd};
		snprintf(done->name, sizeof(done->name), "%.110s_%s_%.40s_%08x.log", f->log.name,
			 end, f->log.address, l->serial++);
		if (renameat(f->directory_fd, f->tmp, f->directory_fd, done->name) == 0) {
			*l->finished_last = done;
			l->finished_last = &done->next;
			f->directory_fd = -1;
			return;
		}
		complain(l, "cannot rename", f->tmp);
		free(done);
	}
	close(f->directory_fd);
	f->directory_fd = -1;
}

static void
write_line(struct logger *l, uint64_t id, const char *line, size_t len)
{
	struct log_file *f = l->files;

	while (f != NULL && f->log.id != id)
		f = f->next;
	if (f == NULL)
		return; /* its load balancer is gone, or has no log any more */
	if (f->directory_fd < 0 && !begin_file(l, f)) {
		l->failed++;
		return;
	}
	if (f->buffered + len > sizeof(f->buffer))
		flush_file(l, f);
	memcpy(f->buffer + f->buffered, line, len);
	f->buffered += len;
	l->lines++;
	if (f->bytes + f->buffered >= LOGGER_FILE_BYTES)
		end_file(l, f);
}

static bool
drain(struct logger *l)
{
	bool any = false;

	for (uint32_t i = 0; i < l->config.rings_n; i++) {
		for (uint32_t n = 0; n < RECORDS_PER_RING; n++) {
			uint64_t id = 0;
			uint32_t len;
			const void *record = log_ring_peek(l->config.rings[i], &len);
			size_t line;

			if (record == NULL)
				break;
			line = l->config.format(l->config.arg, record, len, &id, l->line,
						sizeof(l->line));
			log_ring_release(l->config.rings[i]);
			if (line > 0)
				write_line(l, id, l->line, line);
			any = true;
		}
	}
	return any;
}

/* Compression, a piece at a time. */

static void
end_compression(struct logger *l, bool whole)
{
	struct compression *c = &l->compression;
	char tmp[220], gz[220];

	deflateEnd(&c->z);
	close(c->in);
	close(c->out);
	snprintf(tmp, sizeof(tmp), "%s.gz.tmp", c->of->name);
	snprintf(gz, sizeof(gz), "%s.gz", c->of->name);
	if (whole && renameat(c->of->directory_fd, tmp, c->of->directory_fd, gz) == 0)
		unlinkat(c->of->directory_fd, c->of->name, 0);
	else
		unlinkat(c->of->directory_fd, tmp, 0);
	close(c->of->directory_fd);
	free(c->of);
	c->of = NULL;
}

static bool
begin_compression(struct logger *l)
{
	struct compression *c = &l->compression;
	char tmp[220];

	if (l->finished == NULL)
		return false;
	c->of = l->finished;
	l->finished = c->of->next;
	if (l->finished == NULL)
		l->finished_last = &l->finished;
	snprintf(tmp, sizeof(tmp), "%s.gz.tmp", c->of->name);
	memset(&c->z, 0, sizeof(c->z));
	c->in = openat(c->of->directory_fd, c->of->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	c->out = openat(c->of->directory_fd, tmp,
			O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (c->in < 0 || c->out < 0 ||
	    deflateInit2(&c->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, MAX_WBITS + 16, 8,
			 Z_DEFAULT_STRATEGY) != Z_OK) {
		complain(l, "cannot compress", c->of->name);
		end_compression(l, false);
		return false;
	}
	return true;
}

/* @return  whether there is more to do. */
static bool
compress_piece(struct logger *l)
{
	struct compression *c = &l->compression;
	ssize_t n;
	int flush;

	if (c->of == NULL && !begin_compression(l))
		return false;
	n = read(c->in, c->read, sizeof(c->read));
	if (n < 0) {
		end_compression(l, false);
		return true;
	}
	flush = n == 0 ? Z_FINISH : Z_NO_FLUSH;
	c->z.next_in = c->read;
	c->z.avail_in = (uInt)n;
	do {
		size_t have;

		c->z.next_out = c->written;
		c->z.avail_out = sizeof(c->written);
		deflate(&c->z, flush);
		have = sizeof(c->written) - c->z.avail_out;
		if (have > 0 && write(c->out, c->written, have) != (ssize_t)have) {
			complain(l, "cannot write", c->of->name);
			end_compression(l, false);
			return true;
		}
	} while (c->z.avail_out == 0);
	if (n == 0)
		end_compression(l, true);
	return true;
}

/* Which logs there are. */

static const struct logger_log *
wanted(const struct logger_log *logs, uint32_t n, uint64_t id)
{
	for (uint32_t i = 0; i < n; i++) {
		if (logs[i].id == id)
			return &logs[i];
	}
	return NULL;
}

static void
add_log(struct logger *l, const struct logger_log *log)
{
	struct log_file *f = l->files;

	while (f != NULL && f->log.id != log->id)
		f = f->next;
	if (f != NULL)
		return;
	f = malloc(sizeof(*f));
	if (f == NULL)
		return;
	f->log = *log;
	f->directory_fd = -1;
	f->buffered = 0;
	f->next = l->files;
	l->files = f;
}

/* A log that has moved is another: its file ends. */
static void
follow_changes(struct logger *l)
{
	struct logger_log *logs;
	uint32_t n;

	pthread_mutex_lock(&l->lock);
	logs = l->changed ? l->wanted : NULL;
	n = l->wanted_n;
	l->wanted = l->changed ? NULL : l->wanted;
	l->changed = false;
	pthread_mutex_unlock(&l->lock);
	if (logs == NULL)
		return;
	drain(l); /* what was written for the logs so far */
	for (struct log_file **link = &l->files; *link != NULL;) {
		struct log_file *f = *link;
		const struct logger_log *same = wanted(logs, n, f->log.id);

		if (same != NULL && strcmp(same->root, f->log.root) == 0 &&
		    strcmp(same->directory, f->log.directory) == 0 &&
		    strcmp(same->name, f->log.name) == 0) {
			link = &f->next;
			continue;
		}
		end_file(l, f);
		*link = f->next;
		free(f);
	}
	for (uint32_t i = 0; i < n; i++)
		add_log(l, &logs[i]);
	free(logs);
}

static void
rotate(struct logger *l)
{
	time_t now = time(NULL);

	for (struct log_file *f = l->files; f != NULL; f = f->next) {
		if (f->directory_fd >= 0 && now - f->begun >= LOGGER_PERIOD_S)
			end_file(l, f);
	}
}

static void *
logger_main(void *arg)
{
	static const struct timespec nap = {.tv_nsec = 20000000};
	struct logger *l = arg;
	uint32_t quiet = 0;

	while (!atomic_load(&l->stop)) {
		follow_changes(l);
		rotate(l);
		if (drain(l)) {
			quiet = 0;
			continue;
		}
		/* Readers see lines soon, although not each costs a system call. */
		if (++quiet == 25) {
			for (struct log_file *f = l->files; f != NULL; f = f->next) {
				if (f->directory_fd >= 0)
					flush_file(l, f);
			}
		}
		if (!compress_piece(l))
			nanosleep(&nap, NULL);
	}
	follow_changes(l);
	while (drain(l))
		;
	while (l->files != NULL) {
		struct log_file *f = l->files;

		l->files = f->next;
		end_file(l, f);
		free(f);
	}
	while (compress_piece(l))
		;
	return NULL;
}

struct logger *
logger_start(const struct logger_config *config)
{
	struct logger *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->config = *config;
	l->serial = (uint32_t)time(NULL);
	l->finished_last = &l->finished;
	pthread_mutex_init(&l->lock, NULL);
	if (pthread_create(&l->thread, NULL, logger_main, l) != 0) {
		free(l);
		return NULL;
	}
	pthread_setname_np(l->thread, "weir-logger");
	return l;
}

void
logger_stop(struct logger *l)
{
	if (l == NULL)
		return;
	atomic_store(&l->stop, true);
	pthread_join(l->thread, NULL);
	pthread_mutex_destroy(&l->lock);
	free(l->wanted);
	free(l);
}

bool
logger_set_logs(struct logger *l, const struct logger_log *logs, uint32_t n)
{
	struct logger_log *copy = malloc((n + 1) * sizeof(*copy));

	if (copy == NULL)
		return false;
	memcpy(copy, logs, n * sizeof(*copy));
	pthread_mutex_lock(&l->lock);
	free(l->wanted);
	l->wanted = copy;
	l->wanted_n = n;
	l->changed = true;
	pthread_mutex_unlock(&l->lock);
	return true;
}

void
logger_counters(struct logger *l, struct logger_counters *counters)
{
	*counters = (struct logger_counters){.lines = atomic_load(&l->lines),
					     .bytes = atomic_load(&l->bytes),
					     .files = atomic_load(&l->files_n),
					     .failed = atomic_load(&l->failed)};
	for (uint32_t i = 0; i < l->config.rings_n; i++)
		counters->lost += __atomic_load_n(&l->config.rings[i]->lost, __ATOMIC_RELAXED);
}
