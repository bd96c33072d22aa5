#include "vmm/emulator.h"

#include <elf.h>

#include <algorithm>
#include <array>
#include <cstddef>

#include "base/program.h"

namespace hako::vmm {
namespace {

struct Target {
    std::string_view architecture;  // as Go names it
    std::string_view name;          // as QEMU does
    unsigned char elf_class;
    unsigned char byte_order;
    unsigned machine;
};
constexpr std::array kTargets{
    Target{"386", "i386", ELFCLASS32, ELFDATA2LSB, EM_386},
    Target{"amd64", "x86_64", ELFCLASS64, ELFDATA2LSB, EM_X86_64},
    Target{"arm", "arm", ELFCLASS32, ELFDATA2LSB, EM_ARM},
    Target{"arm64", "aarch64", ELFCLASS64, ELFDATA2LSB, EM_AARCH64},
    Target{"loong64", "loongarch64", ELFCLASS64, ELFDATA2LSB, EM_LOONGARCH},
    Target{"mips64le", "mips64el", ELFCLASS64, ELFDATA2LSB, EM_MIPS},
    Target{"ppc64le", "ppc64le", ELFCLASS64, ELFDATA2LSB, EM_PPC64},
    Target{"riscv64", "riscv64", ELFCLASS64, ELFDATA2LSB, EM_RISCV},
    Target{"s390x", "s390x", ELFCLASS64, ELFDATA2MSB, EM_S390},
};

// The beginning of an ELF header is the same for both classes.
constexpr std::size_t kMachineEnd = offsetof(Elf64_Ehdr, e_machine) + sizeof(Elf64_Half);
constexpr char kAny = 0;
constexpr char kExact = static_cast<char>(0xFF);
constexpr char kButLowestBit = static_cast<char>(0xFE);

Result<Target> find_target(std::string_view architecture) {
    const auto* target = std::ranges::find(kTargets, architecture, &Target::architecture);
    if (target == kTargets.end())
        return fail(ErrorKind::unimplemented, "no emulator is known for the processor {}",
                    architecture);
    return *target;
}

}  // namespace

Result<BinaryFormat> binary_format(std::string_view architecture) {
    HAKO_TRY(const Target target, find_target(architecture));
    BinaryFormat format{std::string(kMachineEnd, kAny), std::string(kMachineEnd, kAny)};
    const auto demand = [&](std::size_t at, unsigned byte, char bits = kExact) {
        format.magic[at] = static_cast<char>(byte);
        format.mask[at] = bits;
    };
    const auto demand_half = [&](std::size_t at, unsigned value, char low_bits) {
        const bool little = target.byte_order == ELFDATA2LSB;
        demand(little ? at : at + 1, value & 0xFFU, low_bits);
        demand(little ? at + 1 : at, value >> 8U);
    };
    for (std::size_t i = 0; i < SELFMAG; ++i) demand(i, static_cast<unsigned char>(ELFMAG[i]));
    demand(EI_CLASS, target.elf_class);
    demand(EI_DATA, target.byte_order);
    demand(EI_VERSION, EV_CURRENT);
    // ET_EXEC is 2 and ET_DYN, which most programs are today, is 3.
    demand_half(offsetof(Elf64_Ehdr, e_type), ET_EXEC, kButLowestBit);
    demand_half(offsetof(Elf64_Ehdr, e_machine), target.machine, kExact);
    return format;
}

Result<std::filesystem::path> find_emulator(std::string_view architecture) {
    HAKO_TRY(const Target target, find_target(architecture));
    // Only those are static for certain: one that is loaded dynamically would look for its
    // libraries in the container.
    const auto name = fmt::format("qemu-{}-static", target.name);
    if (auto found = find_program(name)) return *std::move(found);
    return fail(ErrorKind::unimplemented,
                "programs for {} need the emulator {}, which is not installed: install the package "
                "qemu-user-static (apt-get install qemu-user-static)",
                architecture, name);
}

}  // namespace hako::vmm
