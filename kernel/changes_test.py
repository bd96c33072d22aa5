"""changes.sh edits the lines that it was written for, and says which it does not find."""

import re
import subprocess
import tarfile
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SOURCE = Path("/usr/src/linux-source-6.1.tar.xz")
ENTRY = "\tleaq\t8(%rsp), %rdi\n.Lerror_entry_from_usermode_after_swapgs:\n\tcall\tsync_regs\n"
FUSE = {
    "fuse_i.h": "struct fuse_file {\n\tbool flock:1;\n};\n",
    "dir.c": "".join(f"\tsync{n} = time_before64(fi->i_time[{n}], get_jiffies_64());\n" for n in range(4)) + "\tflags &= ~O_NOCTTY;\n",
    "dev.c": "ssize_t fuse_simple_request(struct fuse_mount *fm)\n",
    "virtio_fs.c": "static const struct constant_table dax_param_enums[] = {\n};\nenum {\n\tOPT_DAX_ENUM,\n};\n"
                   "\tfsparam_enum(\"dax\", OPT_DAX_ENUM, dax_param_enums),\n\tcase OPT_DAX_ENUM:\n"
                   "static void virtio_fs_wake_pending_and_unlock(struct fuse_iqueue *fiq)\n"
                   "\tret = virtio_fs_enqueue_req(fsvq, req, false);\n",
    "file.c": "static const struct file_operations fuse_file_operations = {\n\t.flush\t\t= fuse_flush,\n"
              "\t.release\t= fuse_release,\n\t.lock\t\t= fuse_file_lock,\n\t.flock\t\t= fuse_file_flock,\n};\n"
              "\tio->blocking = is_sync_kiocb(iocb);\n",
}
MM = {
    "page_alloc.c": "\tif (page_reported(page))\n\t\t__ClearPageReported(page);\n",
    "page_reporting.h": "void __page_reporting_notify(void);\n",
    "page_reporting.c": "#define PAGE_REPORTING_DELAY\t(2 * HZ)\n\tqueue_delayed_work(wq,\n\t\t\t   PAGE_REPORTING_DELAY);\n"
                        "/* notify prdev of free page reporting request */\n"
                        "\t\tif (PageBuddy(page) && buddy_order(page) == order)\n\t\t\t__SetPageReported(page);\n"
                        "\t\t\tatomic_set(&prdev->state, PAGE_REPORTING_REQUESTED);\n"
                        "\t\terr = prdev->report(prdev, sgl, PAGE_REPORTING_CAPACITY);\n"
                        "\tfor (order = page_reporting_order; order < MAX_ORDER; order++) {\n"
                        "\t\terr = prdev->report(prdev, sgl, leftover);\n"
                        "\tatomic_set(&prdev->state, state);\n\t\tqueue_delayed_work(wq,\n\t\t\t\t   PAGE_REPORTING_DELAY);\n",
}


@pytest.fixture
def tree(tmp_path):
    for folder, files in ("fs/fuse", FUSE), ("mm", MM):
        (tmp_path / folder).mkdir(parents=True)
        for name, text in files.items():
            (tmp_path / folder / name).write_text(text)
    (tmp_path / "arch" / "x86" / "entry").mkdir(parents=True)
    (tmp_path / "arch" / "x86" / "entry" / "entry_64.S").write_text(ENTRY)
    return tmp_path


def change(tree):
    return subprocess.run([HERE / "changes.sh", tree], capture_output=True, text=True)


