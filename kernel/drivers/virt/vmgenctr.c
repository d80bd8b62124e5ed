// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/vmgenctr: one number that differs after the virtual machine was restored
 * from saved state, for user space that cannot wait to be told.
 *
 * The number, the generation, is counted by the hypervisor in a page of its own
 * (hypervisor mode) or, where there is only a VM Generation ID, by this file
 * (software mode).  Whoever notices a change first, be it the notification of
 * vmgenid.c or a read(), has the CRNG reseeded and the vmfork notifiers run
 * before the new generation counts as ready.
 *
 * The GUID is a secret of guest and host.  It goes into the CRNG and into a
 * hash, and nowhere else.
 */

#include <crypto/sha2.h>
#include <kunit/static_stub.h>
#include <linux/acpi.h>
#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/kobject.h>
#include <linux/kref.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/poll.h>
#include <linux/preempt.h>
#include <linux/property.h>
#include <linux/random.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include <linux/wait.h>
#include <uapi/linux/vmgenctr.h>

#include "vmgenctr.h"

/* The hypervisor's page is this large, whatever PAGE_SIZE is here. */
#define VMGENCTR_REGION_SIZE	SZ_4K

/* Programs are built against these. */
static_assert(offsetof(struct vmgenctr_generation_page, seq_count) == 0x0c);
static_assert(offsetof(struct vmgenctr_generation_page, generation) == 0x18);
static_assert(sizeof(struct vmgenctr_generation_page) == VMGENCTR_GENERATION_SIZE);
static_assert(offsetof(struct vmgenctr_status_page, instance_id) == 0x20);
static_assert(sizeof(struct vmgenctr_status_page) == 0x30);
static_assert(sizeof(struct vmgenctr_info) == 0x20);

/* A writer that never finishes must not hang its readers. */
#define VMGENCTR_READ_TRIES	64

/**
 * struct vmgenctr - a counter and the device that shows it
 * @ref: held by the driver binding and by every open file; a mapping holds its
 *	file.  Hence the pages outlive an unbind for as long as anyone can look.
 * @misc: /dev/vmgenctr
 * @dev: the platform device, valid until @gone
 * @wait: where poll() sleeps
 * @hv_page: the hypervisor's page, %NULL in software mode
 * @hv_phys: its address
 * @page: the page that is mapped when @hv_page is absent or cannot be
 * @status: the status page
 * @lock: one update at a time, and none while the device goes away.  Protects
 *	what follows, and all stores to @page and @status.  Neither open(),
 *	poll() nor mmap() takes it: it is held over vmfork notifiers, which take
 *	locks of their own.
 * @registered: @misc can be used
 * @gone: the driver was unbound.  Also read without @lock where late is fine.
 * @guid: the live VM Generation ID, valid until @gone
 * @seen_guid: the copy that was last mixed into the CRNG
 * @seen: something was; a generation of 0 does not tell, for a hypervisor may
 *	take its counter away
 * @info: what read() returns, of the last generation that was dealt with
 */
struct vmgenctr {
	struct kref ref;
	struct miscdevice misc;
	struct device *dev;
	wait_queue_head_t wait;
	const struct vmgenctr_generation_page *hv_page;
	phys_addr_t hv_phys;
	struct vmgenctr_generation_page *page;
	struct vmgenctr_status_page *status;

	struct mutex lock; /* what follows */
	bool registered;
	bool gone;
	const u8 *guid;
	u8 seen_guid[VMGENID_SIZE];
	bool seen;
	struct vmgenctr_info info;
};

/**
 * struct vmgenctr_file - an open file
 * @ctr: holds a reference
 * @seen: the generation that this file last read, or had at open
 */
struct vmgenctr_file {
	struct vmgenctr *ctr;
	atomic64_t seen;
};

/**
 * struct vmgenctr_id - what makes a generation of a VM unique
 * @guid: copy of the GUID, secret
 * @generation: its generation
 *
 * Packed, since it is mixed and hashed as bytes.
 */
struct vmgenctr_id {
	u8 guid[VMGENID_SIZE];
	__le64 generation;
} __packed;

/* There is one /dev/vmgenctr; a second device does without. */
static unsigned long vmgenctr_taken;

/*
 * Pages
 */

