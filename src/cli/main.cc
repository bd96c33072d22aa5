#include "cli/main.h"

#include "cli/commands/commands.h"
#include "cli/session.h"
#include "cli/version.h"

namespace hako::cli {
namespace {

constexpr int kInternalError = 125;

Command container_group() {
    Command group("container", "Manage containers");
    group.add(attach_command());
    group.add(commit_command());
    group.add(console_command());
    group.add(cp_command());
    group.add(create_command());
    group.add(diff_command());
    group.add(exec_command());
    group.add(export_command());
    group.add(inspect_command("container"));
    group.add(kill_command());
    group.add(logs_command());
    group.add(pause_command());
    group.add(port_command());
    group.add(container_prune_command());
    for (const char* name : {"ls", "list", "ps"}) {
        auto command = ps_command(name);
        if (name != std::string_view("ls")) command.hidden();
        group.add(std::move(command));
    }
    group.add(rename_command());
    group.add(restart_command());
    group.add(rm_command());
    group.add(run_command());
    group.add(start_command());
    group.add(stats_command());
    group.add(stop_command());
    group.add(top_command());
    group.add(unpause_command());
    group.add(update_command());
    group.add(wait_command());
    return group;
}

Command image_group() {
    Command group("image", "Manage images");
    group.add(history_command());
    group.add(import_command());
    group.add(inspect_command("image"));
    group.add(load_command());
    group.add(images_command("ls"));
    group.add(std::move(images_command("list").hidden()));
    group.add(image_prune_command());
    group.add(ls_remote_command());
    group.add(pull_command());
    group.add(push_command());
    group.add(rmi_command("rm"));
    group.add(std::move(rmi_command("remove").hidden()));
    group.add(save_command());
    group.add(tag_command());
    return group;
}

int run_guarded(const std::vector<std::string>& arguments, const Stdio& io) {
    Session session(io, DaemonPaths::from_environment());
    Command root = all_commands();
    session.root = &root;
    bool show_version = false;
    root.option("-H,--host", session.host_flags,
                "Daemon to talk to: unix://PATH or tcp://HOST:PORT");
    root.flag("-v,--version", show_version, "Print version information and quit");
    root.action([&](Session&, const auto&) -> Result<int> {
        io.print(show_version ? fmt::format("hako version {}\n", kVersion) : root.help());
        return 0;
    });
    return root.run(session, arguments);
}

}  // namespace

Command all_commands() {
    Command root("hako", "Containers, each in a virtual machine of its own");
    root.add(run_command());
    root.add(exec_command());
    root.add(ps_command("ps"));
    root.add(logs_command());
    root.add(attach_command());
    root.add(inspect_command(""));
    root.add(top_command());
    root.add(stats_command());
    root.add(events_command());
    root.add(console_command());
    root.add(create_command());
    root.add(start_command());
    root.add(stop_command());
    root.add(restart_command());
    root.add(kill_command());
    root.add(pause_command());
    root.add(port_command());
    root.add(unpause_command());
    root.add(rename_command());
    root.add(update_command());
    root.add(wait_command());
    root.add(rm_command());
    root.add(images_command("images"));
    root.add(pull_command());
    root.add(push_command());
    root.add(load_command());
    root.add(save_command());
    root.add(import_command());
    root.add(export_command());
    root.add(cp_command());
    root.add(diff_command());
    root.add(commit_command());
    root.add(history_command());
    root.add(tag_command());
    root.add(rmi_command("rmi"));
    root.add(login_command());
    root.add(logout_command());
    root.add(container_group());
    root.add(network_command());
    root.add(image_group());
    root.add(volume_command());
    root.add(compose_command());
    root.add(pod_command());
    root.add(kernel_command());
    root.add(template_command());
    root.add(rootfs_command());
    root.add(macos_command());
    root.add(system_command());
    root.add(doctor_command());
    root.add(info_command());
    root.add(version_command());
    root.add(completion_command());
    root.add(man_command());
    root.add(complete_command());
    return root;
}

int run_program(const std::vector<std::string>& arguments, const Stdio& io) {
    try {
        return run_guarded(arguments, io);
    } catch (const std::exception& error) {
        // An answer in a shape that no daemon should send ends here.
        io.complain(fmt::format("hako: the daemon's answer is not understood: {}", error.what()));
        return kInternalError;
    }
}

}  // namespace hako::cli
