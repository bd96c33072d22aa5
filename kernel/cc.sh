#!/usr/bin/env bash
# The compiler of the kernel build (build.sh): gcc, for which the kernel's common headers are
# precompiled, as they are a large part of the work for most of its 2,000 sources.
#
#   cc.sh ARGUMENTS...     as gcc; the source is the last argument
#
# The headers lie beside this script, for each group of sources. They are precompiled with the flags
# of one of these, its model, when that one is compiled. All that cannot have them is compiled as
# ever: sources that define something ahead of a header, and (gcc sees to that) those with other
# flags. A source that has an error with them is compiled again without.
set -euo pipefail

readonly folder=${0%/*} source=${*: -1}
common=(linux/{module,kernel,slab,fs,mm,uaccess,device,interrupt,seq_file}.h)
case $source in
    /* | arch/* | scripts/* | tools/*) exec gcc "$@" ;;
    drivers/acpi/acpica/*.c) group=acpica model=drivers/acpi/acpica/dsargs.c headers=(acpi/acpi.h) ;;
    net/*.c | drivers/net/*.c)
        group=net model=net/socket.c
        headers=("${common[@]}" linux/{skbuff,netdevice,rtnetlink}.h net/{sock,netlink}.h)
        ;;
    *.c) group=common model=init/main.c headers=("${common[@]}") ;;
    *) exec gcc "$@" ;;
esac

# Headers may depend on what a source defines before it includes them. Not so on pr_fmt, which only
# macros use; and what a source defines for its neighbours ("file.h") is not precompiled.
order_matters() {
    awk '/^[ \t]*#[ \t]*include[ \t]*</ { if (defined) exit 1 }
         /^[ \t]*#[ \t]*(define|undef)/ && $2 !~ /^pr_fmt/ { defined = 1 }' "$source" && return 1
    return 0
}

# What every compilation includes first, and the headers of this group.
first() { printf '#include <linux/%s.h>\n' compiler-version kconfig compiler_types; }

# Sorts the arguments: names of the object are macros that come after the precompiled headers, and
# the list of what was included is ours to write.
flags=() names=() list=
previous=
for argument; do
    case $previous$argument in
        -DKBUILD_* | -D__KBUILD_*) names+=("${argument#-D}") ;;
        -Wp,-MMD,*) list=${argument#-Wp,-MMD,} ;;
        -include) ;;
        -include*/compiler-version.h | -include*/kconfig.h | -include*/compiler_types.h) ;;
        -include*) flags+=(-include "$argument") ;;
        *) flags+=("$argument") ;;
    esac
    previous=
    [ "$argument" != -include ] || previous=-include
done
[ -n "$list" ] || exec gcc "$@"

# gcc takes the precompiled form, a .gch, in the place of the file whose name it bears.
header=$folder/$group.h
if [ "$source" = "$model" ] && [ ! -e "$header.gch" ]; then
    first >"$header"
    { first && printf '#include <%s>\n' "${headers[@]}"; } >"$folder/$group.all.h"
    # All but the last four: -c -o OBJECT SOURCE.
    gcc "${flags[@]:0:${#flags[@]}-4}" -x c-header -o "$header.gch" "$folder/$group.all.h" ||
        rm -f "$header.gch"
fi
if [ ! -e "$header.gch" ] || order_matters; then
    exec gcc "$@"
fi
for name in "${names[@]}"; do
    printf '#define %s %s\n' "${name%%=*}" "${name#*=}"
done >"$list.h"
gcc -include "$header" -include "$list.h" "${flags[@]}" 2>/dev/null || exec gcc "$@"
# Nothing is built twice here: that the object depends on its source is enough.
printf '%s: %s\n' "${source%.c}.o" "$source" >"$list"
