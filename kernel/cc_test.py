"""cc.sh compiles as gcc does, whatever it has precompiled."""

import re
import subprocess
from pathlib import Path

import pytest

CC = Path(__file__).parent / "cc.sh"
COMMON = "module kernel slab fs mm uaccess device interrupt seq_file".split()


@pytest.fixture
def tree(tmp_path):
    """A source tree that looks like the kernel's to cc.sh."""
    headers = tmp_path / "include" / "linux"
    headers.mkdir(parents=True)
    for name in ["kconfig", "compiler_types", *COMMON]:
        (headers / f"{name}.h").write_text("#pragma once\n")
    (headers / "compiler-version.h").write_text(
        "#ifdef SEEN\n#error twice\n#endif\n#define SEEN\n")
    (headers / "kernel.h").write_text(
        "#ifndef KERNEL_H\n#define KERNEL_H\n#ifndef LEVEL\n#define LEVEL 1\n#endif\n"
        "#ifndef pr_fmt\n#define pr_fmt(text) text\n#endif\n"
        "static inline int helper(void) { return 1; }\n#endif\n")
    (tmp_path / ".headers").mkdir()
    (tmp_path / ".headers" / "cc.sh").write_bytes(CC.read_bytes())
    (tmp_path / ".headers" / "cc.sh").chmod(0o755)
    assert compile(tmp_path, "init/main.c", "int main_level = 1;").returncode == 0
    assert (tmp_path / ".headers" / "common.h.gch").exists()
    # Whoever reads the header itself from now on gets another level.
    kernel = headers / "kernel.h"
    kernel.write_text(kernel.read_text().replace("LEVEL 1", "LEVEL 2"))
    return tmp_path


def compile(tree, name, text, *flags):
    source = tree / name
    source.parent.mkdir(exist_ok=True)
    source.write_text(text)
    first = [part for header in ("compiler-version", "kconfig", "compiler_types")
             for part in ("-include", f"./include/linux/{header}.h")]
    stem = source.stem
    return subprocess.run(
        [".headers/cc.sh", f"-Wp,-MMD,{source.parent.name}/.{stem}.o.d", "-I./include", *first,
         "-O2", *flags, f'-DKBUILD_BASENAME="{stem}"', f"-D__KBUILD_MODNAME=kmod_{stem}",
         "-c", "-o", f"{source.parent.name}/{stem}.o", name],
        cwd=tree, capture_output=True, text=True)


def strings(tree, name):
    return re.findall(rb"<([^<>]*)>", (tree / name).with_suffix(".o").read_bytes())


USES = """#include <linux/kernel.h>
#define text(x) #x
#define value(x) text(x)
const char said[] = "<" KBUILD_BASENAME " " value(__KBUILD_MODNAME) " " value(LEVEL) ">";
"""


def test_headers_come_precompiled_and_names_of_the_object_with_them(tree):
    assert compile(tree, "fs/inode.c", USES).returncode == 0
    assert strings(tree, "fs/inode.c") == [b"inode kmod_inode 1"]
    assert (tree / "fs/.inode.o.d").read_text() == "fs/inode.o: fs/inode.c\n"


@pytest.mark.parametrize("text", ["#define LEVEL 3\n", "#define OTHER\n", "# undef OTHER\n"])
def test_what_a_source_defines_ahead_of_a_header_counts(tree, text):
    assert compile(tree, "fs/inode.c", text + USES).returncode == 0
    assert strings(tree, "fs/inode.c") == [b"inode kmod_inode 3" if "3" in text else b"inode kmod_inode 2"]
    assert "kernel.h" in (tree / "fs/.inode.o.d").read_text()


def test_but_pr_fmt_and_what_is_for_headers_beside_it_may_be_defined(tree):
    (tree / "fs").mkdir()
    (tree / "fs" / "own.h").write_text("")
    before = '#define pr_fmt(text) "own " text\n'
    after = '#define OTHER\n#include "own.h"\nconst char formatted[] = pr_fmt("<x>");\n'
    assert compile(tree, "fs/inode.c", before + USES + after).returncode == 0
    assert sorted(strings(tree, "fs/inode.c")) == [b"inode kmod_inode 1", b"x"]
    assert b"own <x>" in (tree / "fs/inode.o").read_bytes()


@pytest.mark.parametrize("flag", ["-DLEVEL=4", "-fno-pie"])
def test_other_flags_get_other_headers(tree, flag):
    assert compile(tree, "fs/inode.c", USES, flag).returncode == 0
    assert strings(tree, "fs/inode.c") == [b"inode kmod_inode " + (b"4" if "LEVEL" in flag else b"2")]


def test_what_clashes_with_a_header_is_compiled_without(tree):
    own = "static int helper(int a) { return a; }\nint use(int a) { return helper(a); }\n"
    assert compile(tree, "fs/inode.c", own).returncode == 0


def test_an_error_is_told_once(tree):
    answer = compile(tree, "fs/inode.c", "int f(void) { return unknown; }\n")
    assert answer.returncode != 0
    assert len(re.findall("unknown.* undeclared", answer.stderr)) == 1
    assert not (tree / "fs/inode.o").exists()


@pytest.mark.parametrize("arguments", [["--version"], ["-E", "-x", "c", "/dev/null"]])
def test_everything_else_is_gcc(tree, arguments):
    ours = subprocess.run([".headers/cc.sh", *arguments], cwd=tree, capture_output=True, text=True)
    assert ours.stdout == subprocess.run(["gcc", *arguments], capture_output=True, text=True).stdout
