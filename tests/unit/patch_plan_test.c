/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/systrap/patch_plan.h"

#include <criterion/criterion.h>
#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <ucontext.h>
#include <unistd.h>
#include <Zydis/Zydis.h>

TestSuite(patch_plan, .timeout = 400);

#define SITE 0x7ffff7000100UL

static enum patch_verdict plan_bytes(const char *text, size_t len, enum patch_form form, struct patch_plan *ret)
{
	return patch_plan((const uint8_t *)text, len, SITE, SITE, form, ret);
}
#define PLAN(text, form, ret) plan_bytes(text, sizeof(text) - 1, form, ret)

/* --- verdicts --- */

Test(patch_plan, refuses)
{
	struct patch_plan p;

	cr_assert_eq(PLAN("\x0f\x34\x48\x3d\x01\xf0\xff\xff", PATCH_NEAR, &p), PATCH_NO_SYSCALL);
	cr_assert_eq(PLAN("\x0f\x05\x48\x3d\x01\xf0", PATCH_NEAR, &p), PATCH_END);
	cr_assert_eq(PLAN("\x0f\x05\x06\x90\x90\x90\x90", PATCH_NEAR, &p), PATCH_UNKNOWN);
	cr_assert_eq(PLAN("\x0f\x05\x0f\x05\x90\x90\x90\x90", PATCH_NEAR, &p), PATCH_SPECIAL); /* syscall */
	cr_assert_eq(PLAN("\x0f\x05\xcc\x90\x90\x90\x90\x90", PATCH_NEAR, &p), PATCH_SPECIAL); /* int3 */
	cr_assert_eq(PLAN("\x0f\x05\xff\xd0\x90\x90\x90\x90", PATCH_NEAR, &p), PATCH_SPECIAL); /* call *%rax */
	cr_assert_eq(PLAN("\x0f\x05\xf3\x0f\x1e\xfa\x90\x90", PATCH_NEAR, &p), PATCH_SPECIAL); /* endbr64 */
	cr_assert_eq(PLAN("\x0f\x05\xf0\x48\x0f\xb1\x0a\x90", PATCH_NEAR, &p), PATCH_SPECIAL); /* lock cmpxchg */
	cr_assert_eq(PLAN("\x0f\x05\x48\x89\x05\x00\x01\x00\x00", PATCH_NEAR, &p), PATCH_RELATIVE); /* mov %rax,x(%rip) */
	cr_assert_eq(PLAN("\x0f\x05\xe2\x10\x90\x90\x90\x90", PATCH_NEAR, &p), PATCH_RELATIVE); /* loop */
	cr_assert_eq(PLAN("\x0f\x05\xe3\x10\x90\x90\x90\x90", PATCH_NEAR, &p), PATCH_RELATIVE); /* jrcxz */
	cr_assert_eq(PLAN("\x0f\x05\xc3\xcc\xcc\xcc\xcc\xcc", PATCH_NEAR, &p), PATCH_OK);
	cr_assert_eq(PLAN("\x0f\x05\xc3\x48\x89\xc7\x90\x90", PATCH_NEAR, &p), PATCH_SHORT); /* ret, then anything */
	cr_assert_eq(PLAN("\x0f\x05\xeb\x10\x48\x89\xc7\x90", PATCH_NEAR, &p), PATCH_SHORT);
	/* test %eax,%eax; test %edx,%edx; and a third starts at the last byte */
	cr_assert_eq(PLAN("\x0f\x05\x85\xc0\x85\xd2\x90\x90", PATCH_ABS, &p), PATCH_BOUNDARY);
	cr_assert_eq(PLAN("\x0f\x05\x85\xc0\x85\xd2\x90\x90", PATCH_NEAR, &p), PATCH_OK);
}

Test(patch_plan, window)
{
	uint8_t text[64] = { 0 };
	struct patch_plan p;

	memcpy(text + 32, "\x0f\x05\x48\x3d\x01\xf0\xff\xff", 8);
	cr_assert_eq(patch_plan(text, sizeof(text), SITE, SITE + 32, PATCH_NEAR, &p), PATCH_OK);
	cr_assert_eq(p.site, SITE + 32);
	cr_assert_eq(p.end, SITE + 40);
	cr_assert_eq(patch_plan(text, 39, SITE, SITE + 32, PATCH_NEAR, &p), PATCH_END);
	cr_assert_eq(patch_plan(text, sizeof(text), SITE, SITE - 1, PATCH_NEAR, &p), PATCH_END);
	cr_assert_eq(patch_plan(text, sizeof(text), SITE, SITE + 64, PATCH_NEAR, &p), PATCH_END);
}

