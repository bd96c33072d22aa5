#include "vmm/kernel_store.h"

#include <elf.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include "base/fd.h"
#include "vmm/kernel_image.h"

namespace hako::vmm {
namespace {

namespace fs = std::filesystem;

std::string gzip(std::string_view text) {
    z_stream stream{};
    deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    std::string packed(compressBound(text.size()) + 64, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream.avail_in = static_cast<uInt>(text.size());
    stream.next_out = reinterpret_cast<Bytef*>(packed.data());
    stream.avail_out = static_cast<uInt>(packed.size());
    deflate(&stream, Z_FINISH);
    packed.resize(stream.total_out);
    deflateEnd(&stream);
    return packed;
}

template <typename T>
void append(std::string& bytes, const T& value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

struct FakeKernel {
    bool pvh = true;
    bool with_config = true;
    std::string config;

    // An ELF header, one PT_NOTE segment, the banner and the packed configuration.
    std::string bytes() const {
        Elf64_Ehdr header{};
        std::copy_n(ELFMAG, SELFMAG, header.e_ident);
        header.e_ident[EI_CLASS] = ELFCLASS64;
        header.e_machine = EM_X86_64;
        header.e_phoff = sizeof header;
        header.e_phnum = 1;
        Elf64_Phdr segment{};
        segment.p_type = PT_NOTE;
        segment.p_offset = sizeof header + sizeof segment;
        segment.p_filesz = sizeof(Elf64_Nhdr) + 8;
        std::string image;
        append(image, header);
        append(image, segment);
        append(image, Elf64_Nhdr{.n_namesz = 4, .n_descsz = 4, .n_type = pvh ? 18U : 17U});
        image += std::string("Xen\0\0\0\1\0", 8);
        image += std::string("Linux version 6.1.99-test (gcc)\n\0", 33);
        if (with_config) image += "IKCFG_ST" + gzip(config) + "IKCFG_ED";
        return image;
    }
};

// Every option that required.txt wants, taken from what an empty configuration lacks.
std::string complete_config() {
    std::string config = "# a comment\n";
    for (const auto& line : missing_options("")) {
        const auto names = line.substr(0, line.find(' '));
        config += names.substr(0, names.find('|')) + "=y\n";
    }
    return config;
}

class KernelStoreTest : public testing::Test {
protected:
    KernelStoreTest() {
        EXPECT_TRUE(make_folders(folder_.path() / "share"));
        put(folder_.path() / "share" / "vmlinux", {.config = complete_config()});
    }
    fs::path put(const fs::path& path, const FakeKernel& kernel) {
        EXPECT_TRUE(write_file(path, kernel.bytes()));
        return path;
    }
    fs::path file() const { return folder_.path() / "candidate"; }
    std::string refusal(const FakeKernel& kernel) {
        const auto result = store_.import("x", put(file(), kernel));
        return result ? "imported" : result.error().message();
    }

    TempDir folder_ = *TempDir::create();
    Layout layout_{folder_.path() / "root", folder_.path() / "run"};
    KernelStore store_{layout_, Installation{folder_.path() / "bin", folder_.path() / "share"}};
};

TEST_F(KernelStoreTest, HasTheBuiltinOne) {
    const auto kernels = store_.list();
    ASSERT_TRUE(kernels);
    ASSERT_EQ(kernels->size(), 1U);
    EXPECT_EQ(kernels->front().name, "builtin");
    EXPECT_EQ(kernels->front().version, "6.1.99-test");
    EXPECT_TRUE(kernels->front().is_default);
    EXPECT_EQ(store_.find("")->name, "builtin");
}

TEST_F(KernelStoreTest, ImportsAndChoosesTheDefault) {
    const auto imported = store_.import("mine", put(file(), {.config = complete_config()}));
    ASSERT_TRUE(imported) << imported.error().message();
    EXPECT_EQ(imported->version, "6.1.99-test");
    EXPECT_FALSE(imported->is_default);
    EXPECT_TRUE(fs::exists(imported->vmlinux));
    ASSERT_TRUE(store_.set_default("mine"));
    EXPECT_EQ(store_.find("")->name, "mine");
    EXPECT_EQ(store_.list()->size(), 2U);
    ASSERT_TRUE(store_.remove("mine"));
    EXPECT_EQ(store_.find("")->name, "builtin");
    EXPECT_EQ(store_.find("mine").error().kind(), ErrorKind::not_found);
    EXPECT_EQ(store_.remove("builtin").error().kind(), ErrorKind::forbidden);
}

TEST_F(KernelStoreTest, NamesTheOptionsThatAreMissing) {
    auto config = complete_config();
    config.replace(config.find("CONFIG_EROFS_FS=y"), 17, "CONFIG_EROFS_FS=m");
    const auto text = refusal({.config = config});
    EXPECT_NE(text.find("CONFIG_EROFS_FS (the image)"), std::string::npos) << text;
    EXPECT_EQ(text.find("CONFIG_EXT4_FS"), std::string::npos) << text;
}

TEST_F(KernelStoreTest, TakesEitherAlternative) {
    const auto missing = missing_options("CONFIG_NET_9P_VIRTIO=y\nCONFIG_9P_FS=y\n");
    for (const auto& line : missing) EXPECT_EQ(line.find('|'), std::string::npos) << line;
}

TEST_F(KernelStoreTest, RefusesFilesThatAreNoKernels) {
    EXPECT_NE(refusal({.with_config = false}).find("CONFIG_IKCONFIG=y"), std::string::npos);
    EXPECT_NE(refusal({.pvh = false, .config = complete_config()}).find("CONFIG_PVH=y"),
              std::string::npos);
    auto bytes = FakeKernel{.config = complete_config()}.bytes();
    for (const auto length : {std::size_t{0}, std::size_t{10}, std::size_t{70}, std::size_t{125},
                              bytes.size() - 10, bytes.size() - 100}) {
        ASSERT_TRUE(write_file(file(), bytes.substr(0, length)));
        const auto result = store_.import("x", file());
        ASSERT_FALSE(result) << length;
        EXPECT_EQ(result.error().kind(), ErrorKind::invalid) << length;
    }
    bytes[bytes.size() - 60] = static_cast<char>(~bytes[bytes.size() - 60]);
    ASSERT_TRUE(write_file(file(), bytes));
    EXPECT_FALSE(store_.import("x", file()));
    EXPECT_EQ(store_.list()->size(), 1U);
}

TEST_F(KernelStoreTest, RefusesNamesThatAreTakenOrStrange) {
    const auto good = put(file(), {.config = complete_config()});
    for (const auto* name : {"", "../x", ".hidden", "a/b", "a b"})
        EXPECT_EQ(store_.import(name, good).error().kind(), ErrorKind::invalid) << name;
    EXPECT_EQ(store_.import("builtin", good).error().kind(), ErrorKind::conflict);
    ASSERT_TRUE(store_.import("a", good));
    EXPECT_EQ(store_.import("a", good).error().kind(), ErrorKind::conflict);
}

}  // namespace
}  // namespace hako::vmm