/*
 * The 64-bit load tears only on 32-bit machines, which is what seq_count is for.
 * If the writer died in the middle, the last value read is as good as any: every
 * difference is a change, so it may cost a reseed too many but misses none.
 */
static u64 vmgenctr_read_generation(const struct vmgenctr_generation_page *page)
{
	int tries = VMGENCTR_READ_TRIES;
	u64 generation;
	u32 seq;

	do {
		seq = le32_to_cpu(READ_ONCE(page->seq_count));
		/* Pairs with the writer's barrier after seq_count became odd. */
		virt_rmb();
		generation = le64_to_cpu(READ_ONCE(page->generation));
		/* Pairs with the writer's barrier before seq_count is even. */
		virt_rmb();
		if (!(seq & 1) && seq == le32_to_cpu(READ_ONCE(page->seq_count)))
			break;
		cpu_relax();
	} while (--tries);

	return generation;
}

static void vmgenctr_write_generation(struct vmgenctr_generation_page *page,
				      u64 generation)
{
	u32 seq = le32_to_cpu(page->seq_count);

	if (generation == le64_to_cpu(page->generation))
		return;

	/* A reader that preempted it would wait for it. */
	guard(preempt)();
	WRITE_ONCE(page->seq_count, cpu_to_le32(seq + 1));
	/* Pairs with the reader's barrier after its first load of seq_count. */
	smp_wmb();
	WRITE_ONCE(page->generation, cpu_to_le64(generation));
	/* Pairs with the reader's barrier before its second load of seq_count. */
	smp_wmb();
	WRITE_ONCE(page->seq_count, cpu_to_le32(seq + 2));
}

static void vmgenctr_write_status(struct vmgenctr_status_page *status,
				  const struct vmgenctr_info *info)
{
	u64 flags = 0;

	if (info->flags & VMGENCTR_INFO_F_CRNG_RESEEDED)
		flags |= VMGENCTR_STATUS_F_CRNG_RESEEDED;

	/* A reader that preempted it would wait for it. */
	guard(preempt)();
	WRITE_ONCE(status->seq_count, status->seq_count + 1);
	/* Pairs with the reader's barrier after its first load of seq_count. */
	smp_wmb();
	WRITE_ONCE(status->flags, flags);
	WRITE_ONCE(status->ready_generation, info->generation);
	memcpy(status->instance_id, info->instance_id,
	       sizeof(status->instance_id));
	/* Pairs with the reader's barrier before its second load of seq_count. */
	smp_wmb();
	WRITE_ONCE(status->seq_count, status->seq_count + 1);
}

static struct vmgenctr_generation_page *vmgenctr_alloc_generation_page(void)
{
	struct vmgenctr_generation_page *page;

	page = (void *)get_zeroed_page(GFP_KERNEL);
	if (!page)
		return NULL;

	page->magic = cpu_to_le32(VMGENCTR_GENERATION_MAGIC);
	page->size = cpu_to_le32(VMGENCTR_GENERATION_SIZE);
	page->version = cpu_to_le16(VMGENCTR_VERSION);
	return page;
}

static struct vmgenctr_status_page *vmgenctr_alloc_status_page(void)
{
	struct vmgenctr_status_page *status;

	status = (void *)get_zeroed_page(GFP_KERNEL);
	if (!status)
		return NULL;

	status->magic = VMGENCTR_STATUS_MAGIC;
	status->size = sizeof(*status);
	status->version = VMGENCTR_VERSION;
	return status;
}

/*
 * Generations
 */

/* The generation right now, dealt with or not. */
static u64 vmgenctr_live_generation(const struct vmgenctr *ctr)
{
	return vmgenctr_read_generation(ctr->hv_page ?: ctr->page);
}

/*
 * Software mode counts here.  Not per device, so that a driver which is bound
 * again does not start over: it cannot know what it missed in between.
 */
static u64 vmgenctr_count(void)
{
	static atomic64_t count = ATOMIC64_INIT(0);

	KUNIT_STATIC_STUB_REDIRECT(vmgenctr_count);

	return atomic64_inc_return(&count);
}

static void vmgenctr_copy_guid(const struct vmgenctr *ctr, u8 guid[VMGENID_SIZE])
{
	KUNIT_STATIC_STUB_REDIRECT(vmgenctr_copy_guid, ctr, guid);

	memcpy(guid, ctr->guid, VMGENID_SIZE);
	/*
	 * The hypervisor may write it any time.  Whatever is compared, mixed and
	 * remembered must be this one copy, so don't let the compiler go back
	 * for another.
	 */
	barrier();
}

