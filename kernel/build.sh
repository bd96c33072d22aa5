#!/usr/bin/env bash
# Builds the guest kernel from Debian's linux-source package and prints the path of its vmlinux.
#
#   kernel/build.sh          build, unless the cache has it; the last line of stdout is the path
#   kernel/build.sh --print  the path that it has or would have
#   kernel/build.sh --key    the key of the cache entry: options, source version, compiler, recipe
#
# The cache is ${HAKO_CACHE:-${XDG_CACHE_HOME:-~/.cache}/hako}/kernel/<key>/ with the files vmlinux,
# config and version. An entry appears whole (by rename) or not at all, also when two builds run at
# once or one is interrupted. Exit status: 0 done, 1 failed (stderr tells why), 2 wrong usage.
set -euo pipefail
shopt -s inherit_errexit
export LC_ALL=C

readonly package=linux-source-6.1
readonly tarball=/usr/src/$package.tar.xz
readonly here=$(dirname "$(readlink -f "$0")")
readonly config_dir=$here/config
readonly cache=${HAKO_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/hako}/kernel

fail() {
    printf 'build.sh: %s\n' "$*" >&2
    exit 1
}

# The options that we ask for, without comments: a better comment is no reason to build again.
options() { grep -h '^CONFIG_' "$config_dir"/*.config; }

source_version() {
    dpkg-query -W -f '${Version}' $package 2>/dev/null ||
        fail "the Debian package $package is missing: apt-get install $package"
}

# Everything that decides the bytes of the kernel. `declare -f` prints functions without comments.
cache_key() {
    {
        options
        source_version
        gcc -dumpfullversion
        declare -f kbuild compile
        grep -hv '^ *#' "$here"/{cc,changes}.sh
        # Without comments: this compiler only preprocesses what was preprocessed.
        gcc -fpreprocessed -dD -E -P "$here"/changes/{fs/fuse,mm}/*.[ch]
    } | sha256sum | cut -c1-16
}

# Names the options that Kconfig did not take over (renamed, or with a dependency missing).
check_options() {
    local lost
    lost=$(comm -23 <(options | sort) <(grep '^CONFIG_' .config | sort))
    [ -z "$lost" ] || fail "$package $(source_version) does not give these options:"$'\n'"$lost"
    ! grep '=m$' .config >&2 || fail "these options would be modules, but hako's kernel has none"
}

# With fixed names and times the same input gives the same bytes. Without ccache: the cache entry is
# what spares work, and ccache would make the one build that everybody pays a quarter longer.
kbuild() {
    make -s -j"$(nproc)" ARCH=x86_64 CC="$PWD/.headers/cc.sh" \
        KBUILD_BUILD_USER=hako KBUILD_BUILD_HOST=hako KBUILD_BUILD_TIMESTAMP='1970-01-01 00:00:00 UTC' "$@"
}

# Leaves vmlinux, config and version in the directory $1; the current one holds the sources.
compile() {
    "$here/changes.sh" .
    options >asked.config
    mkdir .headers
    cp "$here/cc.sh" .headers/
    kbuild allnoconfig KCONFIG_ALLCONFIG=asked.config
    check_options
    # First the sources whose flags the precompiled headers get (cc.sh).
    kbuild init/main.o net/socket.o drivers/acpi/acpica/dsargs.o
    kbuild vmlinux
    strip --strip-all -o "$1/vmlinux" vmlinux
    cp .config "$1/config"
    kbuild kernelrelease >"$1/version"
}

# Unpacks what an x86 build reads into the directory $1. Half of the archive is drivers that no
# guest has, and removing them takes longer than unpacking them. Kconfig wants its files of all.
unpack() {
    local skipped=(
        '*/Documentation/*.*' '*/tools/testing/*' '*/sound/*.[ch]' '*/arch/[!x]*/*.[chS]' '*.dts*'
        '*/drivers/'{gpu,media,staging,infiniband,iio,net/wireless}'/*.[ch]'
        '*/drivers/net/ethernet/[!i]*/*.[ch]'
    )
    tar -xf $tarball -C "$1" --strip-components=1 "${skipped[@]/#/--exclude=}"
}

# Fills the cache entry of key $1. The caller holds the lock, so whatever lies in the work directory
# was left by a build that was killed. The compilers inherit the lock: it lasts as long as they do.
build() {
    local work=$cache/.$1.partial job
    [ -r $tarball ] || fail "$tarball is missing: apt-get install --reinstall $package"
    rm -rf "$work"
    mkdir -p "$work/source" "$work/entry"

    echo "build.sh: building kernel $1 from $package $(source_version) (some minutes, once)" >&2
    # A process group of its own, so that an interrupted build stops all its compilers.
    set -m
    (
        unpack "$work/source"
        cd "$work/source"
        compile "$work/entry"
    ) >"$work/log" 2>&1 &
    job=$!
    set +m
    trap 'kill -- -$job 2>/dev/null || true; wait; rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM HUP
    wait $job || {
        tail -n 40 "$work/log" >&2
        fail "the kernel build failed; its last lines are above"
    }
    mv -T "$work/entry" "$cache/$1"
    trap - EXIT INT TERM HUP
    # It takes a minute on some disks, and nobody needs to wait for it.
    setsid rm -rf "$work" >/dev/null 2>&1 9>&- &
}

main() {
    local mode=${1-} key
    case $#:$mode in
        0: | 1:--key | 1:--print) ;;
        *)
            sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
            exit 2
            ;;
    esac
    key=$(cache_key)
    if [ "$mode" = --key ]; then
        echo "$key"
        return
    fi
    if [ -z "$mode" ] && [ ! -e "$cache/$key/vmlinux" ]; then
        mkdir -p "$cache"
        exec 9>"$cache/$key.lock"
        flock 9
        [ -e "$cache/$key/vmlinux" ] || build "$key"
        exec 9>&-
    fi
    echo "$cache/$key/vmlinux"
}

main "$@"
exit # bash reads scripts while it runs them: nothing after this line counts
