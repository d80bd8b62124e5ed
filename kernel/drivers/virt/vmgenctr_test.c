// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of vmgenctr.c, which includes this file: no hypervisor, no device
 * and no reseed is needed to see what is made of a GUID and a generation.
 */

#include <kunit/test.h>

/*
 * Finding the page
 */

#ifdef CONFIG_ACPI
static void vmgenctr_test_package(struct kunit *test)
{
	union acpi_object element[3] = {
		{ .integer = { ACPI_TYPE_INTEGER, 0xfeffa000 } },
		{ .integer = { ACPI_TYPE_INTEGER, 0x12 } },
		{ .integer = { ACPI_TYPE_INTEGER, 0 } },
	};
	union acpi_object obj = {
		.package = { ACPI_TYPE_PACKAGE, 2, element },
	};
	u64 start = 1;

	KUNIT_EXPECT_NULL(test, vmgenctr_parse_package(&obj, &start));
	KUNIT_EXPECT_EQ(test, start, 0x12feffa000ULL);

	element[0].integer.value = U32_MAX;
	element[1].integer.value = U32_MAX;
	KUNIT_EXPECT_NULL(test, vmgenctr_parse_package(&obj, &start));
	KUNIT_EXPECT_EQ(test, start, U64_MAX);
}

static void vmgenctr_test_broken_package(struct kunit *test)
{
	union acpi_object element[3] = {
		{ .integer = { ACPI_TYPE_INTEGER, 0xfeffa000 } },
		{ .integer = { ACPI_TYPE_INTEGER, 0 } },
		{ .integer = { ACPI_TYPE_INTEGER, 0 } },
	};
	union acpi_object obj = {
		.package = { ACPI_TYPE_PACKAGE, 2, element },
	};
	union acpi_object integer = {
		.integer = { ACPI_TYPE_INTEGER, 0xfeffa000 },
	};
	u64 start = 1;

	KUNIT_EXPECT_NOT_NULL(test, vmgenctr_parse_package(NULL, &start));
	KUNIT_EXPECT_NOT_NULL(test, vmgenctr_parse_package(&integer, &start));

	for (obj.package.count = 0; obj.package.count < 2; obj.package.count++)
		KUNIT_EXPECT_NOT_NULL(test, vmgenctr_parse_package(&obj, &start));
	obj.package.count = 3;
	KUNIT_EXPECT_NOT_NULL(test, vmgenctr_parse_package(&obj, &start));
	obj.package.count = 2;

	element[0].type = ACPI_TYPE_STRING;
	KUNIT_EXPECT_NOT_NULL(test, vmgenctr_parse_package(&obj, &start));
	element[0].type = ACPI_TYPE_INTEGER;
	element[1].type = ACPI_TYPE_BUFFER;
	KUNIT_EXPECT_NOT_NULL(test, vmgenctr_parse_package(&obj, &start));
	element[1].type = ACPI_TYPE_INTEGER;

	element[0].integer.value = 1ULL << 32;
	KUNIT_EXPECT_NOT_NULL(test, vmgenctr_parse_package(&obj, &start));
	element[0].integer.value = 0xfeffa000;
	element[1].integer.value = 1ULL << 32;
	KUNIT_EXPECT_NOT_NULL(test, vmgenctr_parse_package(&obj, &start));

	KUNIT_EXPECT_EQ_MSG(test, start, 1, "written by a broken package");
}
#endif

static const struct vmgenctr_region_case {
	const char *name;
	struct vmgenctr_region region;
	u64 guid;
	bool good;
} vmgenctr_region_cases[] = {
	{ "a page", { 0xfeffa000, SZ_4K }, 0x7fe0028, true },
	{ "64 KiB", { 0xfeff0000, SZ_64K }, 0x7fe0028, true },
	{ "GUID just before", { 0xfeffa000, SZ_4K }, 0xfeff9ff0, true },
	{ "GUID just behind", { 0xfeffa000, SZ_4K }, 0xfeffb000, true },
	{ "address 0", { 0, SZ_4K }, 0x7fe0028, false },
	{ "unaligned by 8", { 0xfeffa008, SZ_4K }, 0x7fe0028, false },
	{ "unaligned by half", { 0xfeffa800, SZ_4K }, 0x7fe0028, false },
	{ "too small", { 0xfeffa000, SZ_4K - 1 }, 0x7fe0028, false },
	{ "wraps around", { -SZ_4K, SZ_64K }, 0x7fe0028, false },
	{ "GUID at the start", { 0xfeffa000, SZ_4K }, 0xfeffa000, false },
	{ "GUID within", { 0xfeffa000, SZ_4K }, 0xfeffa028, false },
	{ "GUID's first byte", { 0xfeffa000, SZ_4K }, 0xfeffafff, false },
	{ "GUID's last byte", { 0xfeffa000, SZ_4K }, 0xfeff9ff1, false },
	{ "GUID in the second page", { 0xfeff0000, SZ_64K }, 0xfeff1000, false },
};

