#!/usr/bin/env bash
# Unpacks a Debian package of another architecture or suite into a folder. The machine's own packages
# and apt's state stay as they are.
#
#   scripts/foreign-package.sh arm64 busybox-static FOLDER
#   scripts/foreign-package.sh amd64 docker-compose FOLDER trixie
set -euo pipefail

[ $# -ge 3 ] && [ $# -le 4 ] || { echo "usage: foreign-package.sh ARCHITECTURE PACKAGE FOLDER [SUITE]" >&2; exit 2; }
architecture=$1 package=$2 folder=$3 suite=${4:-}

state=$(mktemp -d)
trap 'rm -rf "$state"' EXIT
mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
touch "$state/status"
options=(
    -qq -o "APT::Architecture=$architecture" -o "APT::Architectures=$architecture"
    -o "Dir::State=$state" -o "Dir::State::status=$state/status" -o "Dir::State::lists=$state/lists"
    -o "Dir::Cache=$state/cache" -o APT::Sandbox::User=root -o Acquire::Languages=none
)
if [ -n "$suite" ]; then
    # The archive that the machine's own suite comes from.
    archive=$(apt-get indextargets --format "\$(REPO_URI)" "Created-By: Packages" "Component: main" | head -1)
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $archive $suite main" > "$state/suite.list"
    options+=(-o "Dir::Etc::sourcelist=$state/suite.list" -o Dir::Etc::sourceparts=-)
fi
cd "$state"
apt-get "${options[@]}" update || true  # one broken source does not matter if another has it
# linux-image-cloud-amd64 and the like are empty: what they name is meant.
named=$(apt-cache "${options[@]}" depends "$package" | sed -n 's/^ *Depends: \(linux-image-.*\)/\1/p')
apt-get "${options[@]}" download "${named:-$package}"
mkdir -p "$folder"
dpkg-deb --extract ./*.deb "$folder"