/*
 * Copies the GUID and returns the generation that it belongs to.  When the VM is
 * restored between the two looks, they differ; the barriers around the loads of
 * the generation keep the copy in between.  The last copy of a VM that is restored
 * again and again may be of another generation, which the next look finds.
 */
static u64 vmgenctr_sample(const struct vmgenctr *ctr, u8 guid[VMGENID_SIZE])
{
	u64 generation = vmgenctr_live_generation(ctr);
	int tries = VMGENCTR_READ_TRIES;
	u64 before;

	do {
		before = generation;
		vmgenctr_copy_guid(ctr, guid);
		generation = vmgenctr_live_generation(ctr);
	} while (generation != before && --tries);

	return generation;
}

/* Public, while the GUID is not: hence the hash and its own domain. */
static void vmgenctr_instance_id(const struct vmgenctr_id *id, u8 instance_id[16])
{
	static const char domain[] = "Linux vmgenctr instance id v1";
	u8 msg[sizeof(domain) + sizeof(*id)];
	u8 digest[SHA256_DIGEST_SIZE];

	memcpy(msg, domain, sizeof(domain));
	memcpy(msg + sizeof(domain), id, sizeof(*id));
	sha256(msg, sizeof(msg), digest);
	memcpy(instance_id, digest, 16);

	memzero_explicit(msg, sizeof(msg));
	memzero_explicit(digest, sizeof(digest));
}

/* Reseeds the CRNG if that is ready, and runs the vmfork notifiers. */
static void vmgenctr_mix(const struct vmgenctr_id *id)
{
	KUNIT_STATIC_STUB_REDIRECT(vmgenctr_mix, id);

	add_vmfork_randomness(id, sizeof(*id));
}

static bool vmgenctr_crng_ready(void)
{
	KUNIT_STATIC_STUB_REDIRECT(vmgenctr_crng_ready);

	return rng_is_initialized();
}

/* A hint for whoever does not hold the device open. */
static void vmgenctr_uevent(const struct vmgenctr *ctr)
{
	char generation[sizeof("VMGENCTR_GENERATION=18446744073709551615")];
	char *envp[3] = { "NEW_VMGENID=1", generation, NULL };

	if (!ctr->registered)
		return;

	snprintf(generation, sizeof(generation), "VMGENCTR_GENERATION=%llu",
		 ctr->info.generation);
	kobject_uevent_env(&ctr->misc.this_device->kobj, KOBJ_CHANGE, envp);
}

/* All that the kernel does for a generation; afterwards it is ready for it. */
static void vmgenctr_enter(struct vmgenctr *ctr, const struct vmgenctr_id *id)
{
	struct vmgenctr_info *info = &ctr->info;

	vmgenctr_mix(id);

	memcpy(ctr->seen_guid, id->guid, VMGENID_SIZE);
	ctr->seen = true;
	info->generation = le64_to_cpu(id->generation);
	info->flags = ctr->hv_page ? VMGENCTR_INFO_F_HYPERVISOR : 0;
	/* If it became ready only meanwhile, it was seeded with the id. */
	if (vmgenctr_crng_ready())
		info->flags |= VMGENCTR_INFO_F_CRNG_RESEEDED;
	vmgenctr_instance_id(id, info->instance_id);
	vmgenctr_write_status(ctr->status, info);
}

/*
 * Returns false when the kernel is ready for what the hypervisor shows now, and
 * otherwise makes it so, once.
 */
static bool vmgenctr_advance(struct vmgenctr *ctr, struct vmgenctr_id *id)
{
	u64 generation = vmgenctr_sample(ctr, id->guid);
	u64 old = ctr->info.generation;
	bool first = !ctr->seen;
	bool other;

	other = first || memcmp(id->guid, ctr->seen_guid, VMGENID_SIZE);
	if (!other && generation == old)
		return false;

	if (other && !ctr->hv_page)
		generation = vmgenctr_count();
	/* First the page, so that whoever looks at it learns it now. */
	if (ctr->page)
		vmgenctr_write_generation(ctr->page, generation);

	id->generation = cpu_to_le64(generation);
	vmgenctr_enter(ctr, id);

	if (!first && generation != old) {
		/* All: an exclusive waiter may belong to another file. */
		wake_up_interruptible_all(&ctr->wait);
		vmgenctr_uevent(ctr);
	}
	return true;
}