static void vmgenctr_test_region(struct kunit *test)
{
	const struct vmgenctr_region_case *c = vmgenctr_region_cases;
	const struct vmgenctr_region_case *end = c + ARRAY_SIZE(vmgenctr_region_cases);

	/* The table is about what any machine can address. */
	if (iomem_resource.end < U32_MAX)
		kunit_skip(test, "less than 32 bits of physical addresses");

	for (; c < end; c++)
		KUNIT_EXPECT_EQ_MSG(test, !vmgenctr_check_region(&c->region, c->guid),
				    c->good, "%s", c->name);
}

static void vmgenctr_test_region_at_the_end(struct kunit *test)
{
	struct vmgenctr_region region = { .size = SZ_4K };

	region.start = (u64)iomem_resource.end + 1 - SZ_4K;
	KUNIT_EXPECT_NULL(test, vmgenctr_check_region(&region, 0x7fe0028));
	/* Where all 64 bits are addresses, this is address 0. */
	region.start += SZ_4K;
	KUNIT_EXPECT_NOT_NULL(test, vmgenctr_check_region(&region, 0x7fe0028));
}

static void vmgenctr_test_region_fills_page(struct kunit *test)
{
	struct vmgenctr_region region = { .start = 16 * PAGE_SIZE };

	region.size = PAGE_SIZE;
	KUNIT_EXPECT_TRUE(test, vmgenctr_region_fills_page(&region));
	region.size = PAGE_SIZE - 1;
	KUNIT_EXPECT_FALSE(test, vmgenctr_region_fills_page(&region));
	region.size = PAGE_SIZE;
	region.start += PAGE_SIZE / 2;
	KUNIT_EXPECT_FALSE(test, vmgenctr_region_fills_page(&region));

	region = (struct vmgenctr_region){ SZ_64K, VMGENCTR_REGION_SIZE };
	KUNIT_EXPECT_EQ(test, vmgenctr_region_fills_page(&region),
			PAGE_SIZE == VMGENCTR_REGION_SIZE);
}

static const struct vmgenctr_generation_page vmgenctr_good_page = {
	.magic = cpu_to_le32(VMGENCTR_GENERATION_MAGIC),
	.size = cpu_to_le32(VMGENCTR_GENERATION_SIZE),
	.version = cpu_to_le16(VMGENCTR_VERSION),
	.seq_count = cpu_to_le32(2),
	.flags = cpu_to_le64(VMGENCTR_F_HYPERVISOR),
	.generation = cpu_to_le64(1),
};

static void vmgenctr_test_page(struct kunit *test)
{
	struct vmgenctr_generation_page page = vmgenctr_good_page;

	KUNIT_EXPECT_NULL(test, vmgenctr_check_page(&page));

	/* A later hypervisor may know more; what we read stays where it is. */
	page.size = cpu_to_le32(VMGENCTR_REGION_SIZE);
	page.flags |= cpu_to_le64(1ULL << 63);
	page.reserved = cpu_to_le16(1);
	KUNIT_EXPECT_NULL(test, vmgenctr_check_page(&page));
}

/* Breaks one field of a good page at a time. */
#define VMGENCTR_EXPECT_BROKEN(test, field, value) do {			\
	struct vmgenctr_generation_page page = vmgenctr_good_page;	\
									\
	page.field = value;						\
	KUNIT_EXPECT_NOT_NULL(test, vmgenctr_check_page(&page));	\
} while (0)

