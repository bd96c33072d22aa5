// hako kernel: the guest kernels that containers can name with --kernel
#include <fcntl.h>

#include "base/process.h"
#include "base/stream.h"
#include "base/units.h"
#include "cli/commands/commands.h"
#include "cli/output/listing.h"
#include "cli/session.h"

namespace hako::cli {
namespace {

struct ListKernelsOptions {
    bool quiet = false;
    std::string format;
};

Result<int> list_kernels(Session& session, const ListKernelsOptions& options) {
    HAKO_TRY(const auto* api, session.api());
    HAKO_TRY(const auto kernels, api->hako_get("/kernels"));
    std::vector<ListedItem> items;
    for (const auto& kernel : kernels) {
        HAKO_TRY(const auto name, json_field_or(kernel, "Name", std::string()));
        HAKO_TRY(const auto version, json_field_or(kernel, "Version", std::string()));
        HAKO_TRY(const auto chosen, json_field_or(kernel, "Default", false));
        HAKO_TRY(const auto size, json_field<std::uint64_t>(kernel, "Size"));
        items.push_back({{{"Name", name},
                          {"Version", version},
                          {"Default", chosen ? "*" : ""},
                          {"Size", size ? format_bytes(*size) : "N/A"}},
                         {}});
    }
    const ListingStyle style{
        {{"Name", "NAME"}, {"Version", "VERSION"}, {"Default", "DEFAULT"}, {"Size", "SIZE"}},
        {},
        "Name"};
    HAKO_TRY(const auto text, format_listing(items, style, options.format, options.quiet));
    session.io.print(text);
    return 0;
}

Result<int> import_kernel(Session& session, const std::string& name, const std::string& path) {
    HAKO_TRY(const auto file, open_file(path, O_RDONLY));
    FdReader reader(file.get());
    HAKO_TRY(const auto* api, session.api());
    HAKO_CHECK(api->hako_upload("/kernels", {{"name", name}}, reader));
    session.io.print_line(name);
    return 0;
}

Result<int> set_default(Session& session, const std::string& name) {
    HAKO_TRY(const auto* api, session.api());
    HAKO_CHECK(api->hako_post(fmt::format("/kernels/{}/default", name)));
    session.io.print_line(name);
    return 0;
}

// Builds our kernel from Debian's sources: the script that is installed with us, or the one of the
// source tree that we stand in. Its last line of output is the kernel's path.
Result<int> build_kernel(Session& session) {
    HAKO_TRY(const auto installation, Installation::find());
    auto script = installation.share / "kernel" / "build.sh";
    std::error_code error;
    if (!std::filesystem::exists(script, error)) script = "kernel/build.sh";
    if (!std::filesystem::exists(script, error))
        return fail(ErrorKind::not_found,
                    "the kernel's build script is not installed: run this in hako's source tree");
    HAKO_TRY(auto process, spawn({.argv = {script}}, {{session.io.out, STDOUT_FILENO},
                                                      {session.io.err, STDERR_FILENO}}));
    HAKO_TRY(const auto status, process.wait());
    return status->shell_code();
}

}  // namespace

Command kernel_command() {
    Command group("kernel", "Manage guest kernels");
    {
        auto options = std::make_shared<ListKernelsOptions>();
        Command command("ls", "List kernels");
        command.option("--format", options->format,
                       "Format output: table, json, a Go template, or \"table TEMPLATE\"");
        command.flag("-q,--quiet", options->quiet, "Only show names");
        command.arguments("", 0, 0);
        command.action(
            [options](Session& session, const auto&) { return list_kernels(session, *options); });
        group.add(std::move(command));
    }
    {
        Command command("import", "Import a kernel: an uncompressed vmlinux");
        command.arguments("NAME VMLINUX", 2, 2, Completes::files);
        command.action([](Session& session, const auto& arguments) {
            return import_kernel(session, arguments[0], arguments[1]);
        });
        group.add(std::move(command));
    }
    {
        Command command("set", "Use a kernel for all containers that name none");
        command.arguments("NAME", 1, 1, Completes::kernels);
        command.action([](Session& session, const auto& names) {
            return set_default(session, names.front());
        });
        group.add(std::move(command));
    }
    {
        Command command("build", "Build hako's kernel from Debian's sources and print its path");
        command.arguments("", 0, 0);
        command.action([](Session& session, const auto&) { return build_kernel(session); });
        group.add(std::move(command));
    }
    return group;
}

}  // namespace hako::cli
