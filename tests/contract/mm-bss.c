/* SPDX-License-Identifier: Apache-2.0 */
/* The tail of .data's last page and .bss are zero and writable; the file of the program is never written. */
#include "tests/contract/contract.h"

char small_data[] = "initialised";
char big_bss[1 << 20];
char one_bss;
const char text[] = "read only";
extern char __bss_start, _end, edata;

int main(void)
{
	char *end_page = (char *)(((uintptr_t)&_end + PAGE - 1) & ~(PAGE - 1));
	int fd, n = 0;
	char *image;
	struct stat st;

	STR(small_data);
	YES(all_bytes(big_bss, 0, sizeof(big_bss)));
	YES(one_bss == 0);
	YES(all_bytes(&_end, 0, end_page - &_end));
	PROBE(end_page - 1, w);
	PROBE(text, w);
	memset(big_bss, 'b', sizeof(big_bss));
	strcpy(small_data, "overwritten");
	SECTION("the program file still holds what it held");
	fd = MUST(open("/proc/self/exe", O_RDONLY));
	MUST(fstat(fd, &st));
	image = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	/* The needle is made at run time, so that it is in the file once only where the data is. */
	char needle[] = "IOITI@LISED";
	for (char *c = needle; *c; c++)
		*c |= 0x20;
	needle[1] = 'n', needle[5] = 'a';
	for (off_t i = 0; i + 12 <= st.st_size; i++)
		n += !memcmp(image + i, needle, 12);
	SHOW(n);
	SECTION("a child starts from the same");
	IN_CHILD("fork") {
		STR(small_data);
		YES(all_bytes(big_bss, 'b', sizeof(big_bss)));
		small_data[0] = 'X';
	}
	STR(small_data);
	return 0;
}
