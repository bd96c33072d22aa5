// hako macos identity: the numbers that tell one Mac from another
#include <fcntl.h>

#include "base/fd.h"
#include "base/json.h"
#include "cli/commands/commands.h"
#include "cli/commands/macos.h"
#include "cli/output/table.h"
#include "cli/session.h"
#include "macos/identity.h"

namespace hako::cli {
namespace {

constexpr std::size_t kMaxIdentityBytes = 64U << 10U;

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
    add_identity_flags(command, *flags).arguments("", 0, 0);
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
    add_identity_flags(command, *flags).arguments("[FILE|-]", 0, 1, Completes::files);
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

}  // namespace

Command macos_identity_command() {
    Command group("identity", "Serial numbers and addresses of a Mac");
    group.add(generate_command());
    group.add(check_identity_command());
    return group;
}

}  // namespace hako::cli
