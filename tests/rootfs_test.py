"""Root filesystems: what hako makes of an image is, in every detail, what umoci makes of it - as the EROFS of a
container, mounted by a kernel and read by us, and as an ext4 disk."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
import subprocess
import tarfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hako import HELLO, SOAK, Daemon
from oci_image import Layer, OciImage

pytestmark = pytest.mark.skipif(not shutil.which("umoci") or not shutil.which("fsck.erofs"),
                                reason="umoci or erofs-utils is missing; run scripts/setup.sh test")

# ---- entries to compare


@dataclass(frozen=True)
class Entry:
    kind: int  # as S_IFMT() gives it
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    size: int = 0
    device: tuple[int, int] = (0, 0)
    target: str = ""
    content: str = ""
    xattrs: tuple[tuple[str, bytes], ...] = ()
    links: frozenset[str] = frozenset()  # all names of the file, where it has several


Tree = dict[str, Entry]


def tree_of_folder(root: Path) -> Tree:
    """As a kernel sees it."""
    names: dict[tuple[int, int], set[str]] = defaultdict(set)
    paths = [Path(".")] + [(Path(folder) / name).relative_to(root)
                           for folder, folders, files in os.walk(root) for name in folders + files]
    for path in paths:
        status = os.lstat(root / path)
        names[status.st_dev, status.st_ino].add(str(path))
    tree = {}
    for path in paths:
        full = root / path
        status = os.lstat(full)
        kind = stat.S_IFMT(status.st_mode)
        several = names[status.st_dev, status.st_ino]
        is_device = kind in (stat.S_IFCHR, stat.S_IFBLK)
        tree[str(path)] = Entry(
            kind, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, status.st_mtime_ns,
            size=status.st_size if kind == stat.S_IFREG else 0,
            device=(os.major(status.st_rdev), os.minor(status.st_rdev)) if is_device else (0, 0),
            target=os.readlink(full) if kind == stat.S_IFLNK else "",
            content=hash_of(full.open("rb")) if kind == stat.S_IFREG else "",
            xattrs=tuple(sorted((name, os.getxattr(full, name, follow_symlinks=False))
                                for name in os.listxattr(full, follow_symlinks=False))),
            links=frozenset(several) if len(several) > 1 else frozenset())
    return tree


def hash_of(file: io.BufferedIOBase) -> str:
    with file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pax_time(member: tarfile.TarInfo) -> int:
    """In nanoseconds; tarfile itself makes a float of it."""
    text = member.pax_headers.get("mtime")
    if text is None:
        return int(member.mtime) * 10**9
    whole, _, fraction = text.partition(".")
    nanoseconds = int(fraction.ljust(9, "0")[:9] or 0)
    return int(whole) * 10**9 + (-nanoseconds if text.startswith("-") else nanoseconds)


KINDS = {tarfile.REGTYPE: stat.S_IFREG, tarfile.AREGTYPE: stat.S_IFREG, tarfile.DIRTYPE: stat.S_IFDIR,
         tarfile.SYMTYPE: stat.S_IFLNK, tarfile.CHRTYPE: stat.S_IFCHR, tarfile.BLKTYPE: stat.S_IFBLK,
         tarfile.FIFOTYPE: stat.S_IFIFO}


def tree_of_tar(tar_path: Path) -> Tree:
    """Of `hako rootfs export`."""
    tree: Tree = {}
    names: dict[str, set[str]] = defaultdict(set)
    prefix = "SCHILY.xattr."
    with tarfile.open(tar_path, errors="surrogateescape") as tar:
        for member in tar:
            path = member.name
            assert path not in tree and path not in names, f"{path} is twice in the tar"
            names[member.linkname if member.islnk() else path].add(path)
            if member.islnk():
                continue
            is_device = member.type in (tarfile.CHRTYPE, tarfile.BLKTYPE)
            content = tar.extractfile(member) if member.isreg() else None
            tree[path] = Entry(
                KINDS[member.type], member.mode, member.uid, member.gid, pax_time(member),
                size=member.size if member.isreg() else 0,
                device=(member.devmajor, member.devminor) if is_device else (0, 0),
                target=member.linkname if member.issym() else "",
                content=hash_of(content) if content else "",
                xattrs=tuple(sorted((key[len(prefix):], value.encode(errors="surrogateescape"))
                                    for key, value in member.pax_headers.items() if key.startswith(prefix))))
    for first, group in names.items():
        if len(group) > 1:
            for path in group:
                tree[path] = Entry(**{**tree[first].__dict__, "links": frozenset(group)})
    return tree


def assert_same(found: Tree, wanted: Tree, what: str) -> None:
    differences = [f"{path}:\n  found  {found.get(path)}\n  wanted {wanted.get(path)}"
                   for path in sorted(found.keys() | wanted.keys()) if found.get(path) != wanted.get(path)]
    assert not differences, f"{what}: {len(differences)} differ\n" + "\n".join(differences[:10])


@contextmanager
def mounted(disk: Path, folder: Path, kind: str = "erofs") -> Iterator[Path | None]:
    """None where this kernel cannot mount it."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", kind, "-o", "ro,loop", disk, folder], capture_output=True, check=False)
    try:
        yield folder if done.returncode == 0 else None
    finally:
        if done.returncode == 0:
            subprocess.run(["umount", folder], check=True)