static void vmgenctr_test_broken_page(struct kunit *test)
{
	struct vmgenctr_generation_page page = {};

	KUNIT_EXPECT_NOT_NULL(test, vmgenctr_check_page(&page));
	memset(&page, 0xff, sizeof(page));
	KUNIT_EXPECT_NOT_NULL(test, vmgenctr_check_page(&page));

	VMGENCTR_EXPECT_BROKEN(test, magic, 0);
	VMGENCTR_EXPECT_BROKEN(test, magic, cpu_to_le32(VMGENCTR_STATUS_MAGIC));
	VMGENCTR_EXPECT_BROKEN(test, magic, cpu_to_le32(0x564d4743));
	VMGENCTR_EXPECT_BROKEN(test, version, 0);
	VMGENCTR_EXPECT_BROKEN(test, version, cpu_to_le16(VMGENCTR_VERSION + 1));
	VMGENCTR_EXPECT_BROKEN(test, version, cpu_to_le16(0x0100));
	VMGENCTR_EXPECT_BROKEN(test, size, 0);
	VMGENCTR_EXPECT_BROKEN(test, size, cpu_to_le32(VMGENCTR_GENERATION_SIZE - 1));
	VMGENCTR_EXPECT_BROKEN(test, size, cpu_to_le32(VMGENCTR_REGION_SIZE + 1));
	VMGENCTR_EXPECT_BROKEN(test, flags, 0);
	VMGENCTR_EXPECT_BROKEN(test, flags, cpu_to_le64(~VMGENCTR_F_HYPERVISOR));
	VMGENCTR_EXPECT_BROKEN(test, seq_count, cpu_to_le32(3));
	VMGENCTR_EXPECT_BROKEN(test, generation, 0);
}

/*
 * Reading and writing pages
 */

static void vmgenctr_test_write_generation(struct kunit *test)
{
	struct vmgenctr_generation_page page = vmgenctr_good_page;

	vmgenctr_write_generation(&page, 0x0123456789abcdef);
	KUNIT_EXPECT_EQ(test, le64_to_cpu(page.generation), 0x0123456789abcdefULL);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(page.seq_count), 4);
	KUNIT_EXPECT_EQ(test, vmgenctr_read_generation(&page), 0x0123456789abcdefULL);

	vmgenctr_write_generation(&page, 0x0123456789abcdef);
	KUNIT_EXPECT_EQ_MSG(test, le32_to_cpu(page.seq_count), 4,
			    "nothing to write, nothing to notice");

	page.seq_count = cpu_to_le32(U32_MAX - 1);
	vmgenctr_write_generation(&page, 7);
	KUNIT_EXPECT_EQ_MSG(test, le32_to_cpu(page.seq_count), 0, "wraps");
}

static void vmgenctr_test_wedged_page_is_read(struct kunit *test)
{
	struct vmgenctr_generation_page page = vmgenctr_good_page;

	page.seq_count = cpu_to_le32(5);
	page.generation = cpu_to_le64(9);
	KUNIT_EXPECT_EQ(test, vmgenctr_read_generation(&page), 9);
}

static void vmgenctr_test_write_status(struct kunit *test)
{
	struct vmgenctr_status_page status = { .seq_count = 6, .flags = ~0ULL };
	struct vmgenctr_info info = {
		.generation = 4,
		.flags = VMGENCTR_INFO_F_HYPERVISOR,
		.instance_id = "0123456789abcde",
	};

	vmgenctr_write_status(&status, &info);
	KUNIT_EXPECT_EQ(test, status.seq_count, 8);
	KUNIT_EXPECT_EQ(test, status.ready_generation, 4);
	KUNIT_EXPECT_EQ_MSG(test, status.flags, 0, "no flag of read() leaks in");
	KUNIT_EXPECT_MEMEQ(test, status.instance_id, info.instance_id, 16);

	info.flags |= VMGENCTR_INFO_F_CRNG_RESEEDED;
	vmgenctr_write_status(&status, &info);
	KUNIT_EXPECT_EQ(test, status.flags, VMGENCTR_STATUS_F_CRNG_RESEEDED);
}

