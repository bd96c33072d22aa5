#!/usr/bin/env bash
# Makes our changes to the kernel's sources: puts the files of changes/ there, and edits the lines
# that lead to them.
#
#   kernel/changes.sh FOLDER   the kernel's sources
#
# The files are under the license of the kernel (GPL-2.0), of which they become a part. Exit status
# not 0, and a line that says why, when the sources are not those that this was written for.
set -euo pipefail

readonly files=$(dirname "$(readlink -f "$0")")/changes

# edit FILE COUNT PATTERN REPLACEMENT: as of sed; so many lines have the pattern.
edit() {
    local found
    found=$(grep -c -- "$3" "$1") || [ "$found" = 0 ]
    if [ "$found" != "$2" ]; then
        echo "changes.sh: $found lines of $1 have '$3', not $2: adapt kernel/changes.sh to these sources" >&2
        exit 1
    fi
    sed -i "s|$3|$4|" "$1"
}

cd "$1"

# Locks of shared folders wait, and hold for all machines (changes/fs/fuse/shared_locks.c).
edit fs/fuse/fuse_i.h 1 '.*bool flock:1;' '&\n\tbool ofd;'
edit fs/fuse/fuse_i.h 1 '^struct fuse_file {' '#include "virtiofsd.h"\n#include "shared_locks.h"\n\n&'
edit fs/fuse/dir.c 4 'time_before64(\(.*\), get_jiffies_64())' 'fuse_expired(\1)'
edit fs/fuse/file.c 1 '= fuse_flush,' '= shared_flush,'
edit fs/fuse/file.c 1 '= fuse_release,' '= shared_release,'
edit fs/fuse/file.c 1 '= fuse_file_lock,' '= shared_lock,'
edit fs/fuse/file.c 1 '= fuse_file_flock,' '= shared_flock,'
edit fs/fuse/file.c 1 '^static const struct file_operations fuse_file_operations' '#include "shared_locks.c"\n\n&'

# A share may have more files than its server may hold open, and names that others make anew
# (changes/fs/fuse/virtiofsd.c).
edit fs/fuse/dev.c 1 '^ssize_t fuse_simple_request(' 'ssize_t fuse_ask_once('
edit fs/fuse/virtio_fs.c 1 '^static const struct constant_table dax_param_enums' '#include "virtiofsd.c"\n\n&'
edit fs/fuse/virtio_fs.c 1 '^.OPT_DAX_ENUM,' '&\n\tOPT_MAX_FILES,'
edit fs/fuse/virtio_fs.c 1 '^.fsparam_enum("dax",.*' '&\n\tfsparam_u32("max_files", OPT_MAX_FILES),'
edit fs/fuse/virtio_fs.c 1 '^.case OPT_DAX_ENUM:' '\tcase OPT_MAX_FILES:\n\t\tmax_files = result.uint_32;\n\t\tbreak;\n&'

# Who asks looks for the answer before it sleeps (changes/fs/fuse/answers.c).
edit fs/fuse/virtio_fs.c 1 '^static void virtio_fs_wake_pending_and_unlock(' '#include "answers.c"\n\n&'
edit fs/fuse/virtio_fs.c 1 'ret = virtio_fs_enqueue_req(fsvq, req, false);' 'ret = enqueue_and_look(fsvq, req);'
# What past the caches is one question is asked as one that is waited for.
edit fs/fuse/file.c 1 'io->blocking = is_sync_kiocb(iocb);' '&\n\tif (io->blocking \&\& ff->fm->fc->auto_submounts \&\& count <= ff->fm->fc->max_write)\n\t\tio->async = false;'

# A file that another machine makes first is opened. virtiofsd opens it with the flags of the
# question, and ends (fortify) if they say to make it; it makes files without being told to.
edit fs/fuse/dir.c 1 'flags &= ~O_NOCTTY;' '&\n\tif (fm->fc->auto_submounts)\n\t\tflags \&= ~O_CREAT;'

# Interrupts and faults of user mode leave SS empty, system calls do not. Only QEMU's TCG minds, which
# translates for either: with the same SS what both use is translated once (docs/decisions/0033).
edit arch/x86/entry/entry_64.S 1 '^.Lerror_entry_from_usermode_after_swapgs:' '\tmovl\t$__KERNEL_DS, %eax\n\tmovl\t%eax, %ss\n&'

# More of what is free is given back to the host, and sooner (changes/mm/page_records.c): the records of
# free pages; what a round left half a second later, instead of two; and smaller blocks at rest.
edit mm/page_reporting.h 1 '^void __page_reporting_notify(void);' '&\nvoid page_reporting_take(struct page *page, unsigned int order);'
edit mm/page_alloc.c 1 '__ClearPageReported(page);' 'page_reporting_take(page, order);'
edit mm/page_reporting.c 1 '^/. notify prdev of free page reporting request ./$' '#include "page_records.c"\n\n&'
edit mm/page_reporting.c 2 'err = prdev->report(prdev, ' 'err = report_with_records(prdev, '
edit mm/page_reporting.c 1 '__SetPageReported(page);' '&\n\t\telse\n\t\t\tmake_records_anew(page, order);'
edit mm/page_reporting.c 1 'atomic_set(&prdev->state, PAGE_REPORTING_REQUESTED);' '&\n\t\t\tleft_some = true;'
edit mm/page_reporting.c 1 '^....   PAGE_REPORTING_DELAY);' '\t\t\t\t   next_round());\n\telse if (!rests)\n\t\tqueue_delayed_work(system_freezable_wq, \&prdev->work, REST);'
edit mm/page_reporting.c 1 '^.queue_delayed_work(' '\tmod_delayed_work('
edit mm/page_reporting.c 1 'atomic_set(&prdev->state, state);' 'rests = atomic_xchg(\&prdev->state, state) == PAGE_REPORTING_IDLE;'
edit mm/page_reporting.c 1 'order = page_reporting_order; order <' 'order = least_order(); order <'

cp -r "$files"/* .
