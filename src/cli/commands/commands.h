// The commands, each made anew by every call: `hako rm` and `hako container rm` are two of them.
#pragma once

#include "cli/command.h"

namespace hako::cli {

Command attach_command();
Command container_prune_command();
Command console_command();
Command compose_command();
Command create_command();
Command events_command();
Command exec_command();
Command commit_command();
Command cp_command();
Command diff_command();
Command export_command();
Command inspect_command(std::string_view type);  // "container", "image", "macos" ...; "": any
Command kill_command();
Command logs_command();
Command network_command();  // a group
Command pause_command();
Command port_command();
Command ps_command(std::string name);
Command rename_command();
Command restart_command();
Command rm_command();
Command run_command();
Command start_command();
Command stats_command();
Command stop_command();
Command top_command();
Command unpause_command();
Command update_command();
Command wait_command();

Command history_command();
Command image_prune_command();
Command images_command(std::string name);
Command import_command();
Command load_command();
Command ls_remote_command();
Command pull_command();
Command push_command();
Command rmi_command(std::string name);
Command save_command();
Command tag_command();

Command login_command();
Command logout_command();

Command doctor_command();
Command man_command();
Command info_command();
Command version_command();
Command kernel_command();    // a group
Command template_command();  // a group
Command pod_command();       // a group
Command volume_command();    // a group
Command macos_command();     // a group
Command rootfs_command();    // a group
Command system_command();    // a group
Command disk_usage_command();
Command check_command();
Command completion_command();
Command complete_command();  // hidden: what the shells' scripts ask

}  // namespace hako::cli