/* Values from another implementation of SHA-256. */
static void vmgenctr_test_instance_id(struct kunit *test)
{
	static const u8 guid[VMGENID_SIZE] = {
		0x32, 0x4e, 0x6e, 0xaf, 0xd1, 0xd1, 0x4b, 0xf6,
		0xbf, 0x41, 0xb9, 0xbb, 0x6c, 0x91, 0xfb, 0x87
	};
	static const struct {
		u64 generation;
		u8 instance_id[16];
	} known[] = {
		{ 1, { 0xbd, 0x32, 0x36, 0xe1, 0x3f, 0xd2, 0xf1, 0x4f,
		       0x70, 0x34, 0xf4, 0xe7, 0x8b, 0x3c, 0x76, 0xf0 } },
		{ 2, { 0x1b, 0xe1, 0x75, 0x70, 0x3e, 0xcb, 0x46, 0x62,
		       0x06, 0x9b, 0xc1, 0x70, 0x8d, 0x74, 0xf8, 0x4e } },
		{ 0x0123456789abcdef,
		  { 0xe6, 0xa0, 0x3c, 0xe3, 0x43, 0xc9, 0x41, 0x8c,
		    0x4d, 0x1d, 0xec, 0xfb, 0xbe, 0x9d, 0x4a, 0x89 } },
	};
	struct vmgenctr_id id;
	u8 instance_id[16];
	int i;

	memcpy(id.guid, guid, sizeof(guid));
	for (i = 0; i < ARRAY_SIZE(known); i++) {
		id.generation = cpu_to_le64(known[i].generation);
		vmgenctr_instance_id(&id, instance_id);
		KUNIT_EXPECT_MEMEQ(test, instance_id, known[i].instance_id, 16);
	}
}

/*
 * Generations.  A fake VM: its GUID and page, and a CRNG that keeps a record.
 */

struct vmgenctr_test_vm {
	u8 guid[VMGENID_SIZE];
	struct vmgenctr_generation_page hv_page;
	struct vmgenctr *ctr;
	u64 counted;
	bool crng_ready;

	/* What the last reseed got, and what was to be seen in the meantime */
	int mixes;
	struct vmgenctr_id mixed;
	u64 live_then;
	u64 page_then;
	u64 ready_then;
	/* The VM is restored this many times while it is being reseeded */
	int restores;
	/* and between a look at the generation and the one at the GUID */
	int restores_between;
};

static void vmgenctr_test_restore(struct vmgenctr_test_vm *vm)
{
	vm->guid[0]++;
	le64_add_cpu(&vm->hv_page.generation, 1);
}

static void vmgenctr_fake_mix(const struct vmgenctr_id *id)
{
	struct vmgenctr_test_vm *vm = kunit_get_current_test()->priv;
	struct vmgenctr *ctr = vm->ctr;

	vm->mixes++;
	vm->mixed = *id;
	vm->live_then = vmgenctr_live_generation(ctr);
	vm->page_then = ctr->page ? vmgenctr_read_generation(ctr->page) : 0;
	vm->ready_then = ctr->status->ready_generation;
	if (vm->restores) {
		vm->restores--;
		vmgenctr_test_restore(vm);
	}
}

static void vmgenctr_fake_copy_guid(const struct vmgenctr *ctr,
				    u8 guid[VMGENID_SIZE])
{
	struct vmgenctr_test_vm *vm = kunit_get_current_test()->priv;

	if (vm->restores_between) {
		vm->restores_between--;
		vmgenctr_test_restore(vm);
	}
	memcpy(guid, ctr->guid, VMGENID_SIZE);
}

static bool vmgenctr_fake_crng_ready(void)
{
	struct vmgenctr_test_vm *vm = kunit_get_current_test()->priv;

	return vm->crng_ready;
}

static u64 vmgenctr_fake_count(void)
{
	struct vmgenctr_test_vm *vm = kunit_get_current_test()->priv;

	return ++vm->counted;
}

static void vmgenctr_test_put(void *ctr)
{
	struct vmgenctr *c = ctr;

	/* Memory of the test, not a mapping. */
	c->hv_page = NULL;
	vmgenctr_put(c);
}

