/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /sys/devices/system/cpu.  The guest's processors are cores of their own in one package; what caches they have is asked of the
 * processor that this runs on.
 *
 * A directory here is a table whose entries need the processor's number, which is handed down in proc_inode.nr; in an indexN of
 * cache with N above it.
 */
#include <cpuid.h>
#include <stdio.h>
#include <string.h>

#include "vfs/proc/proc.h"
#include "vfs/sysfs/sysfs.h"

#define SHOW(n, fn) { .name = n, .mode = LINUX_S_IFREG | 0444, .show = fn }
#define INDEX_SHIFT 32
#define MASK_BITS 32 /* that are written in a group */

static unsigned cpu_of(const struct proc_inode *pi)
{
	return (unsigned)pi->nr;
}

/* --- lists and masks --- */

static int show_list(struct strbuf *sb, unsigned first, unsigned last)
{
	strbuf_addf(sb, first == last ? "%u\n" : "%u-%u\n", first, last);
	return 0;
}

/* [first, last] as groups of 32 bits, the highest first. */
static int show_mask(struct strbuf *sb, unsigned first, unsigned last)
{
	for (unsigned group = (proc_nr_cpus() - 1) / MASK_BITS + 1; group--;) {
		uint32_t bits = 0;

		for (unsigned i = 0; i < MASK_BITS; i++)
			if (group * MASK_BITS + i >= first && group * MASK_BITS + i <= last)
				bits |= 1U << i;
		strbuf_addf(sb, proc_nr_cpus() > MASK_BITS ? "%08x" : "%x", bits);
		strbuf_addc(sb, group ? ',' : '\n');
	}
	return 0;
}

int sysfs_show_cpu_list(struct proc_inode *pi __unused, struct strbuf *sb)
{
	return show_list(sb, 0, proc_nr_cpus() - 1);
}

int sysfs_show_cpu_mask(struct proc_inode *pi __unused, struct strbuf *sb)
{
	return show_mask(sb, 0, proc_nr_cpus() - 1);
}

/* --- topology --- */

static int show_zero(struct proc_inode *pi __unused, struct strbuf *sb)
{
	strbuf_adds(sb, "0\n");
	return 0;
}

static int show_this_list(struct proc_inode *pi, struct strbuf *sb)
{
	return show_list(sb, cpu_of(pi), cpu_of(pi));
}

static int show_this_mask(struct proc_inode *pi, struct strbuf *sb)
{
	return show_mask(sb, cpu_of(pi), cpu_of(pi));
}

static const struct proc_entry topology_children[] = {
	SHOW("core_cpus", show_this_mask), SHOW("core_cpus_list", show_this_list), SHOW("core_id", show_this_list),
	SHOW("core_siblings", sysfs_show_cpu_mask), SHOW("core_siblings_list", sysfs_show_cpu_list), SHOW("die_cpus", sysfs_show_cpu_mask),
	SHOW("die_cpus_list", sysfs_show_cpu_list), SHOW("die_id", show_zero), SHOW("package_cpus", sysfs_show_cpu_mask),
	SHOW("package_cpus_list", sysfs_show_cpu_list), SHOW("physical_package_id", show_zero), SHOW("thread_siblings", show_this_mask),
	SHOW("thread_siblings_list", show_this_list),
};

/* --- caches --- */

struct cache {
	unsigned level, line, partitions, ways, sets;
	bool shared;	  /* by all */
	const char *type; /* NULL: there is none */
};

/* The leaf that tells of caches: Intel's, or AMD's of the same form. */
static unsigned cache_leaf(void)
{
	unsigned a, b, c, d;

	if (__get_cpuid(0x80000001, &a, &b, &c, &d) && c & 1U << 22)
		return 0x8000001d;
	return __get_cpuid_max(0, NULL) >= 4 ? 4 : 0;
}

static struct cache cache_get(unsigned index)
{
	static const char *const types[] = { NULL, "Data", "Instruction", "Unified" };
	unsigned leaf = cache_leaf(), a = 0, b = 0, c = 0, d = 0;

	if (leaf)
		__cpuid_count(leaf, index, a, b, c, d);
	return (struct cache){
		.type = (a & 0x1f) < ARRAY_SIZE(types) ? types[a & 0x1f] : NULL, .level = a >> 5 & 7, .line = (b & 0xfff) + 1,
		.partitions = (b >> 12 & 0x3ff) + 1, .ways = (b >> 22) + 1, .sets = c + 1,
		/* Those of the guest are more than one core's, if they are more than a core has. */
		.shared = (a >> 5 & 7) > 2 && (a >> 14 & 0xfff) > 0,
	};
}

static struct cache cache_of(const struct proc_inode *pi)
{
	return cache_get((unsigned)(pi->nr >> INDEX_SHIFT));
}

static unsigned nr_caches(void)
{
	unsigned n = 0;

	while (n < 16 && cache_get(n).type)
		n++;
	return n;
}

#define CACHE_NUMBER(field)                                                                                            \
	static int show_##field(struct proc_inode *pi, struct strbuf *sb)                                              \
	{                                                                                                              \
		strbuf_addf(sb, "%u\n", cache_of(pi).field);                                                           \
		return 0;                                                                                              \
	}
CACHE_NUMBER(level)
CACHE_NUMBER(line)
CACHE_NUMBER(partitions)
CACHE_NUMBER(ways)
CACHE_NUMBER(sets)