Test(patch_plan, fits)
{
	struct patch_plan p;

	cr_assert_eq(PLAN("\x0f\x05\x48\x3d\x01\xf0\xff\xff", PATCH_NEAR, &p), PATCH_OK);
	cr_assert(patch_fits(&p, SITE + 6 + 0x1006));
	cr_assert_not(patch_fits(&p, SITE + 6 + 0x1008)); /* or %r,%r/m would start behind the syscall */
	cr_assert_not(patch_fits(&p, SITE + 6 + 0x80000006UL));
	cr_assert(patch_fits(&p, SITE + 6 - 0x7ffffffaUL));
	cr_assert_not(patch_fits(&p, 0x60006));
	cr_assert_eq(PLAN("\x0f\x05\x48\x3d\x01\xf0\xff\xff", PATCH_ABS, &p), PATCH_OK);
	cr_assert(patch_fits(&p, 0x60008));
	cr_assert_not(patch_fits(&p, 0x80000000UL));
	/* ret; nopw: offsets 2 and 3 */
	cr_assert_eq(PLAN("\x0f\x05\xc3\x66\x0f\x1f\x44\x00\x00", PATCH_ABS, &p), PATCH_OK);
	cr_assert_eq(p.boundaries, 1 << 2 | 1 << 3);
	cr_assert_not(patch_fits(&p, 0x60008));
	cr_assert(patch_fits(&p, 0x60006));
}

/* --- every site of the programs of this machine --- */

struct census {
	unsigned nr[NR_PATCH_VERDICTS];
	unsigned near, abs;
};

static ZydisDecoder decoder;

static uint64_t read_u64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return v;
}

/* Decodes the moved code and holds each instruction against the one it stands for. */
static void check_code(const struct patch_plan *p, const uint8_t *text)
{
	struct patch_code code;
	unsigned off = 0;

	patch_code(p, text, &code);
	cr_assert_leq(code.len, PATCH_CODE_MAX);
	cr_assert_leq(code.nr_map, PATCH_MAP_MAX);
	for (unsigned i = 0; i < p->nr_insns; i++) {
		const struct patch_insn *insn = &p->insn[i];
		ZydisDecodedInstruction want, got;
		ZydisDecodedOperand want_ops[ZYDIS_MAX_OPERAND_COUNT], got_ops[ZYDIS_MAX_OPERAND_COUNT];
		ZydisDecodedOperand load_ops[ZYDIS_MAX_OPERAND_COUNT];
		uint8_t *c = code.bytes + off;
		ZyanU64 target = 0;

		cr_assert_eq(patch_code_enter(&code, insn->off), (int)off);
		cr_assert_eq(patch_code_find(&code, off)->guest_off, insn->off);
		cr_assert(ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, text + insn->off, insn->len, &want, want_ops)));
		cr_assert(ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, c, code.len - off, &got, got_ops)));
		cr_assert_eq(want.length, insn->len);
		for (unsigned k = 0; k < want.operand_count_visible && !target; k++)
			ZydisCalcAbsoluteAddress(&want, &want_ops[k], p->site + insn->off, &target);
		switch (insn->kind) {
		case PATCH_INSN_COPY:
		case PATCH_INSN_END:
			cr_assert(!(got.attributes & ZYDIS_ATTRIB_IS_RELATIVE));
			cr_assert_eq(got.length, want.length);
			cr_assert_eq(memcmp(c, text + insn->off, want.length), 0);
			off += got.length;
			break;
		case PATCH_INSN_JCC:
			/* The other condition, over a jump to the target. */
			cr_assert_eq((got.opcode ^ want.opcode) & 15, 1);
			cr_assert_eq(got.raw.imm[0].value.s, 14);
			off += 2;
			c += 2;
			/* fall through */
		case PATCH_INSN_JMP:
			cr_assert_eq(memcmp(c, "\xff\x25\0\0\0\0", 6), 0);
			cr_assert_eq(read_u64(c + 6), target);
			off += 14;
			break;
		case PATCH_INSN_CALL:
			cr_assert_eq(got.mnemonic, ZYDIS_MNEMONIC_PUSH);
			cr_assert_eq(memcmp(c + 5, "\xc7\x44\x24\x04", 4), 0);
			cr_assert_eq((uint32_t)read_u64(c + 1) | read_u64(c + 9) << 32, p->site + insn->off + insn->len);
			cr_assert_eq(read_u64(c + 19), target);
			cr_assert_eq(patch_code_find(&code, off + 5)->pushed, 8);
			off += 27;
			break;
		case PATCH_INSN_LEA:
		case PATCH_INSN_LOAD:
			cr_assert_eq(got.mnemonic, ZYDIS_MNEMONIC_MOV);
			cr_assert_eq(got.raw.imm[0].value.u,
				     want.operand_width == 32 && insn->kind == PATCH_INSN_LEA ? (uint32_t)target : target);
			cr_assert_eq(ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, got_ops[0].reg.value),
				     ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, want_ops[0].reg.value));
			off += got.length;
			if (insn->kind == PATCH_INSN_LEA)
				break;
			cr_assert(ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code.bytes + off, code.len - off, &got,
								      load_ops)));
			cr_assert_eq(got.mnemonic, ZYDIS_MNEMONIC_MOV);
			cr_assert_eq(load_ops[0].reg.value, want_ops[0].reg.value);
			cr_assert_eq(load_ops[1].mem.base, got_ops[0].reg.value);
			cr_assert_eq(load_ops[1].size, want_ops[1].size);
			cr_assert_eq(load_ops[1].mem.disp.value, 0);
			cr_assert_eq(load_ops[1].mem.index, ZYDIS_REGISTER_NONE);
			off += got.length;
			break;
		}
	}
	cr_assert_eq(patch_code_enter(&code, (unsigned)(p->end - p->site)), (int)off);
	cr_assert_eq(memcmp(code.bytes + off, "\xff\x25\0\0\0\0", 6), 0);
	cr_assert_eq(read_u64(code.bytes + off + 6), p->end);
	cr_assert_eq(off + 14, code.len);
	cr_assert_null(patch_code_find(&code, code.len));
}

