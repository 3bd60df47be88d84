/* SPDX-License-Identifier: MIT */
/*
 * A file that is read and one that is appended to, both without looking at
 * what is beyond: for tests that change them while the process is away.
 */
#include "target.h"

#define SIZE 10000

int main(void)
{
	static uint8_t buf[SIZE], again[SIZE];
	struct stat st;
	int data, appended;

	t_init();
	t_fill(buf, SIZE, 12);
	data = t_must(open("data", O_RDWR | O_CREAT | O_TRUNC, 0644));
	if (write(data, buf, SIZE) != SIZE)
		t_fatal("data");
	t_must(lseek(data, 5000, SEEK_SET));
	appended = t_must(open("appended", O_WRONLY | O_CREAT | O_APPEND, 0644));
	if (write(appended, "one\ntwo\n", 8) != 8)
		t_fatal("appended");
	t_ready();
	if (t_spoiled())
		t_must(lseek(data, 5001, SEEK_SET));
	t_wait();
	t_same("bytes from the offset on", 5000, (uint64_t)read(data, again, 5000));
	t_same("their content", 0, (uint64_t)memcmp(again, buf + 5000, 5000));
	t_same("a line appended", 6, (uint64_t)write(appended, "three\n", 6));
	t_must(fstat(appended, &st));
	t_same("at the end", (uint64_t)st.st_size, (uint64_t)lseek(appended, 0, SEEK_CUR));
	return t_done();
}