/* With the hypervisor's page, a copy of it, or, with neither, in software */
static struct vmgenctr_test_vm *vmgenctr_test_boot(struct kunit *test,
						   bool hv_page, bool page)
{
	struct vmgenctr_test_vm *vm = test->priv;
	struct vmgenctr *ctr;

	ctr = vmgenctr_alloc(NULL, vm->guid);
	KUNIT_ASSERT_NOT_NULL(test, ctr);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, vmgenctr_test_put, ctr));
	if (hv_page)
		ctr->hv_page = &vm->hv_page;
	if (page)
		ctr->page = vmgenctr_alloc_generation_page();
	KUNIT_ASSERT_TRUE(test, ctr->page || !page);

	vm->ctr = ctr;
	vmgenctr_update(ctr);
	return vm;
}

static struct vmgenctr_test_vm *vmgenctr_test_boot_software(struct kunit *test)
{
	return vmgenctr_test_boot(test, false, true);
}

static struct vmgenctr_test_vm *vmgenctr_test_boot_hypervisor(struct kunit *test)
{
	return vmgenctr_test_boot(test, true, false);
}

static int vmgenctr_test_init(struct kunit *test)
{
	struct vmgenctr_test_vm *vm;

	vm = kunit_kzalloc(test, sizeof(*vm), GFP_KERNEL);
	if (!vm)
		return -ENOMEM;

	vm->hv_page = vmgenctr_good_page;
	vm->hv_page.generation = cpu_to_le64(41);
	vm->crng_ready = true;
	test->priv = vm;

	kunit_activate_static_stub(test, vmgenctr_mix, vmgenctr_fake_mix);
	kunit_activate_static_stub(test, vmgenctr_copy_guid,
				   vmgenctr_fake_copy_guid);
	kunit_activate_static_stub(test, vmgenctr_count, vmgenctr_fake_count);
	kunit_activate_static_stub(test, vmgenctr_crng_ready,
				   vmgenctr_fake_crng_ready);
	return 0;
}

/* Even a GUID of zeroes is one. */
static void vmgenctr_test_first_generation(struct kunit *test)
{
	struct vmgenctr_test_vm *vm = vmgenctr_test_boot_software(test);
	struct vmgenctr *ctr = vm->ctr;

	KUNIT_EXPECT_EQ(test, vm->mixes, 1);
	KUNIT_EXPECT_EQ(test, ctr->info.generation, 1);
	KUNIT_EXPECT_EQ(test, ctr->info.flags, VMGENCTR_INFO_F_CRNG_RESEEDED);
	KUNIT_EXPECT_EQ(test, le64_to_cpu(ctr->page->flags), 0);
	KUNIT_EXPECT_EQ(test, vmgenctr_live_generation(ctr), 1);
	KUNIT_EXPECT_EQ(test, ctr->status->ready_generation, 1);
	KUNIT_EXPECT_EQ(test, ctr->status->magic, VMGENCTR_STATUS_MAGIC);
	KUNIT_EXPECT_EQ(test, ctr->status->size, sizeof(*ctr->status));
}

static void vmgenctr_test_nothing_new(struct kunit *test)
{
	struct vmgenctr_test_vm *vm = vmgenctr_test_boot_software(test);
	u32 seq = vm->ctr->status->seq_count;

	vmgenctr_update(vm->ctr);
	vmgenctr_update(vm->ctr);
	KUNIT_EXPECT_EQ(test, vm->mixes, 1);
	KUNIT_EXPECT_EQ(test, vm->ctr->info.generation, 1);
	KUNIT_EXPECT_EQ(test, vm->ctr->status->seq_count, seq);
}

/* The page first, then the kernel's own work, then the status. */
static void vmgenctr_test_software_change(struct kunit *test)
{
	struct vmgenctr_test_vm *vm = vmgenctr_test_boot_software(test);
	struct vmgenctr *ctr = vm->ctr;
	u8 old_id[16];

	memcpy(old_id, ctr->info.instance_id, 16);
	vm->guid[15] ^= 1;
	vmgenctr_update(ctr);

	KUNIT_EXPECT_EQ(test, vm->mixes, 2);
	KUNIT_EXPECT_MEMEQ(test, vm->mixed.guid, vm->guid, VMGENID_SIZE);
	KUNIT_EXPECT_EQ(test, le64_to_cpu(vm->mixed.generation), 2);
	KUNIT_EXPECT_EQ(test, vm->page_then, 2);
	KUNIT_EXPECT_EQ(test, vm->ready_then, 1);
	KUNIT_EXPECT_EQ(test, ctr->status->ready_generation, 2);
	KUNIT_EXPECT_EQ(test, ctr->info.generation, 2);
	KUNIT_EXPECT_MEMNEQ(test, ctr->info.instance_id, old_id, 16);
	KUNIT_EXPECT_MEMEQ(test, ctr->status->instance_id,
			   ctr->info.instance_id, 16);
}