/*
 * A CRNG that was not ready for the last generation may be by now.  Since
 * add_vmfork_randomness() every key of it comes from a pool with the id in it, so
 * there is nothing to mix again and nobody to notify, as there was no restore.
 */
static void vmgenctr_note_crng(struct vmgenctr *ctr)
{
	struct vmgenctr_info *info = &ctr->info;

	if (info->flags & VMGENCTR_INFO_F_CRNG_RESEEDED || !vmgenctr_crng_ready())
		return;

	info->flags |= VMGENCTR_INFO_F_CRNG_RESEEDED;
	vmgenctr_write_status(ctr->status, info);
}

/* The machine may be restored while this runs: go on until nothing is new. */
static void vmgenctr_catch_up(struct vmgenctr *ctr)
{
	struct vmgenctr_id id;

	lockdep_assert_held(&ctr->lock);

	while (vmgenctr_advance(ctr, &id))
		;
	vmgenctr_note_crng(ctr);
	memzero_explicit(&id, sizeof(id));
}

/**
 * vmgenctr_update() - look whether the VM was restored, and deal with it
 * @ctr: the counter
 *
 * May sleep: vmfork notifiers do.
 */
void vmgenctr_update(struct vmgenctr *ctr)
{
	guard(mutex)(&ctr->lock);
	vmgenctr_catch_up(ctr);
}
EXPORT_SYMBOL_GPL(vmgenctr_update);

/*
 * Lifetime
 */

static void vmgenctr_free(struct kref *ref)
{
	struct vmgenctr *ctr = container_of(ref, struct vmgenctr, ref);

	if (ctr->hv_page)
		memunmap((void *)ctr->hv_page);
	free_page((unsigned long)ctr->page);
	free_page((unsigned long)ctr->status);
	kfree_sensitive(ctr);
}

static void vmgenctr_put(struct vmgenctr *ctr)
{
	kref_put(&ctr->ref, vmgenctr_free);
}

/* Nobody may look at the GUID any more, and everybody learns why. */
static void vmgenctr_retire(struct vmgenctr *ctr)
{
	guard(mutex)(&ctr->lock);
	WRITE_ONCE(ctr->gone, true);
	ctr->guid = NULL;
	memset(&ctr->info, 0, sizeof(ctr->info));
	if (ctr->page)
		vmgenctr_write_generation(ctr->page, 0);
	vmgenctr_write_status(ctr->status, &ctr->info);
}

/*
 * vmgenid.c removed its handler before, so only files are left.  misc_mtx is not
 * taken under the lock, and an open() that gets in between finds it gone.
 */
static void vmgenctr_destroy(void *data)
{
	struct vmgenctr *ctr = data;

	vmgenctr_retire(ctr);
	wake_up_interruptible_all(&ctr->wait);
	if (ctr->registered) {
		misc_deregister(&ctr->misc);
		clear_bit(0, &vmgenctr_taken);
	}
	vmgenctr_put(ctr);
}

/*
 * File operations
 */

static int vmgenctr_open(struct inode *inode, struct file *file)
{
	/* misc_mtx is held, hence misc_deregister() and the put behind it wait. */
	struct vmgenctr *ctr = container_of(file->private_data, struct vmgenctr,
					    misc);
	struct vmgenctr_file *vf;

	if (READ_ONCE(ctr->gone))
		return -ENODEV;

	vf = kzalloc(sizeof(*vf), GFP_KERNEL_ACCOUNT);
	if (!vf)
		return -ENOMEM;

	kref_get(&ctr->ref);
	vf->ctr = ctr;
	atomic64_set(&vf->seen, vmgenctr_live_generation(ctr));
	file->private_data = vf;
	return 0;
}

static int vmgenctr_release(struct inode *inode, struct file *file)
{
	struct vmgenctr_file *vf = file->private_data;

	vmgenctr_put(vf->ctr);
	kfree(vf);
	return 0;
}

