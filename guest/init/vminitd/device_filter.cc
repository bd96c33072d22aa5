#include "init/vminitd/device_filter.h"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ranges>

#include "oci/device_rules.h"

namespace hako::init {
namespace {

constexpr std::uint32_t kAllAccess = BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE;
constexpr std::uint32_t kAccessShift = 16;
constexpr std::uint32_t kTypeMask = 0xffff;

Result<std::uint32_t> read_access(const std::string& text) {
    std::uint32_t access = text.empty() ? kAllAccess : 0;
    for (const char letter : text) {
        if (letter == 'r') access |= BPF_DEVCG_ACC_READ;
        else if (letter == 'w') access |= BPF_DEVCG_ACC_WRITE;
        else if (letter == 'm') access |= BPF_DEVCG_ACC_MKNOD;
        else
            return fail(ErrorKind::invalid, "linux.resources.devices: access \"{}\" is none of rwm",
                        text);
    }
    return access;
}

Result<void> read_node(const std::string& path, DeviceRule& rule) {
    struct stat node {};
    if (::stat(path.c_str(), &node) != 0) return fail_errno(errno, "no device {} in the VM", path);
    if (!S_ISCHR(node.st_mode) && !S_ISBLK(node.st_mode))
        return fail(ErrorKind::invalid, "{} is no device of the VM", path);
    rule.type = S_ISBLK(node.st_mode) ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR;
    rule.major = major(node.st_rdev);
    rule.minor = minor(node.st_rdev);
    return {};
}

Result<void> read_numbers(const Json& json, DeviceRule& rule) {
    HAKO_TRY(const auto type, json_field_or<std::string>(json, "type", "a"));
    if (type == "b") rule.type = BPF_DEVCG_DEV_BLOCK;
    else if (type == "c" || type == "u") rule.type = BPF_DEVCG_DEV_CHAR;
    else if (!type.empty() && type != "a")
        return fail(ErrorKind::invalid, "linux.resources.devices: unknown type \"{}\"", type);
    for (const auto& [name, target] :
         {std::pair{"major", &rule.major}, std::pair{"minor", &rule.minor}}) {
        HAKO_TRY(const auto number, json_field<std::int64_t>(json, name));
        if (number && *number > INT32_MAX)
            return fail(ErrorKind::invalid, "linux.resources.devices: {} is too large", name);
        if (number && *number >= 0) *target = static_cast<std::uint32_t>(*number);
    }
    return {};
}

// One instruction, in the kernel's terms.
bpf_insn instruction(unsigned code, unsigned target, unsigned source, int jump,
                     std::uint32_t value) {
    bpf_insn made{};
    made.code = static_cast<std::uint8_t>(code);
    made.dst_reg = static_cast<std::uint8_t>(target & 0xfU);
    made.src_reg = static_cast<std::uint8_t>(source & 0xfU);
    made.off = static_cast<std::int16_t>(jump);
    made.imm = static_cast<std::int32_t>(value);
    return made;
}

class Program {
public:
    void load(unsigned target, std::size_t offset) {
        code_.push_back(
            instruction(BPF_LDX | BPF_MEM | BPF_W, target, BPF_REG_1, static_cast<int>(offset), 0));
    }
    void copy(unsigned target, unsigned source) {
        code_.push_back(instruction(BPF_ALU64 | BPF_MOV | BPF_X, target, source, 0, 0));
    }
    void compute(unsigned operation, unsigned target, std::uint32_t value) {
        code_.push_back(instruction(BPF_ALU64 | operation | BPF_K, target, 0, 0, value));
    }
    void skip_if(unsigned condition, unsigned reg, std::uint32_t value) {
        skips_.push_back(code_.size());
        code_.push_back(instruction(BPF_JMP | condition | BPF_K, reg, 0, 0, value));
    }
    void answer(bool allowed) {
        compute(BPF_MOV, BPF_REG_0, allowed ? 1 : 0);
        code_.push_back(instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
    }
    // Where the skips of a rule lead.
    void end_rule() {
        for (const auto at : skips_)
            code_[at].off = static_cast<std::int16_t>(code_.size() - at - 1);
        skips_.clear();
    }
    std::vector<bpf_insn> take() { return std::move(code_); }

private:
    std::vector<bpf_insn> code_;
    std::vector<std::size_t> skips_;
};

// What the program keeps in registers; BPF_REG_1 is its argument.
constexpr unsigned kType = BPF_REG_2;
constexpr unsigned kWanted = BPF_REG_3;  // accesses that no rule has allowed yet
constexpr unsigned kMajor = BPF_REG_4;
constexpr unsigned kMinor = BPF_REG_5;

void add_rule(Program& program, const DeviceRule& rule) {
    if (rule.type != 0) program.skip_if(BPF_JNE, kType, rule.type);
    if (rule.major) program.skip_if(BPF_JNE, kMajor, *rule.major);
    if (rule.minor) program.skip_if(BPF_JNE, kMinor, *rule.minor);
    if (rule.allow) {
        program.compute(BPF_AND, kWanted, kAllAccess & ~rule.access);
        program.skip_if(BPF_JNE, kWanted, 0);
    } else {
        program.copy(BPF_REG_0, kWanted);
        program.compute(BPF_AND, BPF_REG_0, rule.access);
        program.skip_if(BPF_JEQ, BPF_REG_0, 0);
    }
    program.answer(rule.allow);
    program.end_rule();
}

int bpf(bpf_cmd command, bpf_attr& attributes) {
    return static_cast<int>(::syscall(SYS_bpf, command, &attributes, sizeof attributes));
}

std::uint64_t address(const void* data) { return reinterpret_cast<std::uint64_t>(data); }

Result<Fd> load(const std::vector<bpf_insn>& program) {
    constexpr const char* kLicense = "Apache-2.0";
    bpf_attr load;
    std::memset(&load, 0, sizeof load);
    load.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    load.insns = address(program.data());
    load.insn_cnt = static_cast<std::uint32_t>(program.size());
    load.license = address(kLicense);
    Fd loaded(bpf(BPF_PROG_LOAD, load));
    if (!loaded && (errno == ENOSYS || errno == EINVAL))
        return fail(ErrorKind::unimplemented, "the kernel has no device programs (CGROUP_BPF)");
    if (!loaded) return fail_errno(errno, "cannot load the device rules");
    return loaded;
}

Result<void> attach(int cgroup, const Fd& program) {
    bpf_attr attach;
    std::memset(&attach, 0, sizeof attach);
    attach.target_fd = static_cast<std::uint32_t>(cgroup);
    attach.attach_bpf_fd = static_cast<std::uint32_t>(program.get());
    attach.attach_type = BPF_CGROUP_DEVICE;
    attach.attach_flags = BPF_F_ALLOW_MULTI;
    if (bpf(BPF_PROG_ATTACH, attach) != 0)
        return fail_errno(errno, "cannot apply the device rules to the cgroup");
    return {};
}

Result<std::vector<DeviceRule>> usual_rules() {
    HAKO_TRY(auto list, oci::make_device_rules(false, {}, {}));
    HAKO_TRY(auto rules, device_rules({{"devices", std::move(list)}}));
    return *std::move(rules);
}

}  // namespace

Result<std::optional<std::vector<DeviceRule>>> device_rules(const Json& resources) {
    HAKO_TRY(const auto list, json_field<std::vector<Json>>(resources, "devices"));
    if (!list) return std::optional<std::vector<DeviceRule>>();
    std::vector<DeviceRule> rules;
    for (const auto& json : *list) {
        DeviceRule rule;
        HAKO_TRY(rule.allow, json_field_or<bool>(json, "allow", false));
        HAKO_TRY(const auto access, json_field_or<std::string>(json, "access", ""));
        HAKO_TRY(rule.access, read_access(access));
        HAKO_TRY(const auto path, json_field_or<std::string>(json, "path", ""));
        HAKO_CHECK(path.empty() ? read_numbers(json, rule) : read_node(path, rule));
        rules.push_back(rule);
    }
    return std::optional(std::move(rules));
}

std::vector<bpf_insn> device_program(const std::vector<DeviceRule>& rules) {
    Program program;
    program.load(kType, offsetof(bpf_cgroup_dev_ctx, access_type));
    program.copy(kWanted, kType);
    program.compute(BPF_AND, kType, kTypeMask);
    program.compute(BPF_RSH, kWanted, kAccessShift);
    program.load(kMajor, offsetof(bpf_cgroup_dev_ctx, major));
    program.load(kMinor, offsetof(bpf_cgroup_dev_ctx, minor));
    for (const auto& rule : std::views::reverse(rules)) add_rule(program, rule);
    program.answer(true);
    return program.take();
}

DeviceFilters::DeviceFilters() {
    auto rules = usual_rules();
    if (!rules) return;
    usual_rules_ = *std::move(rules);
    if (auto loaded = load(device_program(usual_rules_))) usual_ = *std::move(loaded);
}

Result<void> DeviceFilters::apply(int cgroup, const std::vector<DeviceRule>& rules) const {
    if (usual_ && rules == usual_rules_) return attach(cgroup, usual_);
    HAKO_TRY(const auto loaded, load(device_program(rules)));
    return attach(cgroup, loaded);
}

}  // namespace hako::init
