// A plugin for QEMU: how often it runs each block of translated code, in a table that
// bench/executed.py reads (docs: QEMU's "TCG Plugins"; the prototypes are those of its API 1).
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

extern "C" {
using PluginId = std::uint64_t;
struct qemu_plugin_tb;
struct qemu_info_t;
enum PluginOperation : int { kAddInline = 0 };
using OnTranslation = void (*)(PluginId, qemu_plugin_tb*);

void qemu_plugin_register_vcpu_tb_trans_cb(PluginId, OnTranslation);
std::size_t qemu_plugin_tb_n_insns(const qemu_plugin_tb*);
std::uint64_t qemu_plugin_tb_vaddr(const qemu_plugin_tb*);
void qemu_plugin_register_vcpu_tb_exec_inline(qemu_plugin_tb*, PluginOperation, void* number,
                                              std::uint64_t summand);

__attribute__((visibility("default"))) extern const int qemu_plugin_version = 1;
__attribute__((visibility("default"))) int qemu_plugin_install(PluginId id, const qemu_info_t*, int,
                                                               char**);
}

namespace {

struct Block {
    std::uint64_t address, instructions, runs;
};
constexpr std::size_t kBits = 20;  // far more than a short guest has
constexpr std::size_t kBlocks = std::size_t{1} << kBits;
Block* blocks = nullptr;

void on_translation(PluginId, qemu_plugin_tb* translated) {
    constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15;
    const std::uint64_t address = qemu_plugin_tb_vaddr(translated);
    const std::uint64_t instructions = qemu_plugin_tb_n_insns(translated);
    std::size_t at = (address * kGolden) >> (64 - kBits);
    const auto is_other = [&](const Block& block) {
        return block.address != address || block.instructions != instructions;
    };
    while (blocks[at].instructions != 0 && is_other(blocks[at])) at = (at + 1) % kBlocks;
    blocks[at].address = address;
    blocks[at].instructions = instructions;
    qemu_plugin_register_vcpu_tb_exec_inline(translated, kAddInline, &blocks[at].runs, 1);
}

}  // namespace

int qemu_plugin_install(PluginId id, const qemu_info_t*, int, char**) {
    constexpr std::size_t kBytes = kBlocks * sizeof(Block);
    const int file = ::memfd_create("executed", 0);  // stays open: it is found by its name
    if (file < 0 || ::ftruncate(file, kBytes) != 0) return 1;
    void* const table = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (table == MAP_FAILED) return 1;
    blocks = static_cast<Block*>(table);
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    return 0;
}
