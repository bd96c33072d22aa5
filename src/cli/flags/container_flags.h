// The flags of run and create, and the body of POST /containers/create that they make.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "cli/command.h"
#include "cli/flags/values.h"

namespace hako::cli {

class ContainerFlags {
public:
    // Adds the flags to the command. The object must live as long as the command.
    void declare(Command& command);

    // What is not part of the body.
    std::string name;
    std::string platform;
    std::string pull = "missing";
    std::string cidfile;
    bool quiet = false;
    bool tty = false;
    bool interactive = false;
    bool remove = false;
    std::vector<std::string> attach;  // "stdin", "stdout", "stderr"

    // arguments: the image, then the container's command. ErrorKind::invalid when a file that a
    // flag names cannot be read, or flags contradict each other.
    Result<Json> body(const std::vector<std::string>& arguments) const;

private:
    void declare_process(Command& command);
    void declare_limits(Command& command);
    void declare_security(Command& command);
    void declare_health(Command& command);
    void declare_network(Command& command);
    void declare_storage(Command& command);

    // Most flags fill one field, named by a JSON pointer (RFC 6901).
    void endpoint(Command& command, std::string_view names, const char* field,
                  std::string_view help);
    void add_networks(Json& body) const;
    static Result<void> add_ssh_agent(Json& body);
    void text(Command& command, std::string_view names, const char* field, std::string_view help);
    void list(Command& command, std::string_view names, const char* field, std::string_view help);
    void pairs(Command& command, std::string_view names, const char* field, std::string_view help);
    void number(Command& command, std::string_view names, const char* field, std::string_view help);
    void bytes(Command& command, std::string_view names, const char* field, std::string_view help);
    void duration(Command& command, std::string_view names, const char* field,
                  std::string_view help);
    void onoff(Command& command, std::string_view names, const char* field, std::string_view help);
    Json& at(const char* field) { return body_[Json::json_pointer(field)]; }

    struct Switch {
        const char* field;
        bool value = false;
    };

    Json body_ = Json::object();
    std::vector<NetworkFlag> networks_;
    Json endpoint_ = Json::object();  // what --ip and others say of the first network
    std::vector<std::unique_ptr<Switch>> switches_;  // stable addresses, for the command
    std::vector<std::string> environment_files_;
    std::vector<std::string> label_files_;
    std::vector<std::string> environment_;
    std::vector<std::string> cdi_devices_;
    bool no_healthcheck_ = false;
    bool ssh_ = false;
};

}  // namespace hako::cli
