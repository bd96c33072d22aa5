#!/usr/bin/env python3
"""Makes the images of the example stacks from Debian packages and loads them: example/web, example/cache, example/db.

    examples/images.py [--hako PROGRAM] [NAME...]

Needs `apt-get update` to have run, and no registry. The packages are unpacked, not installed: the machine stays as it is.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Image:
    packages: list[str]
    changes: list[str]  # as in a Dockerfile
    files: dict[str, str] = field(default_factory=dict)
    # Folders of the image's own user.
    folders: list[str] = field(default_factory=list)


USER = 999
POSTGRES = "/usr/lib/postgresql/15/bin"

# What Docker's postgres does with an empty volume, in short.
START_DB = f"""#!/bin/sh -e
export PATH={POSTGRES}:$PATH
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    initdb --pgdata "$PGDATA" --username postgres --pwfile "$POSTGRES_PASSWORD_FILE" --auth scram-sha-256 --locale C.UTF-8
    echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
fi
exec postgres -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories=/tmp
"""

IMAGES = {
    "web": Image(["redis-tools", "postgresql-client-15"],
                 [f"ENV PATH={POSTGRES}:/usr/bin:/bin", 'CMD ["httpd", "-f", "-p", "80", "-h", "/www"]', "EXPOSE 80"]),
    "cache": Image(["redis-server"],
                   ['CMD ["redis-server", "--protected-mode", "no", "--save", ""]', "USER service", "EXPOSE 6379"]),
    "db": Image(["postgresql-15"],
                ["ENV PGDATA=/var/lib/postgresql/data", "USER service", "VOLUME /var/lib/postgresql/data", "EXPOSE 5432",
                 'CMD ["start-db"]', "STOPSIGNAL SIGINT"],
                {"usr/bin/start-db": START_DB}, ["var/lib/postgresql/data"]),
}

# What packages want for their installation, or for features that the examples do without.
UNWANTED = re.compile(r".*perl.*|dpkg|tar|debconf|adduser|passwd|ucf|usrmerge|.*-common|init-system-helpers|sysvinit-utils|"
                      r"lsb-base|libpam-.*|libsemanage.*|libsepol.*|libgdbm.*|libdb5.*|sensible-utils|locales|"
                      r"openssl|ssl-cert|libllvm.*|libz3.*|gcc-.*|netbase")


def wanted(packages: list[str]) -> list[str]:
    """The packages and what they depend on, as apt would install them on an empty machine."""
    plan = subprocess.run(["apt-get", "-s", "-o", "Dir::State::status=/dev/null", "--no-install-recommends", "install",
                           "busybox-static", *packages], check=True, capture_output=True, text=True).stdout
    names = re.findall(r"^Inst (\S+)", plan, re.MULTILINE)
    return [name for name in names if not UNWANTED.fullmatch(name)]


def unpack(packages: list[str], root: Path, cache: Path) -> None:
    missing = [name for name in packages if not list(cache.glob(f"{name}_*.deb"))]
    subprocess.run(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", *missing], cwd=cache, check=True)
    for name in packages:
        subprocess.run(["dpkg-deb", "--extract", next(cache.glob(f"{name}_*.deb")), root], check=True)
    for folder in ("doc", "man", "locale", "lintian", "info"):
        shutil.rmtree(root / "usr/share" / folder, ignore_errors=True)
    for applet in subprocess.run([root / "bin/busybox", "--list"], check=True, capture_output=True, text=True).stdout.split():
        link = root / "bin" / applet
        if not link.exists() and not (root / "usr/bin" / applet).exists():
            link.symlink_to("busybox")


def build(name: str, hako: str, cache: Path) -> None:
    image = IMAGES[name]
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        root.chmod(0o755)
        unpack(wanted(image.packages), root, cache)
        for folder in ("etc", "tmp", "run", "root", *image.folders):
            (root / folder).mkdir(parents=True, exist_ok=True)
        (root / "tmp").chmod(0o1777)
        (root / "etc/passwd").write_text(f"root:x:0:0:root:/root:/bin/sh\nservice:x:{USER}:{USER}::/tmp:/bin/sh\n")
        (root / "etc/group").write_text(f"root:x:0:\nservice:x:{USER}:\n")
        for path, text in image.files.items():
            (root / path).write_text(text)
            (root / path).chmod(0o755)
        # Owners are the archive's: no right to give files away is needed.
        owned = [f"./{folder}" for folder in image.folders]
        with tempfile.NamedTemporaryFile(suffix=".tar") as archive:
            tar = ["tar", "--file", archive.name, "--numeric-owner", "--directory", str(root)]
            others = [f"--exclude={folder}" for folder in owned]
            subprocess.run([*tar, "--create", "--owner=0", "--group=0", *others, "."], check=True)
            if owned:
                mine = [f"--owner={USER}", f"--group={USER}", "--mode=0700"]
                subprocess.run([*tar, "--append", *mine, *owned], check=True)
            changes = [word for change in image.changes for word in ("--change", change)]
            subprocess.run([hako, "import", *changes, archive.name, f"example/{name}"], check=True, stdout=subprocess.DEVNULL)
    print(f"example/{name}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hako", default="hako", help="the program that loads them")
    parser.add_argument("names", nargs="*", choices=[*IMAGES, []], metavar="NAME", help=", ".join(IMAGES))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        for name in arguments.names or IMAGES:
            build(name, arguments.hako, Path(cache))


if __name__ == "__main__":
    main()
