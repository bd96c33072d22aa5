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

# Locks of shared folders wait, and hold for all machines (changes/shared_locks.c).
edit fs/fuse/fuse_i.h 1 '.*bool flock:1;' '&\n\tbool ofd;'
edit fs/fuse/fuse_i.h 1 '^struct fuse_file {' '#include "shared_locks.h"\n\n&'
edit fs/fuse/dir.c 4 'time_before64(\(.*\), get_jiffies_64())' 'fuse_expired(\1)'
edit fs/fuse/file.c 1 '= fuse_flush,' '= shared_flush,'
edit fs/fuse/file.c 1 '= fuse_release,' '= shared_release,'
edit fs/fuse/file.c 1 '= fuse_file_lock,' '= shared_lock,'
edit fs/fuse/file.c 1 '= fuse_file_flock,' '= shared_flock,'
edit fs/fuse/file.c 1 '^static const struct file_operations fuse_file_operations' '#include "shared_locks.c"\n\n&'
cp "$files"/shared_locks.[ch] fs/fuse/