/* Back to an old GUID is one more restore, not an undone one. */
static void vmgenctr_test_guid_comes_back(struct kunit *test)
{
	struct vmgenctr_test_vm *vm = vmgenctr_test_boot_software(test);

	vm->guid[0] = 1;
	vmgenctr_update(vm->ctr);
	vm->guid[0] = 0;
	vmgenctr_update(vm->ctr);
	KUNIT_EXPECT_EQ(test, vm->ctr->info.generation, 3);
	KUNIT_EXPECT_EQ(test, vm->mixes, 3);
}

static void vmgenctr_test_hypervisor_change(struct kunit *test)
{
	struct vmgenctr_test_vm *vm = vmgenctr_test_boot_hypervisor(test);
	struct vmgenctr *ctr = vm->ctr;

	KUNIT_EXPECT_EQ(test, ctr->info.generation, 41);
	KUNIT_EXPECT_EQ(test, ctr->info.flags, VMGENCTR_INFO_F_HYPERVISOR |
			VMGENCTR_INFO_F_CRNG_RESEEDED);

	vm->guid[0]++;
	vm->hv_page.generation = cpu_to_le64(42);
	vmgenctr_update(ctr);
	KUNIT_EXPECT_EQ(test, vm->mixes, 2);
	KUNIT_EXPECT_EQ(test, vm->live_then, 42);
	KUNIT_EXPECT_EQ(test, vm->ready_then, 41);
	KUNIT_EXPECT_EQ(test, ctr->info.generation, 42);
	KUNIT_EXPECT_EQ(test, ctr->status->ready_generation, 42);
	KUNIT_EXPECT_EQ_MSG(test, vm->counted, 0, "only one of the two counts");
}

/* One that counts but kept the GUID still gets something new into the CRNG. */
static void vmgenctr_test_same_guid(struct kunit *test)
{
	struct vmgenctr_test_vm *vm = vmgenctr_test_boot_hypervisor(test);

	vm->hv_page.generation = cpu_to_le64(1ULL << 32 | 41);
	vmgenctr_update(vm->ctr);
	KUNIT_EXPECT_EQ(test, vm->mixes, 2);
	KUNIT_EXPECT_EQ(test, le64_to_cpu(vm->mixed.generation), 1ULL << 32 | 41);
}

static void vmgenctr_test_same_generation(struct kunit *test)
{
	struct vmgenctr_test_vm *vm = vmgenctr_test_boot_hypervisor(test);

	vm->guid[7]++;
	vmgenctr_update(vm->ctr);
	KUNIT_EXPECT_EQ(test, vm->mixes, 2);
	KUNIT_EXPECT_EQ(test, vm->ctr->info.generation, 41);
}

/* A broken hypervisor: whatever differs is a change. */
static void vmgenctr_test_backwards(struct kunit *test)
{
	struct vmgenctr_test_vm *vm = vmgenctr_test_boot_hypervisor(test);

	vm->hv_page.generation = cpu_to_le64(40);
	vmgenctr_update(vm->ctr);
	KUNIT_EXPECT_EQ(test, vm->mixes, 2);
	KUNIT_EXPECT_EQ(test, vm->ctr->info.generation, 40);
}

/* So is a page that is no longer there: unbacked memory reads as 0 or as ones. */
static void vmgenctr_test_page_vanishes(struct kunit *test)
{
	struct vmgenctr_test_vm *vm = vmgenctr_test_boot_hypervisor(test);

	vm->hv_page.generation = 0;
	vmgenctr_update(vm->ctr);
	vmgenctr_update(vm->ctr);
	KUNIT_EXPECT_EQ(test, vm->mixes, 2);
	KUNIT_EXPECT_EQ(test, vm->ctr->info.generation, 0);

	memset(&vm->hv_page, 0xff, sizeof(vm->hv_page));
	vmgenctr_update(vm->ctr);
	vmgenctr_update(vm->ctr);
	KUNIT_EXPECT_EQ(test, vm->mixes, 3);
	KUNIT_EXPECT_EQ(test, vm->ctr->info.generation, U64_MAX);
}