/* The first slot from @slots on that fits; 0. */
static uaddr_t find_slot(const struct patch_plan *p, uaddr_t slots, size_t size)
{
	for (uaddr_t slot = slots; slot < slots + size - 7; slot++)
		if (patch_fits(p, slot))
			return slot;
	return 0;
}

/* The jump is one instruction through the slot, and nothing can run at a boundary. */
static void check_jump(const struct patch_plan *p, uaddr_t slot)
{
	ZydisDecodedInstruction in;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	uint8_t bytes[PATCH_JUMP_MAX + 16] = { 0 };
	unsigned len = patch_jump_len(p->form);
	ZyanU64 at = 0;

	patch_jump(p, slot, bytes);
	cr_assert(ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes, len, &in, ops)));
	cr_assert_eq(in.length, len);
	cr_assert_eq(in.mnemonic, ZYDIS_MNEMONIC_JMP);
	if (p->form == PATCH_NEAR)
		cr_assert(ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&in, &ops[0], p->site, &at)));
	else
		at = (ZyanU64)ops[0].mem.disp.value;
	cr_assert_eq(at, slot);
	for (unsigned off = 2; off < len; off++) {
		ZyanStatus status = ZydisDecoderDecodeFull(&decoder, bytes + off, 15, &in, ops);

		if (p->boundaries & 1 << off)
			cr_assert(!ZYAN_SUCCESS(status) || in.mnemonic == ZYDIS_MNEMONIC_IN);
	}
}

static void census_site(const uint8_t *text, size_t len, uaddr_t addr, size_t at, struct census *c)
{
	struct patch_plan p;
	enum patch_verdict near = patch_plan(text, len, addr, addr + at, PATCH_NEAR, &p), verdict;
	uaddr_t slot;

	if (near == PATCH_OK && (slot = find_slot(&p, addr + 0x7000000, 0x1000))) {
		c->near++;
		check_jump(&p, slot);
		check_code(&p, text + at);
	}
	verdict = patch_plan(text, len, addr, addr + at, PATCH_ABS, &p);
	if (verdict == PATCH_OK && (slot = find_slot(&p, PATCH_ABS_SLOTS, PATCH_ABS_SLOTS_SIZE))) {
		c->abs++;
		check_jump(&p, slot);
		check_code(&p, text + at);
	}
	c->nr[near == PATCH_OK || verdict == PATCH_OK ? PATCH_OK : near]++;
}

