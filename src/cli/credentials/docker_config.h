// docker's client configuration, config.json, as far as it is about credentials. docker and hako
// share it: what one of them stores the other finds.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "cli/credentials/credentials.h"

namespace hako::cli {

class DockerConfig {
public:
    // $DOCKER_CONFIG/config.json, else ~/.docker/config.json.
    static std::filesystem::path default_path();
    // A file that is not there is an empty one. ErrorKind::invalid never repeats its content.
    static Result<DockerConfig> load(std::filesystem::path path = default_path());

    const std::filesystem::path& path() const { return path_; }

    // Credentials come from the helper that is named for the server, else from the file itself.
    // One without any is empty.
    Result<Credentials> find(const std::string& server) const;
    // Whether find() may find some, as far as the file itself tells.
    bool knows(const std::string& server) const;
    // The file is written at once; nothing else in it changes. Returns whether the secret lies in
    // it now, readable for whoever reads the file.
    Result<bool> store(const Credentials& credentials);
    Result<void> erase(const std::string& server);

private:
    DockerConfig(std::filesystem::path path, Json document)
        : path_(std::move(path)), document_(std::move(document)) {}
    Result<std::optional<std::string>> helper_of(const std::string& server) const;
    Result<Credentials> find_in_file(const std::string& server) const;
    Result<void> save() const;

    std::filesystem::path path_;
    Json document_;
};

}  // namespace hako::cli
