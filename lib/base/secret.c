/* SPDX-License-Identifier: BSD-3-Clause */
#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "check.h"

void
secret_derive(const struct secret *secret, const char *label, void *out, size_t len)
{
	uint8_t input[128 + 1], block[32];
	size_t label_len = strlen(label);
	uint8_t *at = out;

	CHECK(label_len < sizeof(input));
	memcpy(input, label, label_len);
	for (uint8_t counter = 1; len > 0; counter++) {
		size_t n = len < sizeof(block) ? len : sizeof(block);

		input[label_len] = counter;
		CHECK(HMAC(EVP_sha256(), secret->bytes, SECRET_LEN, input, label_len + 1, block,
			   NULL) != NULL);
		memcpy(at, block, n);
		at += n;
		len -= n;
	}
}

void
secret_sha256(const void *buf, size_t len, uint8_t digest[32])
{
	CHECK(EVP_Digest(buf, len, digest, NULL, EVP_sha256(), NULL) == 1);
}

bool
secret_random(void *out, size_t len)
{
	uint8_t *at = out;

	while (len > 0) {
		ssize_t n = getrandom(at, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool
parse_line(struct secret *secret, const char *line, size_t len)
{
	if (len < 2 * SECRET_LEN || (len > 2 * SECRET_LEN && line[2 * SECRET_LEN] != '\n'))
		return false;
	for (size_t i = 0; i < SECRET_LEN; i++) {
		int hi = hex_digit(line[2 * i]), lo = hex_digit(line[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return false;
		secret->bytes[i] = (uint8_t)(hi << 4 | lo);
	}
	return true;
}

static bool
create_file(const char *path)
{
	uint8_t random[SECRET_LEN];
	char line[2 * SECRET_LEN + 2];
	int fd;
	bool ok;

	if (!secret_random(random, sizeof(random)))
		return false;
	for (size_t i = 0; i < SECRET_LEN; i++)
		snprintf(line + 2 * i, 3, "%02x", random[i]);
	line[2 * SECRET_LEN] = '\n';
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	ok = write(fd, line, 2 * SECRET_LEN + 1) == 2 * SECRET_LEN + 1;
	ok = close(fd) == 0 && ok;
	if (!ok)
		unlink(path);
	return ok;
}

/* The bytes of a file that nobody else may read. @return their number, -1 with `why`. */
static ssize_t
read_private(const char *path, bool create, char *buf, size_t size, char *why, size_t why_len)
{
	struct stat st;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT && create && create_file(path))
		fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		snprintf(why, why_len, "secret file %s: %s", path, strerror(errno));
		return -1;
	}
	n = read(fd, buf, size);
	if (n < 0 || fstat(fd, &st) != 0) {
		snprintf(why, why_len, "secret file %s: %s", path, strerror(errno));
		close(fd);
		return -1;
	}
	close(fd);
	if ((st.st_mode & 077) != 0) {
		snprintf(why, why_len,
			 "secret file %s is readable by others (mode %03o); make it 0600", path,
			 (unsigned)st.st_mode & 0777);
		return -1;
	}
	return n;
}

bool
secret_load(struct secret *secret, const char *path, bool create, char *why, size_t why_len)
{
	char buf[4096];
	ssize_t n = read_private(path, create, buf, sizeof(buf), why, why_len);

	if (n < 0)
		return false;
	if (!parse_line(secret, buf, (size_t)n)) {
		snprintf(why, why_len,
			 "secret file %s: the first line must be 64 hexadecimal digits", path);
		return false;
	}
	return true;
}

bool
secret_load_all(struct secret *secrets, uint32_t max, uint32_t *n, const char *path, bool create,
		char *why, size_t why_len)
{
	char buf[4096];
	ssize_t len = read_private(path, create, buf, sizeof(buf), why, why_len);
	size_t at = 0;

	*n = 0;
	while (len >= 0 && (*n == 0 || at < (size_t)len)) {
		if (*n == max || !parse_line(&secrets[*n], buf + at, (size_t)len - at)) {
			snprintf(why, why_len,
				 "secret file %s: line %u: each line must be 64 hexadecimal "
				 "digits, at most %u lines",
				 path, *n + 1, max);
			return false;
		}
		(*n)++;
		at += 2 * SECRET_LEN + 1;
	}
	return len >= 0;
}