/* A consistent answer that the kernel is ready for. */
static int vmgenctr_get_info(struct vmgenctr *ctr, struct vmgenctr_info *ret)
{
	if (mutex_lock_interruptible(&ctr->lock))
		return -ERESTARTSYS;

	if (ctr->gone) {
		mutex_unlock(&ctr->lock);
		return -ENODEV;
	}

	vmgenctr_catch_up(ctr);
	*ret = ctr->info;
	mutex_unlock(&ctr->lock);
	return 0;
}

/*
 * The position is ignored: there is nothing to read on, only to read again.  Two
 * readers of one file may mark it in the wrong order, which makes poll() report
 * a generation once more and hides none.
 */
static ssize_t vmgenctr_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct vmgenctr_file *vf = iocb->ki_filp->private_data;
	size_t count = min(iov_iter_count(to), sizeof(struct vmgenctr_info));
	struct vmgenctr_info info;
	int ret;

	if (count < sizeof(info.generation))
		return -EINVAL;

	ret = vmgenctr_get_info(vf->ctr, &info);
	if (ret)
		return ret;

	if (copy_to_iter(&info, count, to) != count)
		return -EFAULT;

	atomic64_set(&vf->seen, info.generation);
	return count;
}

static __poll_t vmgenctr_poll(struct file *file, poll_table *wait)
{
	struct vmgenctr_file *vf = file->private_data;
	struct vmgenctr *ctr = vf->ctr;

	poll_wait(file, &ctr->wait, wait);

	if (READ_ONCE(ctr->gone))
		return EPOLLERR | EPOLLHUP;
	if (vmgenctr_live_generation(ctr) != atomic64_read(&vf->seen))
		return EPOLLIN | EPOLLRDNORM;
	return 0;
}

/* Pages of the kernel, which come back after madvise(MADV_DONTNEED), too. */
static vm_fault_t vmgenctr_fault(struct vm_fault *vmf)
{
	struct vmgenctr_file *vf = vmf->vma->vm_file->private_data;
	struct vmgenctr *ctr = vf->ctr;

	if (vmf->pgoff == VMGENCTR_STATUS_PGOFF)
		vmf->page = virt_to_page(ctr->status);
	else
		vmf->page = virt_to_page(ctr->page);
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct vmgenctr_vm_ops = {
	.fault = vmgenctr_fault,
};

static int vmgenctr_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct vmgenctr_file *vf = file->private_data;
	struct vmgenctr *ctr = vf->ctr;

	if (vma->vm_flags & (VM_WRITE | VM_EXEC))
		return -EPERM;
	if (vma_pages(vma) != 1 || vma->vm_pgoff > VMGENCTR_STATUS_PGOFF)
		return -EINVAL;
	if (READ_ONCE(ctr->gone))
		return -ENODEV;

	/* Nor by mprotect() or mremap() later, nor through a private copy. */
	vm_flags_mod(vma, VM_DONTEXPAND | VM_DONTDUMP,
		     VM_MAYWRITE | VM_MAYEXEC);

	if (vma->vm_pgoff == VMGENCTR_GENERATION_PGOFF && !ctr->page)
		return io_remap_pfn_range(vma, vma->vm_start,
					  PHYS_PFN(ctr->hv_phys), PAGE_SIZE,
					  vma->vm_page_prot);

	vma->vm_ops = &vmgenctr_vm_ops;
	return 0;
}

static const struct file_operations vmgenctr_fops = {
	.owner		= THIS_MODULE,
	.open		= vmgenctr_open,
	.release	= vmgenctr_release,
	.read_iter	= vmgenctr_read_iter,
	.poll		= vmgenctr_poll,
	.mmap		= vmgenctr_mmap,
	.llseek		= noop_llseek,
};

/*
 * Where the hypervisor counts
 */

/* A @size of 0: the firmware knows of none. */
struct vmgenctr_region {
	u64 start;
	u64 size;
};

#ifdef CONFIG_ACPI
/* Returns what is wrong with the answer of CTRA, or NULL. */
static const char *vmgenctr_parse_package(const union acpi_object *obj, u64 *ret)
{
	const union acpi_object *element;

	if (!obj || obj->type != ACPI_TYPE_PACKAGE)
		return "CTRA returns no package";
	if (obj->package.count != 2)
		return "CTRA does not return two elements";

	element = obj->package.elements;
	if (element[0].type != ACPI_TYPE_INTEGER ||
	    element[1].type != ACPI_TYPE_INTEGER)
		return "CTRA returns something other than integers";
	if (element[0].integer.value > U32_MAX ||
	    element[1].integer.value > U32_MAX)
		return "CTRA returns more than 32 bits in an element";

	*ret = element[0].integer.value | element[1].integer.value << 32;
	return NULL;
}

