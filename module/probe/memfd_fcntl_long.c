// SPDX-License-Identifier: GPL-2.0
/* memfd_fcntl() takes an unsigned long (to 6.5). */
#include <linux/fs.h>
#include <linux/memfd.h>

extern long (*probe)(struct file *file, unsigned int cmd, unsigned long arg);
long (*probe)(struct file *file, unsigned int cmd, unsigned long arg) = memfd_fcntl;
