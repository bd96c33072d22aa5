#include "vmm/emulator.h"

#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <cstring>

#include "base/fd.h"

namespace hako::vmm {
namespace {

using ::testing::HasSubstr;

bool matches(const BinaryFormat& format, std::string_view file) {
    for (std::size_t i = 0; i < format.magic.size(); ++i)
        if (((file[i] ^ format.magic[i]) & format.mask[i]) != 0) return false;
    return true;
}

std::string header(unsigned char order, Elf64_Half type, Elf64_Half machine) {
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = order;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_ident[EI_OSABI] = ELFOSABI_LINUX;
    const auto stored = [&](Elf64_Half value) -> Elf64_Half {
        return order == ELFDATA2LSB ? value : __builtin_bswap16(value);
    };
    header.e_type = stored(type);
    header.e_machine = stored(machine);
    return {reinterpret_cast<const char*>(&header), sizeof header};
}

TEST(Emulator, FormatsTellProgramsApart) {
    const auto arm64 = binary_format("arm64");
    const auto s390x = binary_format("s390x");
    ASSERT_TRUE(arm64 && s390x);
    for (const Elf64_Half type : std::array<Elf64_Half, 2>{ET_EXEC, ET_DYN}) {
        EXPECT_TRUE(matches(*arm64, header(ELFDATA2LSB, type, EM_AARCH64)));
        EXPECT_TRUE(matches(*s390x, header(ELFDATA2MSB, type, EM_S390)));
        EXPECT_FALSE(matches(*arm64, header(ELFDATA2LSB, type, EM_X86_64)));
        EXPECT_FALSE(matches(*arm64, header(ELFDATA2MSB, type, EM_AARCH64)));
    }
    EXPECT_FALSE(matches(*arm64, header(ELFDATA2LSB, ET_REL, EM_AARCH64)));
    EXPECT_FALSE(matches(*arm64, std::string(64, 'x')));
    EXPECT_EQ(binary_format("pdp11").error().kind(), ErrorKind::unimplemented);
}

TEST(Emulator, IsFoundInThePath) {
    const auto folder = TempDir::create();
    ASSERT_TRUE(folder);
    const std::string path = std::getenv("PATH");
    ::setenv("PATH", folder->path().c_str(), 1);
    const auto missing = find_emulator("arm64");
    const auto program = folder->path() / "qemu-aarch64-static";
    EXPECT_TRUE(write_file(program, "", 0755));
    const auto found = find_emulator("arm64");
    ::setenv("PATH", path.c_str(), 1);
    ASSERT_FALSE(missing);
    EXPECT_THAT(missing.error().message(), HasSubstr("install the package qemu-user-static"));
    ASSERT_TRUE(found);
    EXPECT_EQ(*found, program);
}

}  // namespace
}  // namespace hako::vmm
