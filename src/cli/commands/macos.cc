// hako macos: macOS machines, and what they are made of
#include <fcntl.h>

#include "base/fd.h"
#include "base/json.h"
#include "cli/commands/commands.h"
#include "cli/output/table.h"
#include "cli/session.h"
#include "macos/identity.h"
#include "macos/versions.h"

namespace hako::cli {
namespace {

constexpr std::size_t kMaxIdentityBytes = 64U << 10U;

Result<bool> wants_json(const std::string& format) {
    if (format == "json") return true;
    if (format == "table") return false;
    return fail(ErrorKind::invalid, "format {} is not known: use table or json", format);
}

struct IdentityFlags {
    macos::IdentityParts parts;
    std::string format = "table";
};

Command& add_identity_flags(Command& command, IdentityFlags& flags) {
    return command.option("-m,--model", flags.parts.product, "Mac to pose as (default iMacPro1,1)")
        .option("--serial", flags.parts.serial, "Serial number, 12 characters")
        .option("--mlb", flags.parts.mlb, "Board's serial number, 17 characters")
        .option("--uuid", flags.parts.uuid, "System UUID")
        .option("--mac", flags.parts.mac, "MAC address")
        .option("--rom", flags.parts.rom, "ROM, 12 hexadecimal digits (default: the MAC address)")
        .option("--format", flags.format, "Print as \"table\" or \"json\" (default table)");
}

Command generate_command() {
    auto flags = std::make_shared<IdentityFlags>();
    Command command("generate", "Make the identity of a Mac, or complete a given one");
    add_identity_flags(command, *flags).arguments("[OPTIONS]", 0, 0);
    command.action([flags](Session& session, const auto&) -> Result<int> {
        HAKO_TRY(const bool json, wants_json(flags->format));
        HAKO_TRY(const auto identity, macos::make_identity(flags->parts, macos::system_draw()));
        if (json) {
            session.io.print_line(dump_json(to_json(identity)));
            return 0;
        }
        session.io.print(format_table({{"MODEL", identity.product},
                                       {"SERIAL", identity.serial},
                                       {"MLB", identity.mlb},
                                       {"UUID", identity.uuid},
                                       {"MAC", identity.mac},
                                       {"ROM", identity.rom}}));
        return 0;
    });
    return command;
}

// What the file (as generate prints it) says; what flags give counts more.
Result<macos::IdentityParts> read_parts(const Session& session, const std::string& file,
                                        const macos::IdentityParts& flags) {
    Fd opened;
    if (file != "-") {
        HAKO_TRY(opened, open_file(file, O_RDONLY));
    }
    std::string text(kMaxIdentityBytes, '\0');
    HAKO_TRY(const auto count, read_full(opened ? opened.get() : session.io.in,
                                         std::as_writable_bytes(std::span(text))));
    HAKO_TRY(const auto json,
             with_context(parse_json(std::string_view(text).substr(0, count)), file));
    HAKO_TRY(auto parts, macos::identity_parts_from_json(json));
    if (flags.product != macos::kDefaultModel) parts.product = flags.product;
    for (auto part :
         {&macos::IdentityParts::serial, &macos::IdentityParts::mlb, &macos::IdentityParts::uuid,
          &macos::IdentityParts::mac, &macos::IdentityParts::rom})
        if (flags.*part) parts.*part = flags.*part;
    return parts;
}

Command check_identity_command() {
    auto flags = std::make_shared<IdentityFlags>();
    Command command("check", "Check the identity of a Mac: flags, or a file as generate prints it");
    add_identity_flags(command, *flags).arguments("[OPTIONS] [FILE|-]", 0, 1, Completes::files);
    command.action([flags](Session& session, const auto& arguments) -> Result<int> {
        HAKO_TRY(const bool json, wants_json(flags->format));
        auto parts = flags->parts;
        if (!arguments.empty()) {
            HAKO_TRY(parts, read_parts(session, arguments.front(), parts));
        }
        const auto faults = macos::check_identity(parts);
        if (json) session.io.print_line(dump_json({{"valid", faults.empty()}, {"faults", faults}}));
        else if (faults.empty()) session.io.print_line("the identity is good");
        else
            for (const auto& fault : faults) session.io.complain("hako: " + fault);
        return faults.empty() ? 0 : 1;
    });
    return command;
}

Command identity_group() {
    Command group("identity", "Serial numbers and addresses of a Mac");
    group.add(generate_command());
    group.add(check_identity_command());
    return group;
}

Command models_command() {
    auto format = std::make_shared<std::string>("table");
    Command command("models", "List the Macs that a machine can pose as");
    command.option("--format", *format, "Print as \"table\" or \"json\" (default table)")
        .arguments("[OPTIONS]", 0, 0);
    command.action([format](Session& session, const auto&) -> Result<int> {
        HAKO_TRY(const bool json, wants_json(*format));
        Json list = Json::array();
        std::vector<Row> rows{{"MODEL", "BUILT", "BOARD"}};
        for (const auto& model : macos::all_models()) {
            rows.push_back({model.product, fmt::format("{}-{}", model.first_year, model.last_year),
                            model.board_ids.front()});
            list.push_back({{"product", model.product},
                            {"first_year", model.first_year},
                            {"last_year", model.last_year},
                            {"board_ids", model.board_ids}});
        }
        session.io.print(json ? dump_json(list) + "\n" : format_table(rows));
        return 0;
    });
    return command;
}

Command versions_command() {
    auto format = std::make_shared<std::string>("table");
    Command command("versions", "List the releases of macOS that can be installed");
    command.option("--format", *format, "Print as \"table\" or \"json\" (default table)")
        .arguments("[OPTIONS]", 0, 0);
    command.action([format](Session& session, const auto&) -> Result<int> {
        HAKO_TRY(const bool json, wants_json(*format));
        Json list = Json::array();
        std::vector<Row> rows{{"VERSION", "NAME", "NEEDS"}};
        for (const auto& version : macos::all_versions()) {
            rows.push_back(
                {version.number, version.name, version.needs_avx2 ? "a CPU with AVX2" : ""});
            list.push_back({{"version", version.number},
                            {"name", version.name},
                            {"slug", version.slug()},
                            {"needs_avx2", version.needs_avx2}});
        }
        session.io.print(json ? dump_json(list) + "\n" : format_table(rows));
        return 0;
    });
    return command;
}

}  // namespace

Command macos_command() {
    Command group("macos", "macOS machines: what they are made of");
    group.add(identity_group());
    group.add(models_command());
    group.add(versions_command());
    return group;
}

}  // namespace hako::cli