def ok(*command: object) -> None:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def by_umoci(folder: Path, layers: list[Layer]) -> Tree:
    """What umoci makes of the layers; it reads no zstd."""
    image = OciImage(folder / "for-umoci", [Layer(layer.tar, "gzip") for layer in layers])
    try:
        return tree_of_folder(image.unpack_by_umoci(folder / "umoci"))
    finally:
        shutil.rmtree(folder / "umoci", ignore_errors=True)


def compare(daemon: Daemon, folder: Path, layers: list[Layer], wanted: Tree | None = None,
            normalize: Callable[[Tree], Tree] = lambda tree: tree) -> None:
    """Of the image with these layers; `wanted` is what umoci makes of them, unless it is given."""
    image = OciImage(folder / "layout", layers)
    name = "rootfs:test"
    daemon.hako("load", "-i", str(image.archive(folder / "image.tar")), timeout=600)
    image_id = daemon.hako("images", "-q", "--no-trunc").stdout.split()[0]
    daemon.hako("tag", image_id, name)
    try:
        wanted = normalize(by_umoci(folder, layers) if wanted is None else wanted)
        assert len(wanted) > 10

        erofs, ext4, tar = folder / "disk.erofs", folder / "disk.ext4", folder / "export.tar"
        daemon.hako("rootfs", "create", name, "--format", "erofs", "-o", str(erofs), timeout=600)
        ok("fsck.erofs", erofs)
        daemon.hako("rootfs", "export", str(erofs), "-o", str(tar), timeout=600)
        assert_same(normalize(tree_of_tar(tar)), wanted, "the EROFS as we read it")
        with mounted(erofs, folder / "mnt") as mount:
            if mount:
                assert_same(normalize(tree_of_folder(mount)), wanted, "the EROFS as a kernel reads it")

        daemon.hako("rootfs", "create", name, "-o", str(ext4), "--label", "root", timeout=600)
        ok("e2fsck", "-fn", ext4)
        daemon.hako("rootfs", "export", str(ext4), "-o", str(tar), timeout=600)
        assert_same(normalize(tree_of_tar(tar)), wanted, "the ext4")
    finally:
        daemon.hako("rmi", "-f", name)


# ---- images made nasty on purpose


