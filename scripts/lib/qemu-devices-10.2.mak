# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# What QEMU 10.2 does not link without, as cxl_build_cedt() calls a function that has no
# stub, and what it does not start without: cxl-rp's parent is compiled by PCIE_PORT.
CONFIG_PXB=y
CONFIG_CXL=y
CONFIG_CXL_MEM_DEVICE=y
CONFIG_PCIE_PORT=y