static void census_text(const uint8_t *text, size_t len, uaddr_t addr, struct census *c)
{
	for (size_t off = 0; off < len;) {
		ZydisDecodedInstruction in;

		if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, NULL, text + off, len - off, &in))) {
			off++;
			continue;
		}
		if (in.mnemonic == ZYDIS_MNEMONIC_SYSCALL)
			census_site(text, len, addr, off, c);
		off += in.length;
	}
}

static void census_elf(const uint8_t *file, size_t size, struct census *c)
{
	const Elf64_Ehdr *eh = (const void *)file;

	if (size < sizeof(*eh) || memcmp(file, ELFMAG, SELFMAG) || eh->e_machine != EM_X86_64 ||
	    eh->e_shoff > size || (size - eh->e_shoff) / sizeof(Elf64_Shdr) < eh->e_shnum)
		return;
	for (unsigned i = 0; i < eh->e_shnum; i++) {
		Elf64_Shdr sh;

		memcpy(&sh, file + eh->e_shoff + i * sizeof(sh), sizeof(sh));
		if (sh.sh_type == SHT_PROGBITS && (sh.sh_flags & SHF_EXECINSTR) && sh.sh_offset < size &&
		    sh.sh_size <= size - sh.sh_offset)
			census_text(file + sh.sh_offset, sh.sh_size, SITE + (sh.sh_offset & ~15UL), c);
	}
}

static void census_archive(const uint8_t *file, size_t size, struct census *c)
{
	for (size_t off = 8; off + 60 <= size;) {
		size_t len = strtoul((const char *)file + off + 48, NULL, 10);

		off += 60;
		if (len > size - off)
			return;
		/* Members are aligned to 2 only. */
		uint8_t *copy = malloc(len + 1);

		memcpy(copy, file + off, len);
		census_elf(copy, len, c);
		free(copy);
		off += len + (len & 1);
	}
}

static bool census_file(const char *path, struct census *c)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	uint8_t *file;

	if (fd < 0 || fstat(fd, &st) || st.st_size < 64)
		return false;
	file = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (file == MAP_FAILED)
		return false;
	if (!memcmp(file, "!<arch>\n", 8))
		census_archive(file, (size_t)st.st_size, c);
	else
		census_elf(file, (size_t)st.st_size, c);
	munmap(file, (size_t)st.st_size);
	return true;
}

static void census_run(const char *path, unsigned min_percent)
{
	struct census c = { 0 };
	unsigned total = 0;

	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	if (!census_file(path, &c))
		return;
	for (unsigned i = 0; i < NR_PATCH_VERDICTS; i++)
		total += c.nr[i];
	if (!total)
		return;
	fprintf(stderr, "%s: %u sites, %u near, %u absolute", path, total, c.near, c.abs);
	for (unsigned i = 1; i < NR_PATCH_VERDICTS; i++)
		if (c.nr[i])
			fprintf(stderr, "; %u %s", c.nr[i], patch_verdict_name[i]);
	fprintf(stderr, "\n");
	cr_assert_geq(c.nr[PATCH_OK] * 100, total * min_percent, "%s", path);
}

Test(patch_plan, census)
{
	census_run("/lib/x86_64-linux-gnu/libc.so.6", 95);
	census_run("/lib64/ld-linux-x86-64.so.2", 85);
	census_run("/usr/lib/x86_64-linux-gnu/libc.a", 60);
	census_run("/lib/ld-musl-x86_64.so.1", 75);
	census_run("/usr/lib/x86_64-linux-musl/libc.a", 60);
	census_run("/usr/bin/docker", 75);
	census_run("/usr/bin/runsc", 60);
	census_run("/sbin/ldconfig", 75);
}

/* --- patched code runs as before --- */

/*
 * A function is copied to @text, run, patched, and run again, entered in front of the syscall or at one of its boundaries.  The
 * trampoline makes the call and goes on in the moved code; the handler stands for the sentry when a boundary stops.
 */
