#!/usr/bin/env bash
# Installs, by name, the Debian packages that hako needs. Idempotent: asks apt only for what is missing.
#
#   scripts/setup.sh          what building and running needs
#   scripts/setup.sh test     also what the tests need
#   scripts/setup.sh soak     also what only their long forms need
#   scripts/setup.sh bench    also the peers that the benchmarks compare with
#   scripts/setup.sh lint     also clang-format-16 and clang-tidy-16
set -euo pipefail

build=(
    g++ cmake ninja-build ccache make pkg-config git ca-certificates python3
    # libraries
    libgrpc++-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc
    libboost1.81-dev libexpected-dev libfmt-dev libspdlog-dev nlohmann-json3-dev libcli11-dev
    libsqlite3-dev libcurl4-openssl-dev libssl-dev libarchive-dev zlib1g-dev libzstd-dev libisal-dev
    libext2fs-dev libseccomp-dev libnl-3-dev libnl-route-3-dev libcap-dev libgtest-dev libgmock-dev
    # the guest kernel and the guest's first file system
    linux-source-6.1 flex bison bc libelf-dev xz-utils cpio kmod
    busybox-static
)
run=(qemu-system-x86 nftables passt)
test=(python3-pytest python3-docker python3-yaml docker-compose python3-paramiko openssh-client libfaketime zsh fish docker-registry openssl skopeo umoci erofs-utils e2fsprogs zstd nodejs
      strace procps iproute2 iptables qemu-user-static chromium qemu-utils dosfstools mtools gdisk ovmf grub-efi-amd64-bin grub-pc-bin)
command -v npm >/dev/null || test+=(npm) # in some packages of nodejs, and at odds with these
soak=(debootstrap)
bench=(fio iperf3 iproute2 podman skopeo umoci docker-registry zstd e2fsprogs python3-pytest)
lint=(clang-format-16 clang-tidy-16)
fuzz=(clang-16 libclang-rt-16-dev)

packages=("${build[@]}" "${run[@]}")
for set in "$@"; do
    case $set in
        test) packages+=("${test[@]}") ;;
        soak) packages+=("${soak[@]}") ;;
        bench) packages+=("${bench[@]}") ;;
        lint) packages+=("${lint[@]}") ;;
        fuzz) packages+=("${fuzz[@]}") ;;
        *)
            echo "setup.sh: unknown set '$set'; use test, soak, bench, lint or fuzz" >&2
            exit 2
            ;;
    esac
done

missing=()
for package in "${packages[@]}"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
        echo "setup.sh: these packages are missing and need root to install: ${missing[*]}" >&2
        exit 1
    }
    as_root=(sudo)
fi
echo "setup.sh: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
# RUNLEVEL=1 keeps the packages' postinst scripts from starting services such as docker-registry.
"${as_root[@]}" env RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${missing[@]}"
