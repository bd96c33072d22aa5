"""Devices of the host in a VM. Machines that test this have none to give away: the host's lists are made up (in a mount namespace of
the daemon's), and QEMU gets emulated ones in the place of those that it is told to take."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from hako import HELLO, Daemon

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare")

# What stands in QEMU's place: writes down what it was told, and takes other devices.
STAND_IN = r"""#!/bin/bash
arguments=()
for word in "$@"; do
    case $word in
        usb-host,hostdevice=*) arguments+=(usb-serial,always-plugged=on,chardev=plugged -chardev null,id=plugged) ;;
        vfio-pci,host=*)
            disk=plugged${#arguments[@]}
            arguments+=(nvme,serial=$disk,drive=$disk -blockdev driver=null-co,node-name=$disk,size=1048576,read-zeroes=on)
            ;;
        *) arguments+=("$word") ;;
    esac
done
exec /usr/bin/qemu-system-x86_64 "${arguments[@]}"
"""

# Devices of the kind that the lists tell of; the nodes are /dev/null's.
HOST = r"""
set -e
mount -t tmpfs made-up "$0"
mkdir -p "$0/bus/usb/001" "$0/vfio"
for node in bus/usb/001/004 vfio/vfio vfio/12; do mknod "$0/$node" c 1 3; done
mkdir "$0/host" && mount --rbind /dev "$0/host"
for node in "$0"/host/*; do ln -s "host/${node##*/}" "$0/${node##*/}" 2>/dev/null || true; done
mount --rbind "$0" /dev
mount -t tmpfs made-up /sys/bus
mkdir -p /sys/bus/usb/devices/1-4 /sys/bus/pci/drivers/vfio-pci /sys/bus/pci/drivers/nvme
echo 1 > /sys/bus/usb/devices/1-4/busnum
echo 4 > /sys/bus/usb/devices/1-4/devnum
echo 0403 > /sys/bus/usb/devices/1-4/idVendor
echo 6001 > /sys/bus/usb/devices/1-4/idProduct
for device in 0000:01:00.0:vfio-pci 0000:01:00.1:vfio-pci 0000:02:00.0:nvme; do
    folder=/sys/bus/pci/devices/${device%:*}
    mkdir -p $folder
    echo 0x010802 > $folder/class
    ln -s ../../drivers/${device##*:} $folder/driver
    ln -s /sys/kernel/iommu_groups/12 $folder/iommu_group
done
exec "$@"
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("host")
    qemu = folder / "qemu"
    qemu.write_text(STAND_IN)
    qemu.chmod(0o755)
    (folder / "dev").mkdir()
    daemon = Daemon(HAKO_QEMU=str(qemu), HAKO_ACCEL="tcg")
    daemon.prefix = ["unshare", "--mount", "sh", "-c", HOST, str(folder / "dev")]
    daemon.start()
    yield daemon
    daemon.destroy()


def run(daemon: Daemon, *words: str) -> str:
    done = daemon.hako("run", "--rm", *words, check=False)
    return done.stdout + done.stderr


def test_a_usb_device_is_the_vms(host: Daemon) -> None:
    """Its nodes are in the container, and may be used; the VM's own are not."""
    script = """
        ls /dev/bus/usb/001 /dev/ttyUSB0 && stty -F /dev/ttyUSB0 9600 raw && echo sent > /dev/ttyUSB0 && echo works
        ls /dev/vda /dev/vport0p1 2>&1 | grep -c "No such"
    """
    said = run(host, "--device", "hako/usb=0403:6001", HELLO, "sh", "-c", script)
    assert "/dev/ttyUSB0" in said and "works" in said and said.rstrip().endswith("2"), said
    assert "002" in said, "the node for libusb"


def test_a_pci_device_is_the_vms(host: Daemon) -> None:
    said = run(host, "--device", "hako/pci=0000:01:00.0", HELLO, "sh", "-c",
               "dd if=/dev/nvme0n1 bs=1M 2>/dev/null | wc -c; uname -s")
    assert said.split() == ["1048576", "Linux"], said


def test_two_devices_of_one_group_share_its_node(host: Daemon) -> None:
    said = run(host, "--device", "hako/pci=0000:01:00.0", "--device", "hako/pci=0000:01:00.1", HELLO, "sh", "-c", "ls /dev/nvme?n1")
    assert said.split() == ["/dev/nvme0n1", "/dev/nvme1n1"], said


def test_the_docker_cli_names_the_node(host: Daemon) -> None:
    done = host.docker("run", "--rm", "--device", "/dev/bus/usb/001/004", HELLO, "ls", "/dev/ttyUSB0", check=False)
    assert done.stdout == "/dev/ttyUSB0\n", done.stderr


def test_a_container_with_devices_lives_as_others_do(host: Daemon) -> None:
    host.hako("run", "-d", "--name", "box", "--device", "/dev/bus/usb/001/004", HELLO, "sleep", "1000")
    assert "usb=on,pcie=off" in host.hako("inspect", "--vm", "box").stdout
    host.hako("restart", "-t", "0", "box")
    assert host.hako("exec", "box", "ls", "/dev/ttyUSB0").stdout == "/dev/ttyUSB0\n"
    joined = run(host, "--network", "container:box", "--device", "/dev/bus/usb/001/004", HELLO, "ls", "/dev/ttyUSB0")
    assert joined == "/dev/ttyUSB0\n"
    refused = run(host, "--network", "container:box", "--device", "hako/pci=0000:01:00.0", HELLO, "true")
    assert "without the device 0000:01:00.0" in refused
    host.hako("rm", "-f", "box")


@pytest.mark.parametrize(("device", "words"), [
    ("hako/usb=dead:beef", "no USB device dead:beef is plugged in (lsusb lists them)"),
    ("/dev/bus/usb/009/009", "no USB device 009/009"),
    ("hako/pci=0000:02:00.0", "PCI device 0000:02:00.0 is nvme's: give it to VFIO (driverctl set-override 0000:02:00.0 vfio-pci)"),
    ("hako/pci=0000:09:00.0", "there is no PCI device 0000:09:00.0"),
    ("/dev/vfio/99", "no device in IOMMU group 99"),
    ("hako/usb=nonsense", "write 046d:c52b or 001/004"),
    ("/dev/vfio/vfio", "such as /dev/vfio/12"),
    ("nvidia.com/gpu=all", "hako/pci=0000:01:00.0"),
])
def test_what_cannot_be_given_is_told(host: Daemon, device: str, words: str) -> None:
    assert words in run(host, "--device", device, HELLO, "true")
    assert not host.leftovers()