static struct patch_plan live_plan;
static struct patch_code live_code;
static uint8_t *live_tramp;
static volatile unsigned live_stops;

static void on_stop(int sig, siginfo_t *info, void *arg)
{
	ucontext_t *uc = arg;
	uint64_t off = (uint64_t)uc->uc_mcontext.gregs[REG_RIP] - live_plan.site;
	int at = off < PATCH_JUMP_MAX ? patch_code_enter(&live_code, (unsigned)off) : -1;

	(void)sig, (void)info;
	if (at < 0)
		_exit(77);
	live_stops++;
	uc->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)(live_tramp + PATCH_SYSCALL_LEN + at);
}

typedef uint64_t (*live_fn)(uint64_t nr, uint64_t a, uint64_t b, const uint8_t *entry);

/* rax = nr; rdi = a, rsi = b; the flags are those of rax, as a boundary may be in front of a branch; goes to @entry. */
static const uint8_t prologue[] = { 0x48, 0x89, 0xf8, 0x48, 0x89, 0xf7, 0x48, 0x89, 0xd6, 0x48, 0x85, 0xc0, 0xff, 0xe1 };

#define PAGE 4096UL
#define LIVE_SITE 32

static uint64_t live_call(uint8_t *text, unsigned entry, uint64_t nr)
{
	return ((live_fn)(uintptr_t)text)(nr, 3, 5, text + LIVE_SITE + entry);
}

