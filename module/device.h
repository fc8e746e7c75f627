/* SPDX-License-Identifier: GPL-2.0 */
/* /dev/wfpatch */
#ifndef WF_DEVICE_H
#define WF_DEVICE_H

int wf_device_init(void);
void wf_device_exit(void);

#endif