def test_files_come_and_lines_lead_to_them(tree):
    assert change(tree).stderr == ""
    fuse = tree / "fs" / "fuse"
    for file in (HERE / "changes").glob("**/*.[ch]"):
        assert (tree / file.relative_to(HERE / "changes")).read_bytes() == file.read_bytes()
        assert "SPDX-License-Identifier: GPL-2.0" in file.read_text().splitlines()[0]
    assert (fuse / "fuse_i.h").read_text() == (
        '#include "virtiofsd.h"\n#include "shared_locks.h"\n\nstruct fuse_file {\n\tbool flock:1;\n\tbool ofd;\n};\n')
    lines = (fuse / "dir.c").read_text().splitlines()
    assert lines[3:] == ["\tsync3 = fuse_expired(fi->i_time[3]);", "\tflags &= ~O_NOCTTY;",
                         "\tif (fm->fc->auto_submounts)", "\t\tflags &= ~O_CREAT;"]
    assert (fuse / "dev.c").read_text() == "ssize_t fuse_ask_once(struct fuse_mount *fm)\n"
    assert (fuse / "virtio_fs.c").read_text() == (
        '#include "virtiofsd.c"\n\nstatic const struct constant_table dax_param_enums[] = {\n};\n'
        'enum {\n\tOPT_DAX_ENUM,\n\tOPT_MAX_FILES,\n};\n'
        '\tfsparam_enum("dax", OPT_DAX_ENUM, dax_param_enums),\n\tfsparam_u32("max_files", OPT_MAX_FILES),\n'
        '\tcase OPT_MAX_FILES:\n\t\tmax_files = result.uint_32;\n\t\tbreak;\n\tcase OPT_DAX_ENUM:\n'
        '#include "answers.c"\n\nstatic void virtio_fs_wake_pending_and_unlock(struct fuse_iqueue *fiq)\n'
        '\tret = enqueue_and_look(fsvq, req);\n')
    assert (tree / "arch" / "x86" / "entry" / "entry_64.S").read_text() == ENTRY.replace(
        ".Lerr", "\tmovl\t$__KERNEL_DS, %eax\n\tmovl\t%eax, %ss\n.Lerr")
    changed = (fuse / "file.c").read_text()
    assert changed.startswith('#include "shared_locks.c"\n\nstatic const')
    assert changed.endswith("\tif (io->blocking && ff->fm->fc->auto_submounts && count <= ff->fm->fc->max_write)\n\t\tio->async = false;\n")
    assert re.findall(r"= (\w+),", changed) == ["shared_flush", "shared_release", "shared_lock", "shared_flock"]
    assert (tree / "mm" / "page_alloc.c").read_text() == "\tif (page_reported(page))\n\t\tpage_reporting_take(page, order);\n"
    assert (tree / "mm" / "page_reporting.h").read_text().endswith("void page_reporting_take(struct page *page, unsigned int order);\n")
    assert (tree / "mm" / "page_reporting.c").read_text() == (
        "#define PAGE_REPORTING_DELAY\t(2 * HZ)\n\tmod_delayed_work(wq,\n\t\t\t   PAGE_REPORTING_DELAY);\n"
        '#include "page_records.c"\n\n/* notify prdev of free page reporting request */\n'
        "\t\tif (PageBuddy(page) && buddy_order(page) == order)\n\t\t\t__SetPageReported(page);\n"
        "\t\telse\n\t\t\tmake_records_anew(page, order);\n"
        "\t\t\tatomic_set(&prdev->state, PAGE_REPORTING_REQUESTED);\n\t\t\tleft_some = true;\n"
        "\t\terr = report_with_records(prdev, sgl, PAGE_REPORTING_CAPACITY);\n"
        "\tfor (order = least_order(); order < MAX_ORDER; order++) {\n"
        "\t\terr = report_with_records(prdev, sgl, leftover);\n"
        "\trests = atomic_xchg(&prdev->state, state) == PAGE_REPORTING_IDLE;\n\t\tqueue_delayed_work(wq,\n"
        "\t\t\t\t   next_round());\n\telse if (!rests)\n"
        "\t\tqueue_delayed_work(system_freezable_wq, &prdev->work, REST);\n")


@pytest.mark.parametrize("name, line", [("fs/fuse/fuse_i.h", "bool flock:1;"), ("fs/fuse/dir.c", "time_before64"),
                                        ("fs/fuse/file.c", "fuse_file_flock"), ("fs/fuse/dev.c", "fuse_simple_request"),
                                        ("fs/fuse/virtio_fs.c", "case OPT_DAX_ENUM:"), ("mm/page_alloc.c", "__ClearPageReported")])
def test_a_line_that_is_not_there_is_named(tree, name, line):
    file = tree / name
    file.write_text(file.read_text().replace(line, "other"))
    answer = change(tree)
    assert answer.returncode != 0
    assert f"{name} have" in answer.stderr and line in answer.stderr


def test_a_file_that_is_not_there_is_named(tmp_path):
    answer = change(tmp_path)
    assert answer.returncode != 0 and "fs/fuse/fuse_i.h" in answer.stderr


@pytest.mark.skipif(not SOURCE.exists(), reason="the kernel's source package is not installed")
def test_they_are_for_the_sources_that_are_installed(tmp_path):
    with tarfile.open(SOURCE, "r|xz") as archive:
        for entry in archive:
            folder, _, name = entry.name.partition("/")
            if name.startswith(("fs/fuse/", "arch/x86/entry/entry_64.S", "mm/page_")) and entry.isfile():
                archive.extract(entry, tmp_path)
            elif name.startswith("net/"):  # they are sorted
                break
    assert change(tmp_path / folder).stderr == ""
