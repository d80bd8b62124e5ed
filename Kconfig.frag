# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# The guest kernel: what a test needs on top of "make tinyconfig", x86_64.
# Every line must survive the merge; scripts/build stops when one does not.

# Machine
CONFIG_64BIT=y
CONFIG_SMP=y
CONFIG_NR_CPUS=8
CONFIG_PREEMPT=y
CONFIG_PCI=y
CONFIG_ACPI=y
CONFIG_HYPERVISOR_GUEST=y
CONFIG_PARAVIRT=y
CONFIG_KVM_GUEST=y
CONFIG_PVH=y
CONFIG_X86_X2APIC=y
CONFIG_X86_IOPL_IOPERM=y
CONFIG_KERNEL_GZIP=y
CONFIG_CC_OPTIMIZE_FOR_PERFORMANCE=y
CONFIG_PRINTK=y
CONFIG_PRINTK_TIME=y
CONFIG_EARLY_PRINTK=y
CONFIG_BUG=y
CONFIG_PANIC_ON_OOPS=y
CONFIG_PANIC_TIMEOUT=-1
CONFIG_KALLSYMS=y
CONFIG_MAGIC_SYSRQ=y
CONFIG_UNWINDER_ORC=y

# Under emulation the ticks of 64 idle clones keep two processors busy
CONFIG_NO_HZ_IDLE=y

# Two serial ports: the console and the command channel
CONFIG_TTY=y
CONFIG_SERIAL_8250=y
CONFIG_SERIAL_8250_CONSOLE=y
CONFIG_SERIAL_8250_NR_UARTS=4
CONFIG_SERIAL_8250_RUNTIME_UARTS=4
CONFIG_UNIX98_PTYS=y

# An initramfs with programs in it
CONFIG_BLK_DEV_INITRD=y
CONFIG_RD_GZIP=y
CONFIG_BINFMT_ELF=y
CONFIG_BINFMT_SCRIPT=y
CONFIG_IA32_EMULATION=y
CONFIG_COMPAT_32BIT_TIME=y
CONFIG_DEVTMPFS=y
CONFIG_DEVTMPFS_MOUNT=y
CONFIG_PROC_FS=y
CONFIG_SYSCTL=y
CONFIG_PROC_PAGE_MONITOR=y
CONFIG_SYSFS=y
CONFIG_CONFIGFS_FS=y
CONFIG_ACPI_CONFIGFS=y
CONFIG_SHMEM=y
CONFIG_TMPFS=y
CONFIG_DEBUG_FS=y
CONFIG_FILE_LOCKING=y
CONFIG_MULTIUSER=y

# System calls that the tests and libvmgen use
CONFIG_FUTEX=y
CONFIG_EPOLL=y
CONFIG_EVENTFD=y
CONFIG_SIGNALFD=y
CONFIG_TIMERFD=y
CONFIG_IO_URING=y
CONFIG_AIO=y
CONFIG_MEMBARRIER=y
CONFIG_RSEQ=y
CONFIG_ADVISE_SYSCALLS=y
CONFIG_POSIX_TIMERS=y
CONFIG_HIGH_RES_TIMERS=y
CONFIG_SYSVIPC=y
CONFIG_CROSS_MEMORY_ATTACH=y
CONFIG_SECCOMP=y
CONFIG_SECCOMP_FILTER=y
CONFIG_NAMESPACES=y
CONFIG_USER_NS=y
CONFIG_PID_NS=y
CONFIG_NET_NS=y

# Unix sockets and kernel uevents over netlink; nothing else of the net
CONFIG_NET=y
CONFIG_UNIX=y
# CONFIG_WIRELESS is not set
# CONFIG_ETHERNET is not set
# CONFIG_UEVENT_HELPER is not set

# Write to the physical address of the page
CONFIG_DEVMEM=y
# CONFIG_STRICT_DEVMEM is not set

# The subject
CONFIG_VIRT_DRIVERS=y
CONFIG_VMGENID=y
CONFIG_VMGENCTR=y
CONFIG_VMGENCTR_KUNIT_TEST=y
CONFIG_KUNIT=y

# Its neighbour: vmclock comes by default where there is one (Linux 6.13)
CONFIG_PTP_1588_CLOCK=y

# systemd-udevd, and a misc device that its rules must leave alone
CONFIG_HPET=y
CONFIG_CGROUPS=y
CONFIG_FHANDLE=y
CONFIG_INOTIFY_USER=y

# Crafted ACPI tables from the initramfs
CONFIG_ACPI_TABLE_UPGRADE=y

# What comes by default, is nothing to us, and takes time to build.
# Devices that the guest does not have:
# CONFIG_VT is not set
# CONFIG_INPUT is not set
# CONFIG_SERIO is not set
# CONFIG_HID_SUPPORT is not set
# CONFIG_INTEL_MEI is not set
# CONFIG_SERIAL_8250_PCI is not set
# CONFIG_SERIAL_8250_EXAR is not set
# CONFIG_SERIAL_8250_LPSS is not set
# CONFIG_SERIAL_8250_MOXA_PCIE is not set
# CONFIG_SERIAL_8250_MID is not set
# CONFIG_SERIAL_8250_PERICOM is not set
# CONFIG_VGA_ARB is not set
# CONFIG_PCIEASPM is not set
# CONFIG_PCI_QUIRKS is not set
# CONFIG_PERF_EVENTS_INTEL_UNCORE is not set
# CONFIG_PERF_EVENTS_INTEL_RAPL is not set
# CONFIG_PERF_EVENTS_INTEL_CSTATE is not set
# CONFIG_ETHTOOL_NETLINK is not set
# Power and heat, of which it has none:
# CONFIG_SCHED_MC_PRIO is not set
# CONFIG_CPU_FREQ is not set
# CONFIG_CPU_IDLE is not set
# CONFIG_THERMAL is not set
# CONFIG_POWER_SUPPLY is not set
# CONFIG_ACPI_AC is not set
# CONFIG_ACPI_BATTERY is not set
# CONFIG_ACPI_EC is not set
# CONFIG_ACPI_FAN is not set
# CONFIG_ACPI_PROCESSOR is not set
# CONFIG_ACPI_PCC is not set
# CONFIG_ACPI_DEBUG is not set
# Compression: the initramfs is a gzip.
# CONFIG_RD_BZIP2 is not set
# CONFIG_RD_LZMA is not set
# CONFIG_RD_XZ is not set
# CONFIG_RD_LZO is not set
# CONFIG_RD_LZ4 is not set
# CONFIG_RD_ZSTD is not set
