/* SPDX-License-Identifier: Apache-2.0 */
/* Broken and unusual ELF files: every damaged header gives the errno or the signal that Linux gives. */
#include "tests/contract/contract.h"
#include <elf.h>

static char *image;
static size_t size;
static Elf64_Ehdr *eh;
static Elf64_Phdr *ph;

static void load_self(void)
{
	int fd = MUST(open("/proc/self/exe", O_RDONLY));
	struct stat st;

	MUST(fstat(fd, &st));
	free(image);
	size = st.st_size;
	image = malloc(size);
	MUST(pread(fd, image, size, 0));
	close(fd);
	eh = (Elf64_Ehdr *)image;
	ph = (Elf64_Phdr *)(image + eh->e_phoff);
}

static Elf64_Phdr *segment(unsigned type, int nth)
{
	for (int i = 0; i < eh->e_phnum; i++)
		if (ph[i].p_type == type && nth-- == 0)
			return &ph[i];
	say("no such segment");
	exit(99);
}

/* Writes the image out, executes it, and reloads the undamaged one; how it ended goes to *@ret_status and *@ret_errno. */
static void run(int *ret_status, int *ret_errno)
{
	char *argv[] = { "x", "child", NULL }, *envp[] = { NULL };
	int fd, fds[2];
	pid_t pid;

	unlink("prog");
	fd = MUST(open("prog", O_WRONLY | O_CREAT, 0755));
	write_all(fd, image, size);
	close(fd);
	MUST(pipe2(fds, O_CLOEXEC));
	pid = MUST(fork());
	if (pid == 0) {
		execve("./prog", argv, envp);
		write_all(fds[1], (char *)&errno, sizeof(errno));
		_exit(101);
	}
	close(fds[1]);
	*ret_errno = 0;
	MUST(read(fds[0], ret_errno, sizeof(*ret_errno)));
	close(fds[0]);
	MUST(waitpid(pid, ret_status, 0));
	load_self();
}

static void try(const char *what)
{
	int status, err;

	run(&status, &err);
	if (err)
		say("%s: %s", what, errno_name(err));
	else
		show_status(what, status);
}

static void refused(const char *what)
{
	int status, err;

	run(&status, &err);
	say("%s: %s", what, err || WIFSIGNALED(status) ? "does not run" : "runs");
}

int main(int argc, char **argv)
{
	static const size_t cuts[] = { 0, 1, 4, 16, 63, 64, 65, 100, 200 };
	char label[64];

	(void)argv;
	if (argc > 1)
		return 7;
	scratch();
	load_self();
	try("unchanged");
	SECTION("identification");
	image[0] = 0;
	try("magic");
	eh->e_machine = EM_AARCH64;
	try("machine");
	eh->e_type = ET_REL;
	try("relocatable");
	eh->e_type = ET_CORE;
	try("core");
	eh->e_type = 0x1234;
	try("type");
	SECTION("program headers");
	eh->e_phentsize = 55;
	try("entry size");
	eh->e_phnum = 0;
	try("none");
	eh->e_phnum = 0xffff;
	try("too many");
	eh->e_phoff = size + 1000;
	try("behind the end");
	eh->e_phoff = -8;
	try("far behind the end");
	eh->e_phoff = size - 10;
	try("cut off by the end");
	SECTION("cut files");
	for (size_t i = 0; i < ARRAY_SIZE(cuts); i++) {
		size = cuts[i];
		snprintf(label, sizeof(label), "%zu bytes", cuts[i]);
		try(label);
	}
	SECTION("interpreter");
	Elf64_Phdr *in = segment(PT_INTERP, 0);
	strcpy(image + in->p_offset, "/missing");
	try("missing");
	in = segment(PT_INTERP, 0);
	memset(image + in->p_offset, 'x', in->p_filesz);
	try("not terminated");
	segment(PT_INTERP, 0)->p_filesz = 0;
	try("empty");
	segment(PT_INTERP, 0)->p_filesz = 1;
	try("one byte");
	segment(PT_INTERP, 0)->p_filesz = 5000;
	try("longer than a path");
	in = segment(PT_INTERP, 0);
	strcpy(image + in->p_offset, "/");
	try("a directory");
	in = segment(PT_INTERP, 0);
	strcpy(image + in->p_offset, "/etc/passwd");
	try("a text file");
	in = segment(PT_INTERP, 0);
	strcpy(image + in->p_offset, "/dev/null");
	try("a device");
	SECTION("what Linux finds out too late to give an errno");
	segment(PT_INTERP, 0)->p_offset = size + 5;
	refused("interpreter behind the end");
	segment(PT_LOAD, 0)->p_filesz = segment(PT_LOAD, 0)->p_memsz + 1;
	refused("larger in the file than in memory");
	segment(PT_LOAD, 0)->p_memsz = -1UL;
	refused("endless");
	segment(PT_LOAD, 1)->p_vaddr = 1UL << 62;
	refused("address out of range");
	segment(PT_LOAD, 1)->p_offset += 1;
	refused("offset and address differ in the page");
	segment(PT_LOAD, 1)->p_flags = PF_R;
	refused("code not executable");
	return 0;
}