/* What is ready at the end is what the hypervisor shows at the end. */
static void vmgenctr_test_restored_while_reseeding(struct kunit *test)
{
	struct vmgenctr_test_vm *vm = vmgenctr_test_boot_hypervisor(test);

	vm->guid[0]++;
	vm->hv_page.generation = cpu_to_le64(42);
	vm->restores = 3;
	vmgenctr_update(vm->ctr);
	KUNIT_EXPECT_EQ(test, vm->mixes, 5);
	KUNIT_EXPECT_EQ(test, vm->ctr->info.generation, 45);
	KUNIT_EXPECT_EQ(test, le64_to_cpu(vm->mixed.generation), 45);
	KUNIT_EXPECT_MEMEQ(test, vm->mixed.guid, vm->guid, VMGENID_SIZE);
}

/* No GUID is ever taken for that of another generation. */
static void vmgenctr_test_restored_while_looking(struct kunit *test)
{
	struct vmgenctr_test_vm *vm = vmgenctr_test_boot_hypervisor(test);

	vm->restores_between = 2;
	vmgenctr_update(vm->ctr);
	KUNIT_EXPECT_EQ(test, vm->mixes, 2);
	KUNIT_EXPECT_EQ(test, le64_to_cpu(vm->mixed.generation), 43);
	KUNIT_EXPECT_MEMEQ(test, vm->mixed.guid, vm->guid, VMGENID_SIZE);
	KUNIT_EXPECT_EQ(test, vm->ready_then, 41);
	KUNIT_EXPECT_EQ(test, vm->ctr->info.generation, 43);
}

static void vmgenctr_test_software_restored_while_reseeding(struct kunit *test)
{
	struct vmgenctr_test_vm *vm = vmgenctr_test_boot_software(test);

	vm->guid[0]++;
	vm->restores = 2;
	vmgenctr_update(vm->ctr);
	KUNIT_EXPECT_EQ(test, vm->mixes, 4);
	KUNIT_EXPECT_EQ(test, vm->ctr->info.generation, 4);
	KUNIT_EXPECT_MEMEQ(test, vm->mixed.guid, vm->guid, VMGENID_SIZE);
}

/* Where the hypervisor's page cannot be mapped, a copy of it is. */
static void vmgenctr_test_copy_follows(struct kunit *test)
{
	struct vmgenctr_test_vm *vm = vmgenctr_test_boot(test, true, true);
	struct vmgenctr *ctr = vm->ctr;

	KUNIT_EXPECT_EQ(test, vmgenctr_read_generation(ctr->page), 41);
	vm->hv_page.generation = cpu_to_le64(42);
	KUNIT_EXPECT_EQ_MSG(test, vmgenctr_live_generation(ctr), 42,
			    "read() and poll() don't wait for the copy");
	vmgenctr_update(ctr);
	KUNIT_EXPECT_EQ(test, vm->page_then, 42);
	KUNIT_EXPECT_EQ_MSG(test, le64_to_cpu(ctr->page->flags), 0,
			    "a copy may be late");
}

/* It was seeded with what had been mixed in, and nobody was restored since. */
static void vmgenctr_test_crng_ready_later(struct kunit *test)
{
	struct vmgenctr_test_vm *vm = test->priv;
	struct vmgenctr *ctr;
	u32 seq;

	vm->crng_ready = false;
	ctr = vmgenctr_test_boot_software(test)->ctr;
	KUNIT_EXPECT_EQ(test, ctr->info.flags, 0);
	KUNIT_EXPECT_EQ(test, ctr->status->flags, 0);

	vm->crng_ready = true;
	vmgenctr_update(ctr);
	KUNIT_EXPECT_EQ(test, vm->mixes, 1);
	KUNIT_EXPECT_EQ(test, ctr->info.generation, 1);
	KUNIT_EXPECT_EQ(test, ctr->info.flags, VMGENCTR_INFO_F_CRNG_RESEEDED);
	KUNIT_EXPECT_EQ(test, ctr->status->flags, VMGENCTR_STATUS_F_CRNG_RESEEDED);
	KUNIT_EXPECT_EQ(test, ctr->status->ready_generation, 1);
	seq = ctr->status->seq_count;

	vmgenctr_update(ctr);
	KUNIT_EXPECT_EQ(test, vm->mixes, 1);
	KUNIT_EXPECT_EQ_MSG(test, ctr->status->seq_count, seq, "said once");
}