/* False when no slot of that form stops at all boundaries. */
static bool live_check(const char *bytes, size_t len, enum patch_form form, unsigned nr_boundaries)
{
	static const uint64_t nrs[] = { 39 /* getpid */, 5000 /* ENOSYS */, 102 /* getuid */ };
	uint8_t *text = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), jump[7];
	uaddr_t slots = form == PATCH_NEAR ? (uaddr_t)text + 2 * PAGE : PATCH_ABS_SLOTS, slot;
	struct sigaction sa = { .sa_sigaction = on_stop, .sa_flags = SA_SIGINFO };
	unsigned offs[8] = { 0 }, nr_offs = 1;
	uint64_t before[3][8];

	if (form == PATCH_ABS && mmap((void *)slots, PAGE, PROT_READ | PROT_WRITE, /* see vm.mmap_min_addr */
				      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		cr_skip_test("0x60000 can't be mapped");
	sigaction(SIGILL, &sa, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	memset(text, 0xcc, PAGE);
	memcpy(text, prologue, sizeof(prologue));
	memcpy(text + LIVE_SITE, bytes, len);
	live_tramp = text + PAGE;
	cr_assert_eq(patch_plan(text, PAGE, (uaddr_t)text, (uaddr_t)text + LIVE_SITE, form, &live_plan), PATCH_OK);
	for (unsigned off = 2; off < 7; off++)
		if (live_plan.boundaries & 1 << off)
			offs[nr_offs++] = off;
	cr_assert_eq(nr_offs - 1, nr_boundaries);
	for (unsigned n = 0; n < ARRAY_SIZE(nrs); n++)
		for (unsigned i = 0; i < nr_offs; i++)
			before[n][i] = live_call(text, offs[i], nrs[n]);

	patch_code(&live_plan, text + LIVE_SITE, &live_code);
	memcpy(live_tramp, "\x0f\x05", 2);
	memcpy(live_tramp + 2, live_code.bytes, live_code.len);
	slot = find_slot(&live_plan, slots, PAGE);
	if (!slot)
		return false;
	memcpy((void *)slot, &(uint64_t){ (uint64_t)(uintptr_t)live_tramp }, 8);
	patch_jump(&live_plan, slot, jump);
	memcpy(text + LIVE_SITE, jump, patch_jump_len(form));
	for (unsigned n = 0; n < ARRAY_SIZE(nrs); n++) {
		for (unsigned i = 0; i < nr_offs; i++) {
			live_stops = 0;
			cr_assert_eq(live_call(text, offs[i], nrs[n]), before[n][i], "call %lu, entry %u", nrs[n], offs[i]);
			cr_assert_eq(live_stops, i > 0);
		}
	}
	munmap(text, 4 * PAGE);
	return true;
}
#define LIVE(bytes, nr)                                                                                                        \
	do {                                                                                                                   \
		bool done = live_check(bytes, sizeof(bytes) - 1, PATCH_NEAR, nr);                                              \
		cr_assert(live_check(bytes, sizeof(bytes) - 1, PATCH_ABS, nr) || done);                                        \
	} while (0)

Test(patch_plan, runs_glibc_shape)
{
	/* syscall; cmp $-4095,%rax; jae 1f; ret; 1: neg %eax; ret */
	LIVE("\x0f\x05\x48\x3d\x01\xf0\xff\xff\x73\x01\xc3\xf7\xd8\xc3", 1);
	/* syscall; cmp $-4096,%eax; ja 1f; ret; 1: mov $7,%eax; ret */
	LIVE("\x0f\x05\x3d\x00\xf0\xff\xff\x77\x01\xc3\xb8\x07\x00\x00\x00\xc3", 1);
}

Test(patch_plan, runs_branches)
{
	/* syscall; test %rax,%rax; js 1f; ret; 1: neg %rax; ret */
	LIVE("\x0f\x05\x48\x85\xc0\x78\x01\xc3\x48\xf7\xd8\xc3", 2);
	/* syscall; jmp 1f; nopl 0(%rax); 1: inc %eax; ret */
	LIVE("\x0f\x05\xeb\x04\x0f\x1f\x40\x00\xff\xc0\xc3", 2);
	/* syscall; ret; nopw; ret */
	LIVE("\x0f\x05\xc3\x66\x0f\x1f\x84\x00\x00\x00\x00\x00\xc3", 2);
}

Test(patch_plan, runs_musl_shape)
{
	/* syscall; mov %rax,%rdi; call 1f; inc %rax; ret; 1: pop %rcx; push %rcx; lea 1(%rdi),%rax; ret */
	LIVE("\x0f\x05\x48\x89\xc7\xe8\x04\x00\x00\x00\x48\xff\xc0\xc3\x59\x51\x48\x8d\x47\x01\xc3", 2);
}

Test(patch_plan, runs_rip_relative)
{
	/* syscall; lea 1f(%rip),%rcx; movzbl (%rcx),%ecx; add %rcx,%rax; ret; 1: .byte 5 */
	LIVE("\x0f\x05\x48\x8d\x0d\x07\x00\x00\x00\x0f\xb6\x09\x48\x01\xc8\xc3\x05", 1);
	/* syscall; mov 1f(%rip),%r8; add %r8,%rax; ret; 1: .quad */
	LIVE("\x0f\x05\x4c\x8b\x05\x04\x00\x00\x00\x4c\x01\xc0\xc3\x01\x02\x03\x04\x05\x06\x07\x08", 1);
	/* syscall; mov 1f(%rip),%ecx; add %rcx,%rax; ret; 1: .quad */
	LIVE("\x0f\x05\x8b\x0d\x04\x00\x00\x00\x48\x01\xc8\xc3\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8", 1);
}

Test(patch_plan, runs_loads_of_odd_registers)
{
	/* push %r12; the syscall's site must come first: syscall; mov 1f(%rip),%r11; add %r11,%rax; ret */
	LIVE("\x0f\x05\x4c\x8b\x1d\x04\x00\x00\x00\x4c\x01\xd8\xc3\x01\x02\x03\x04\x05\x06\x07\x08", 1);
}

Test(patch_plan, loads_of_all_registers)
{
	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	for (unsigned reg = 0; reg < 16; reg++) {
		for (unsigned wide = 0; wide < 2; wide++) {
			uint8_t text[] = { 0x0f, 0x05, (uint8_t)(0x40 | wide << 3 | (reg > 7 ? 4 : 0)), 0x8b,
					   (uint8_t)((reg & 7) << 3 | 5), 0, 1, 0, 0, 0x90 };
			struct patch_plan p;
			enum patch_verdict verdict = patch_plan(text, sizeof(text), SITE, SITE, PATCH_NEAR, &p);

			cr_assert_eq(verdict, reg == 4 ? PATCH_RELATIVE : PATCH_OK);
			if (verdict == PATCH_OK)
				check_code(&p, text);
			text[3] = 0x8d;
			if (patch_plan(text, sizeof(text), SITE, SITE, PATCH_NEAR, &p) == PATCH_OK)
				check_code(&p, text);
		}
	}
}
