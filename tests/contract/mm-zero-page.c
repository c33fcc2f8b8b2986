/* SPDX-License-Identifier: Apache-2.0 */
/* Reads of untouched memory give zeroes everywhere, stay private, and the first write makes a page of one's own. */
#include "tests/contract/contract.h"

#define N 512

int main(void)
{
	char *a = mmap(NULL, N * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *b = mmap(NULL, N * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int zero = MUST(open("/dev/zero", O_RDWR)), wrong = 0;
	char *z = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, zero, 0);
	char *s = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, zero, 0);

	for (int i = 0; i < N; i++)
		wrong += a[i * PAGE + i] != 0;
	for (int i = 0; i < N; i += 2)
		a[i * PAGE] = 1;
	for (int i = 0; i < N; i++)
		wrong += b[i * PAGE] != 0 || a[i * PAGE] != !(i % 2);
	SHOW(wrong);
	YES(all_bytes(b, 0, N * PAGE));
	SECTION("/dev/zero mapped");
	YES(all_bytes(z, 0, 4 * PAGE));
	z[0] = 'z';
	s[0] = 's';
	IN_CHILD("child") {
		SHOW(z[0]);
		SHOW(s[0]);
		z[1] = 'Z';
		s[1] = 'S';
	}
	SHOW(z[1]);
	SHOW(s[1]);
	SECTION("written by a syscall from an untouched page");
	int fds[2];
	char buf[16] = "xxxxxxxxxxxxxxx";
	MUST(pipe(fds));
	CALL(write(fds[1], b + 100 * PAGE, 8));
	CALL(read(fds[0], buf, 8));
	BYTES(buf, 10);
	return 0;
}