static const char *vmgenctr_locate_acpi(struct device *dev,
					struct vmgenctr_region *ret)
{
	struct acpi_buffer answer = { ACPI_ALLOCATE_BUFFER };
	const char *wrong;
	acpi_status status;

	if (!acpi_has_method(ACPI_HANDLE(dev), "CTRA"))
		return NULL;

	status = acpi_evaluate_object(ACPI_HANDLE(dev), "CTRA", NULL, &answer);
	if (ACPI_FAILURE(status))
		return "CTRA cannot be evaluated";

	wrong = vmgenctr_parse_package(answer.pointer, &ret->start);
	ACPI_FREE(answer.pointer);
	if (!wrong)
		ret->size = VMGENCTR_REGION_SIZE;
	return wrong;
}
#else
static const char *vmgenctr_locate_acpi(struct device *dev,
					struct vmgenctr_region *ret)
{
	return NULL;
}
#endif

static const char *vmgenctr_locate_of(struct device *dev,
				      struct vmgenctr_region *ret)
{
	struct resource *res;

	res = platform_get_resource(to_platform_device(dev), IORESOURCE_MEM, 1);
	if (res) {
		ret->start = res->start;
		ret->size = resource_size(res);
	}
	return NULL;
}

/* Returns why the region cannot hold a generation page, or NULL. */
static const char *vmgenctr_check_region(const struct vmgenctr_region *region,
					 u64 guid_phys)
{
	u64 end = region->start + region->size - 1;

	if (!region->start || !IS_ALIGNED(region->start, VMGENCTR_REGION_SIZE))
		return "its address is not that of a page";
	if (region->size < VMGENCTR_REGION_SIZE)
		return "its region is smaller than a page";
	if (end < region->start || end > iomem_resource.end)
		return "its address is out of range";
	if (guid_phys <= end && guid_phys + VMGENID_SIZE > region->start)
		return "it shares a page with the GUID";
	return NULL;
}

/* Returns why the page is not a generation page, or NULL. */
static const char *vmgenctr_check_page(const struct vmgenctr_generation_page *page)
{
	u32 size = le32_to_cpu(page->size);

	if (le32_to_cpu(page->magic) != VMGENCTR_GENERATION_MAGIC)
		return "its magic number is wrong";
	if (le16_to_cpu(page->version) != VMGENCTR_VERSION)
		return "its version is not known";
	if (size < VMGENCTR_GENERATION_SIZE || size > VMGENCTR_REGION_SIZE)
		return "its size is wrong";
	if (!(le64_to_cpu(page->flags) & VMGENCTR_F_HYPERVISOR))
		return "the hypervisor does not claim it";
	if (le32_to_cpu(page->seq_count) & 1)
		return "it is being written while the VM runs";
	if (!vmgenctr_read_generation(page))
		return "its generation is 0";
	return NULL;
}

/*
 * User space sees all of what is mapped, so the region must fill a page of ours:
 * behind 4 KiB on an arm64 with 64 KiB pages there could be anything.
 */
static bool vmgenctr_region_fills_page(const struct vmgenctr_region *region)
{
	return IS_ALIGNED(region->start, PAGE_SIZE) && region->size >= PAGE_SIZE;
}

static const char *vmgenctr_map_region(struct vmgenctr *ctr,
				       const struct vmgenctr_region *region)
{
	const char *wrong;
	void *page;

	/* What the kernel allocates from must never end up in a mapping. */
	if (region_intersects(region->start, region->size,
			      IORESOURCE_SYSTEM_RAM, IORES_DESC_NONE) !=
	    REGION_DISJOINT)
		return "it lies in ordinary RAM";

	page = memremap(region->start, VMGENCTR_REGION_SIZE,
			MEMREMAP_WB | MEMREMAP_DEC);
	if (!page)
		return "it cannot be mapped";

	wrong = vmgenctr_check_page(page);
	if (wrong) {
		memunmap(page);
		return wrong;
	}

	ctr->hv_page = page;
	ctr->hv_phys = region->start;
	return NULL;
}

