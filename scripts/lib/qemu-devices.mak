# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# The machines and devices of the QEMU that the tests run: to build all that there are
# would take a quarter more time.

# Those that describe vmgenid and vmclock, which come with them
CONFIG_I440FX=y
CONFIG_Q35=y
CONFIG_MICROVM=y

# With what the firmware's tables of q35 and pc have by default, and bios-tables-test
# compares
CONFIG_HPET=y
CONFIG_VMPORT=y
CONFIG_VMMOUSE=y
CONFIG_FDC_ISA=y
CONFIG_PARALLEL=y
CONFIG_VGA_PCI=y
CONFIG_E1000_PCI=y
CONFIG_E1000E_PCI_EXPRESS=y

# What the guests and the qtests of these devices use
CONFIG_ISA_DEBUG=y
CONFIG_PVPANIC_ISA=y
CONFIG_PVPANIC_PCI=y
CONFIG_VIRTIO_PCI=y
CONFIG_VIRTIO_BLK=y

# What a machine that is snapshotted, forked or refused has besides
CONFIG_DIMM=y
CONFIG_NVDIMM=y
CONFIG_PCIE_PORT=y
CONFIG_VHOST_USER_BLK=y
CONFIG_VIRTIO_BALLOON=y
CONFIG_VIRTIO_MEM=y
CONFIG_VIRTIO_NET=y
CONFIG_VIRTIO_RNG=y
CONFIG_VIRTIO_SERIAL=y