static int show_size(struct proc_inode *pi, struct strbuf *sb)
{
	struct cache c = cache_of(pi);

	strbuf_addf(sb, "%lluK\n", (unsigned long long)c.line * c.partitions * c.ways * c.sets / 1024);
	return 0;
}

static int show_type(struct proc_inode *pi, struct strbuf *sb)
{
	strbuf_addf(sb, "%s\n", cache_of(pi).type);
	return 0;
}

static int show_id(struct proc_inode *pi, struct strbuf *sb)
{
	strbuf_addf(sb, "%u\n", cache_of(pi).shared ? 0 : cpu_of(pi));
	return 0;
}

static int show_shared_list(struct proc_inode *pi, struct strbuf *sb)
{
	return cache_of(pi).shared ? sysfs_show_cpu_list(pi, sb) : show_this_list(pi, sb);
}

static int show_shared_mask(struct proc_inode *pi, struct strbuf *sb)
{
	return cache_of(pi).shared ? sysfs_show_cpu_mask(pi, sb) : show_this_mask(pi, sb);
}

static const struct proc_entry cache_children[] = {
	SHOW("coherency_line_size", show_line), SHOW("id", show_id), SHOW("level", show_level), SHOW("number_of_sets", show_sets),
	SHOW("physical_line_partition", show_partitions), SHOW("shared_cpu_list", show_shared_list),
	SHOW("shared_cpu_map", show_shared_mask), SHOW("size", show_size), SHOW("type", show_type),
	SHOW("ways_of_associativity", show_ways),
};

/* --- directories --- */

/* The inode of @e below @dir, about number @nr. */
static struct inode *child_new(struct proc_inode *dir, const struct proc_entry *e, const char *name, int64_t nr)
{
	struct inode *inode = proc_inode_new(dir, e, name);

	if (!IS_ERR(inode))
		PROC_I(inode)->nr = nr;
	return inode;
}

static struct inode *table_lookup(struct proc_inode *dir, const struct proc_entry *table, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(table[i].name, name))
			return child_new(dir, &table[i], name, dir->nr);
	return ERR_PTR(-LINUX_ENOENT);
}

static uint32_t table_next(const struct proc_entry *table, size_t n, const uint64_t *nr, char name[32])
{
	if (*nr >= n)
		return 0;
	snprintf(name, 32, "%s", table[*nr].name);
	return table[*nr].mode & LINUX_S_IFMT;
}

/* The directory @name that lists @table. */
#define TABLE_DIR(dir, table)                                                                                          \
	static struct inode *dir##_lookup(struct proc_inode *pi, const char *name)                                     \
	{                                                                                                              \
		return table_lookup(pi, table, ARRAY_SIZE(table), name);                                               \
	}                                                                                                              \
	static uint32_t dir##_next(struct proc_inode *pi __unused, uint64_t *nr, char name[32])                        \
	{                                                                                                              \
		return table_next(table, ARRAY_SIZE(table), nr, name);                                                 \
	}                                                                                                              \
	static const struct proc_dir_ops dir = { .lookup = dir##_lookup, .next = dir##_next }

TABLE_DIR(topology_dir, topology_children);
TABLE_DIR(index_dir, cache_children);
static const struct proc_entry index_entry = { .name = "indexN", .mode = LINUX_S_IFDIR | 0755, .dir = &index_dir };

static struct inode *cache_lookup(struct proc_inode *dir, const char *name)
{
	int64_t n = strncmp(name, "index", 5) ? -1 : proc_parse_number(name + 5);

	if (n < 0 || n >= nr_caches())
		return ERR_PTR(-LINUX_ENOENT);
	return child_new(dir, &index_entry, name, dir->nr | n << INDEX_SHIFT);
}

static uint32_t cache_next(struct proc_inode *dir __unused, uint64_t *nr, char name[32])
{
	if (*nr >= nr_caches())
		return 0;
	snprintf(name, 32, "index%u", (unsigned)*nr);
	return LINUX_S_IFDIR;
}

static const struct proc_dir_ops cache_dir = { .lookup = cache_lookup, .next = cache_next };
static const struct proc_entry cpu_children[] = {
	{ .name = "cache", .mode = LINUX_S_IFDIR | 0755, .dir = &cache_dir },
	{ .name = "topology", .mode = LINUX_S_IFDIR | 0755, .dir = &topology_dir },
};
TABLE_DIR(cpu_dir, cpu_children);
static const struct proc_entry cpu_entry = { .name = "cpuN", .mode = LINUX_S_IFDIR | 0755, .dir = &cpu_dir };

static struct inode *cpus_lookup(struct proc_inode *dir, const char *name)
{
	int64_t n = strncmp(name, "cpu", 3) ? -1 : proc_parse_number(name + 3);

	return n < 0 || n >= proc_nr_cpus() ? ERR_PTR(-LINUX_ENOENT) : child_new(dir, &cpu_entry, name, n);
}

static uint32_t cpus_next(struct proc_inode *dir __unused, uint64_t *nr, char name[32])
{
	if (*nr >= proc_nr_cpus())
		return 0;
	snprintf(name, 32, "cpu%u", (unsigned)*nr);
	return LINUX_S_IFDIR;
}

const struct proc_dir_ops sysfs_cpus_dir = { .lookup = cpus_lookup, .next = cpus_next };