/*
 * No page is fine: most hypervisors have none.  A broken one is not, but the
 * CRNG is still to be reseeded, so say it and count in software.
 */
static int vmgenctr_setup_page(struct vmgenctr *ctr, phys_addr_t guid_phys)
{
	struct vmgenctr_region region = {};
	const char *wrong;

	wrong = has_acpi_companion(ctr->dev) ?
		vmgenctr_locate_acpi(ctr->dev, &region) :
		vmgenctr_locate_of(ctr->dev, &region);
	if (!wrong && region.size)
		wrong = vmgenctr_check_region(&region, guid_phys) ?:
			vmgenctr_map_region(ctr, &region);
	if (wrong)
		dev_err(ctr->dev,
			"the hypervisor's generation page is unusable: %s\n",
			wrong);

	if (ctr->hv_page && vmgenctr_region_fills_page(&region))
		return 0;
	ctr->page = vmgenctr_alloc_generation_page();
	return ctr->page ? 0 : -ENOMEM;
}

/*
 * Setting up
 */

/* Without a device node, the CRNG is reseeded all the same. */
static void vmgenctr_register(struct vmgenctr *ctr)
{
	u64 generation = ctr->info.generation;
	int ret;

	if (test_and_set_bit(0, &vmgenctr_taken)) {
		dev_err(ctr->dev, "another device has /dev/vmgenctr already\n");
		return;
	}

	ret = misc_register(&ctr->misc);
	if (ret) {
		dev_err(ctr->dev, "no /dev/vmgenctr: %d\n", ret);
		clear_bit(0, &vmgenctr_taken);
		return;
	}

	guard(mutex)(&ctr->lock);
	ctr->registered = true;
	/* A change that was dealt with in between has not been announced. */
	if (ctr->info.generation != generation)
		vmgenctr_uevent(ctr);
}

static struct vmgenctr *vmgenctr_alloc(struct device *dev, const u8 *guid)
{
	struct vmgenctr *ctr;

	ctr = kzalloc(sizeof(*ctr), GFP_KERNEL);
	if (!ctr)
		return NULL;

	kref_init(&ctr->ref);
	mutex_init(&ctr->lock);
	init_waitqueue_head(&ctr->wait);
	ctr->dev = dev;
	ctr->guid = guid;
	ctr->misc.minor = MISC_DYNAMIC_MINOR;
	ctr->misc.name = "vmgenctr";
	ctr->misc.fops = &vmgenctr_fops;
	ctr->misc.parent = dev;
	ctr->misc.mode = 0444;

	ctr->status = vmgenctr_alloc_status_page();
	if (!ctr->status) {
		vmgenctr_put(ctr);
		return NULL;
	}
	return ctr;
}

/**
 * devm_vmgenctr_create() - start to count the generations of this VM
 * @dev: the platform device of the VM Generation ID
 * @guid: the live id, mapped for as long as @dev is bound
 * @guid_phys: its physical address
 *
 * When this returns, the id is in the CRNG, which has been reseeded if it was
 * initialized.  Install the notification that calls vmgenctr_update() afterwards.
 *
 * Return: the counter, gone when @dev is unbound, or an ERR_PTR(). Firmware
 * that describes a broken counter page is no error.
 */
struct vmgenctr *devm_vmgenctr_create(struct device *dev, const u8 *guid,
				      phys_addr_t guid_phys)
{
	struct vmgenctr *ctr;
	int ret;

	ctr = vmgenctr_alloc(dev, guid);
	if (!ctr)
		return ERR_PTR(-ENOMEM);

	ret = vmgenctr_setup_page(ctr, guid_phys);
	if (ret) {
		vmgenctr_put(ctr);
		return ERR_PTR(ret);
	}

	vmgenctr_update(ctr);
	vmgenctr_register(ctr);

	ret = devm_add_action_or_reset(dev, vmgenctr_destroy, ctr);
	return ret ? ERR_PTR(ret) : ctr;
}
EXPORT_SYMBOL_GPL(devm_vmgenctr_create);

#ifdef CONFIG_VMGENCTR_KUNIT_TEST
#include "vmgenctr_test.c"
#endif

MODULE_DESCRIPTION("Virtual machine generation counter");
MODULE_LICENSE("GPL");
MODULE_AUTHOR("vmgen developers <vmgen@localhost>");