@dataclass
class Tar:
    """Members with their parents named, as image builders write them."""

    out: io.BytesIO = field(default_factory=io.BytesIO)

    def __post_init__(self) -> None:
        self.tar = tarfile.open(fileobj=self.out, mode="w", format=tarfile.PAX_FORMAT)
        self.time = 1_600_000_000

    def add(self, name: str, data: bytes = b"", xattrs: dict[str, bytes] | None = None, **fields: object) -> Tar:
        info = tarfile.TarInfo(name)
        self.time += 1
        info.size, info.mtime, info.mode = len(data), self.time, 0o644
        for key, value in fields.items():
            setattr(info, key, value)
        info.pax_headers = {**info.pax_headers, **{f"SCHILY.xattr.{key}": value.decode("utf-8", "surrogateescape")
                                                   for key, value in (xattrs or {}).items()}}
        self.tar.addfile(info, io.BytesIO(data))
        return self

    def folder(self, name: str, mode: int = 0o755, **fields: object) -> Tar:
        return self.add(name, type=tarfile.DIRTYPE, mode=mode, **fields)

    def symlink(self, name: str, target: str) -> Tar:
        return self.add(name, type=tarfile.SYMTYPE, linkname=target, mode=0o777)

    def hardlink(self, name: str, target: str) -> Tar:
        return self.add(name, type=tarfile.LNKTYPE, linkname=target)

    def layer(self, compression: str = "gzip") -> Layer:
        self.tar.close()
        return Layer(self.out.getvalue(), compression)


CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")
ACL = bytes.fromhex("02000000" "01000600ffffffff" "02000400e8030000" "04000400ffffffff" "10000600ffffffff" "20000400ffffffff")


def gnu_layer(folder: Path, *options: str) -> Layer:
    """A folder packed by GNU tar."""
    done = subprocess.run(["tar", "-C", folder, "--sort=name", *options, "-cf", "-", "."], capture_output=True, check=True)
    return Layer(done.stdout)