static void vmgenctr_test_gone(struct kunit *test)
{
	struct vmgenctr_test_vm *vm = vmgenctr_test_boot_software(test);
	struct vmgenctr *ctr = vm->ctr;
	struct vmgenctr_info info = { .generation = 99 };
	static const u8 no_id[16];

	KUNIT_EXPECT_EQ(test, vmgenctr_get_info(ctr, &info), 0);
	KUNIT_EXPECT_EQ(test, info.generation, 1);

	vmgenctr_retire(ctr);
	KUNIT_EXPECT_EQ(test, vmgenctr_get_info(ctr, &info), -ENODEV);
	KUNIT_EXPECT_EQ(test, info.generation, 1);
	KUNIT_EXPECT_EQ(test, vmgenctr_live_generation(ctr), 0);
	KUNIT_EXPECT_EQ(test, ctr->status->ready_generation, 0);
	KUNIT_EXPECT_EQ(test, ctr->status->flags, 0);
	KUNIT_EXPECT_MEMEQ(test, ctr->status->instance_id, no_id, 16);
}

/* Bound again, it cannot know what it missed, so it must not start over. */
static void vmgenctr_test_bound_again(struct kunit *test)
{
	vmgenctr_retire(vmgenctr_test_boot_software(test)->ctr);
	KUNIT_EXPECT_EQ(test, vmgenctr_test_boot_software(test)->ctr->info.generation,
			2);
}

static struct kunit_case vmgenctr_test_cases[] = {
#ifdef CONFIG_ACPI
	KUNIT_CASE(vmgenctr_test_package),
	KUNIT_CASE(vmgenctr_test_broken_package),
#endif
	KUNIT_CASE(vmgenctr_test_region),
	KUNIT_CASE(vmgenctr_test_region_at_the_end),
	KUNIT_CASE(vmgenctr_test_region_fills_page),
	KUNIT_CASE(vmgenctr_test_page),
	KUNIT_CASE(vmgenctr_test_broken_page),
	KUNIT_CASE(vmgenctr_test_write_generation),
	KUNIT_CASE(vmgenctr_test_wedged_page_is_read),
	KUNIT_CASE(vmgenctr_test_write_status),
	KUNIT_CASE(vmgenctr_test_instance_id),
	KUNIT_CASE(vmgenctr_test_first_generation),
	KUNIT_CASE(vmgenctr_test_nothing_new),
	KUNIT_CASE(vmgenctr_test_software_change),
	KUNIT_CASE(vmgenctr_test_guid_comes_back),
	KUNIT_CASE(vmgenctr_test_hypervisor_change),
	KUNIT_CASE(vmgenctr_test_same_guid),
	KUNIT_CASE(vmgenctr_test_same_generation),
	KUNIT_CASE(vmgenctr_test_backwards),
	KUNIT_CASE(vmgenctr_test_page_vanishes),
	KUNIT_CASE(vmgenctr_test_restored_while_reseeding),
	KUNIT_CASE(vmgenctr_test_restored_while_looking),
	KUNIT_CASE(vmgenctr_test_software_restored_while_reseeding),
	KUNIT_CASE(vmgenctr_test_copy_follows),
	KUNIT_CASE(vmgenctr_test_crng_ready_later),
	KUNIT_CASE(vmgenctr_test_gone),
	KUNIT_CASE(vmgenctr_test_bound_again),
	{}
};

static struct kunit_suite vmgenctr_test_suite = {
	.name = "vmgenctr",
	.init = vmgenctr_test_init,
	.test_cases = vmgenctr_test_cases,
};

kunit_test_suite(vmgenctr_test_suite);
