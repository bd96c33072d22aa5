#!/usr/bin/env bash
# Unpacks a Debian package of another architecture into a folder. The machine's own packages and apt's
# state stay as they are.
#
#   scripts/foreign-package.sh arm64 busybox-static FOLDER
set -euo pipefail

[ $# -eq 3 ] || { echo "usage: foreign-package.sh ARCHITECTURE PACKAGE FOLDER" >&2; exit 2; }
architecture=$1 package=$2 folder=$3

state=$(mktemp -d)
trap 'rm -rf "$state"' EXIT
mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
touch "$state/status"
options=(
    -qq -o "APT::Architecture=$architecture" -o "APT::Architectures=$architecture"
    -o "Dir::State=$state" -o "Dir::State::status=$state/status" -o "Dir::State::lists=$state/lists"
    -o "Dir::Cache=$state/cache" -o APT::Sandbox::User=root -o Acquire::Languages=none
)
cd "$state"
apt-get "${options[@]}" update || true  # one broken source does not matter if another has it
apt-get "${options[@]}" download "$package"
mkdir -p "$folder"
dpkg-deb --extract ./*.deb "$folder"