def test_every_kind_of_file(clean: Daemon, tmp_path: Path) -> None:
    deep = "/".join(["d" * 200] * 5)
    tar = Tar().folder("./", 0o751)
    for i in range(1, 6):
        tar.folder("/".join(["d" * 200] * i))
    (tar.add(f"{deep}/{'f' * 255}", b"long path")
     .folder("etc").add("etc/passwd", b"root\n", mode=0o600, uid=70_000, gid=4_000_000_000)
     .add("setuid", b"x", mode=0o6755).folder("sticky", 0o1777)
     .add("/absolute", b"inside").add("./dots", b"d")
     .add("exact-block", b"b" * 4096).add("block-and-one", b"c" * 4097).add("empty")
     .add("large", os.urandom(3_000_000))
     .add("nanoseconds", pax_headers={"mtime": "1600000000.123456789"})
     .add("before-1970", pax_headers={"mtime": "-12345.5"})
     .add("after-2038", pax_headers={"mtime": "4300000000.000000001"})
     .add("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666)
     .add("disk", type=tarfile.BLKTYPE, devmajor=259, devminor=70_000, mode=0o660)
     .add("fifo", type=tarfile.FIFOTYPE, mode=0o620)
     .symlink("short", "etc/passwd").symlink("broken", "/nowhere/at/all").symlink("loop", "loop")
     .symlink("long", "/".join(["t" * 255] * 12))
     .add("first", b"linked").hardlink("second", "first").hardlink("third", "second")
     .hardlink("pipe2", "fifo").hardlink("link2", "short").hardlink("null2", "null")
     .add("ping", b"elf", mode=0o755, xattrs={"security.capability": CAPABILITY})
     .add("acl", b"a", mode=0o664, xattrs={"system.posix_acl_access": ACL, "user.note": b"text", "trusted.t": b"\x01\xff"})
     .folder("default-acl", xattrs={"system.posix_acl_default": ACL})
     .add("caf\u00e9", b"utf-8").add("new\nline", b"n").add(" space ", b"s").add("big-attribute", xattrs={"user.big": b"v" * 3000}))
    compare(clean, tmp_path, [tar.layer()])


def test_whiteouts_in_odd_orders(clean: Daemon, tmp_path: Path) -> None:
    base = (Tar().folder("./").folder("a").add("a/one", b"1").add("a/two", b"2").folder("a/sub").add("a/sub/deep", b"d")
            .folder("opaque").add("opaque/old", b"o").folder("opaque/dir").add("opaque/dir/old", b"o")
            .folder("late").add("late/old", b"l").add("gone", b"g").add("both", b"b")
            .add("file-then-dir", b"f").folder("dir-then-file").add("dir-then-file/x", b"x")
            .symlink("link-then-dir", "a").folder("dir-then-link").add("h1", b"hard").hardlink("h2", "h1"))
    middle = (Tar().add("a/.wh.one").add(".wh.gone").add(".wh.never-was")
              .add("opaque/.wh..wh..opq").folder("opaque").add("opaque/new", b"n")
              # Whiteouts behind what they must not hide: only lower layers are meant.
              .folder("late").add("late/new", b"n").add("late/.wh..wh..opq")
              .add("both", b"new").add(".wh.both")
              .folder("file-then-dir").add("file-then-dir/in", b"i").add("dir-then-file", b"now a file")
              .add(".wh.link-then-dir").folder("link-then-dir").add("link-then-dir/in", b"i")
              .add(".wh.dir-then-link").symlink("dir-then-link", "opaque")
              .add("h2", b"no longer hard"))
    top = (Tar().add(".wh.file-then-dir").add("file-then-dir", b"and back").add(".wh.dir-then-file")
           .folder("dir-then-file").add("dir-then-file/y", b"y")
           .folder("a", 0o700, uid=5).add("a/.wh.sub").add("gone", b"again"))
    compare(clean, tmp_path, [base.layer(), middle.layer("zstd"), Layer(Tar().layer().tar, ""), top.layer("")])


def test_paths_through_symbolic_links(clean: Daemon, tmp_path: Path) -> None:
    base = (Tar().folder("./").folder("usr").folder("usr/lib").folder("usr/bin").add("usr/lib/libc", b"c")
            .symlink("lib", "usr/lib").symlink("root", "/").symlink("up", "../../../usr").symlink("bin", "/usr/bin"))
    upper = (Tar().add("lib/libm", b"m").add("root/at-root", b"r").add("up/in-usr", b"u").add("bin/sh", b"s", mode=0o755)
             .hardlink("bin/bash", "bin/sh").add("lib/.wh.libc").folder("root/dir").add("root/root/root/dir/file", b"f"))
    mark = 1_500_000_000 * 10**9

    def parents_at(tree: Tree) -> Tree:
        """umoci gives the folder behind a link the time of its unpacking."""
        touched = {".", "usr", "usr/lib", "usr/bin", "dir"}
        return {path: Entry(**{**entry.__dict__, "mtime_ns": mark}) if path in touched else entry
                for path, entry in tree.items()}

    compare(clean, tmp_path, [base.layer(), upper.layer()], normalize=parents_at)


@pytest.mark.parametrize("options", [
    ("--format=gnu",), ("--format=pax", "--sparse-version=0.0"), ("--format=pax", "--sparse-version=0.1"),
    ("--format=pax", "--sparse-version=1.0")], ids=" ".join)
def test_sparse_files(clean: Daemon, tmp_path: Path, options: tuple[str, ...]) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for i in range(8):
        (source / f"plain{i}").write_bytes(bytes([i]) * i)
    for name, pieces in {"many": [(i << 16, b"x" * 5000) for i in range(60)], "end": [(1 << 20, b"end")],
                         "begin": [(0, b"begin")], "hole": []}.items():
        with (source / name).open("wb") as file:
            for offset, data in pieces:
                file.seek(offset)
                file.write(data)
            file.truncate(5 << 20)
    for path in [source, *source.iterdir()]:  # GNU's header has whole seconds
        os.utime(path, (1_600_000_000, 1_600_000_000))
    # umoci does not know GNU's own form.
    compare(clean, tmp_path, [gnu_layer(source, "--sparse", *options)], tree_of_folder(source))


def test_gnu_long_names(clean: Daemon, tmp_path: Path) -> None:
    source = tmp_path / "source"
    folder = source / ("n" * 250) / ("m" * 250)
    folder.mkdir(parents=True)
    for i in range(10):
        (folder / ("f" * 200 + str(i))).write_text(str(i))
    (source / "link").symlink_to("t" * 300)
    os.link(folder / ("f" * 200 + "1"), source / "hard")
    compare(clean, tmp_path, [gnu_layer(source, "--format=gnu")])


# ---- real images, from Debian's packages


def package_layer(packages: list[str], *options: str) -> Layer:
    """The files of installed packages, as GNU tar packs them."""
    listed = subprocess.run(["dpkg", "-L", *packages], capture_output=True, text=True, check=True).stdout.splitlines()
    # "/." is the root; diversions are sentences.
    paths = sorted({path.lstrip("/") for path in listed if path.startswith("/") and path not in ("/", "/.")
                    and os.path.lexists(path) and not path.startswith("/usr/share/doc")})
    # Behind links such as /lib -> usr/lib: as they are on the disk.
    paths = [path for path in paths if os.path.realpath(os.path.dirname("/" + path)) == os.path.dirname("/" + path)]
    done = subprocess.run(["tar", "-C", "/", "--no-recursion", "--null", "-T", "-", *options, "-cf", "-"],
                          input="\0".join(paths).encode(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return Layer(done.stdout)


BASE = ["base-files", "base-passwd", "bash", "coreutils", "dash", "libc6", "libc-bin", "libtinfo6", "zlib1g", "libssl3"]


def test_a_python_image(clean: Daemon, tmp_path: Path) -> None:
    python = ["python3", "python3-minimal", "python3.11", "python3.11-minimal", "libpython3.11-minimal",
              "libpython3.11-stdlib"]
    app = Tar().folder("app").add("app/main.py", b"print('hello')\n").add("usr/lib/python3.11/.wh.idlelib")
    compare(clean, tmp_path, [package_layer(BASE, "--format=gnu"), package_layer(python, "--xattrs", "--acls", "--format=pax"),
                              app.layer("zstd")], normalize=without_unnamed_folders)


def test_a_node_image(clean: Daemon, tmp_path: Path) -> None:
    # Debian's has a library of its own; other builds are one package.
    node = [name for name in ("nodejs", "libnode108") if Path(f"/var/lib/dpkg/info/{name}.list").exists()
            or Path(f"/var/lib/dpkg/info/{name}:amd64.list").exists()]
    if not node:
        pytest.skip("nodejs is not installed; run scripts/setup.sh test")
    layer = package_layer(node, "--format=pax")
    layer.compression = "zstd"
    compare(clean, tmp_path, [package_layer(BASE, "--format=pax"), layer], normalize=without_unnamed_folders)


def without_unnamed_folders(tree: Tree) -> Tree:
    """umoci gives folders that no entry names the time of its unpacking, hako 1970."""
    return {path: Entry(**{**entry.__dict__, "mtime_ns": 0}) if entry.kind == stat.S_IFDIR else entry
            for path, entry in tree.items()}


# ---- the command line


def test_disks_of_the_command_line(clean: Daemon, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    assert clean.hako("rootfs", "create", HELLO, "-o", str(disk), "--size", "64m", "--journal", "0", "--label", "hello"
                      ).stdout == f"{disk}\n"
    about = subprocess.run(["dumpe2fs", "-h", disk], capture_output=True, text=True, check=True).stdout
    assert disk.stat().st_size == 64 << 20 and "hello" in about and "has_journal" not in about
    assert "bin" in clean.hako("rootfs", "ls", str(disk)).stdout.split()
    assert "busybox" in clean.hako("rootfs", "ls", "-l", str(disk), "/bin").stdout
    assert clean.hako("rootfs", "cat", str(disk), "bin/busybox", text=False).stdout == Path("/bin/busybox").read_bytes()

    before = disk.read_bytes()
    for arguments, reason in {
        ("create", HELLO, "-o", str(disk)): "exist",
        ("create", "no-such-image", "-o", str(tmp_path / "new")): "No such image",
        ("create", HELLO): "--output",
        ("create", HELLO, "-o", str(tmp_path / "new"), "--size", "1m"): "8 MiB",
        ("create", HELLO, "-o", str(tmp_path / "new"), "--format", "xfs"): "ext4 or erofs",
        ("create", HELLO, "-o", str(tmp_path / "new"), "--format", "erofs", "--size", "1g"): "read-only",
        ("create", HELLO, "-o", str(tmp_path / "new"), "--journal", "1m"): "4 MiB",
        ("create", HELLO, "-o", str(tmp_path / "no" / "folder")): "No such file",
        ("ls", str(disk), "/nowhere"): "not there",
        ("cat", str(disk), "/bin"): "no regular file",
        ("ls", "/etc/passwd"): "neither ext4 nor EROFS",
    }.items():
        refused = clean.hako("rootfs", *arguments, check=False)
        assert refused.returncode == 1 and reason in refused.stderr, (arguments, refused)
    assert sorted(tmp_path.iterdir()) == [disk] and disk.read_bytes() == before


def test_the_same_image_gives_the_same_bytes(clean: Daemon, tmp_path: Path) -> None:
    for name in ("one", "two"):
        clean.hako("rootfs", "create", HELLO, "--format", "erofs", "-o", str(tmp_path / name))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_directory_of_many_names(clean: Daemon, tmp_path: Path) -> None:
    count = 1_000_000 if SOAK else 100_000
    tar = Tar().folder("many")
    for i in range(count):
        tar.add(f"many/name-{i * 7919 % count:020}")  # so long that ext4's index takes two levels
    image = OciImage(tmp_path / "layout", [tar.layer()])
    clean.hako("load", "-i", str(image.archive(tmp_path / "image.tar")), timeout=600)
    name = clean.hako("images", "-q", "--no-trunc").stdout.split()[0]
    disk = tmp_path / "disk.erofs"
    clean.hako("rootfs", "create", name, "--format", "erofs", "-o", str(disk), timeout=600)
    ok("fsck.erofs", disk)
    assert len(clean.hako("rootfs", "ls", str(disk), "/many", timeout=600).stdout.splitlines()) == count
    disk_ext4 = tmp_path / "disk.ext4"
    clean.hako("rootfs", "create", name, "-o", str(disk_ext4), timeout=600)
    ok("e2fsck", "-fn", disk_ext4)
    tree = subprocess.run(["debugfs", "-R", "htree_dump /many", disk_ext4], capture_output=True, text=True, check=True)
    assert "Indirect levels: 1" in tree.stdout, "names are found by their hash"
    for kind, path in (("erofs", disk), ("ext4", disk_ext4)):
        with mounted(path, tmp_path / kind, kind) as mount:
            if mount:
                assert sum(1 for _ in os.scandir(mount / "many")) == count
                assert all((mount / f"many/name-{i:020}").exists() for i in range(0, count, 97))
                assert not (mount / f"many/name-{count:020}").exists() and not (mount / "many/name-").exists()
    clean.hako("rmi", "-f", name)


# ---- long forms


@pytest.mark.soak
def test_half_a_million_files(clean: Daemon, tmp_path: Path) -> None:
    tar = Tar().folder("./").folder("many").folder("deep")
    for i in range(400_000):
        tar.add(f"many/{i}", b"x" if i % 7 == 0 else b"")
    for i in range(100):
        tar.folder(f"deep/{i}")
        for j in range(1000):
            tar.hardlink(f"deep/{i}/{j}", f"many/{i * 1000 + j}")
    compare(clean, tmp_path, [tar.layer()])


@pytest.mark.soak
def test_a_file_over_four_gigabytes(clean: Daemon, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for i in range(10):
        (source / str(i)).touch()
    with (source / "large").open("wb") as file:
        for offset in (0, 4 << 30, 5 << 30):
            file.seek(offset)
            file.write(os.urandom(5000))
    compare(clean, tmp_path, [gnu_layer(source, "--sparse", "--format=pax")])


@pytest.mark.soak
def test_a_debootstrap(clean: Daemon, tmp_path: Path) -> None:
    if not shutil.which("debootstrap"):
        pytest.skip("debootstrap is not installed; run scripts/setup.sh soak")
    folder = tmp_path / "debian"
    ok("debootstrap", "--variant=minbase", "stable", folder)
    compare(clean, tmp_path, [gnu_layer(folder, "--xattrs", "--acls", "--format=pax")])
