#include "oci/tls_files.h"

#include <algorithm>
#include <set>
#include <system_error>

namespace hako::oci {
namespace {

namespace fs = std::filesystem;

Result<void> add_folder(const fs::path& folder, TlsFiles& files) {
    std::error_code error;
    std::set<fs::path> names;  // in order, whatever the file system's is
    fs::directory_iterator entries(folder, error);
    for (; !error && entries != fs::directory_iterator(); entries.increment(error))
        names.insert(entries->path());
    if (error == std::errc::no_such_file_or_directory || error == std::errc::not_a_directory)
        return {};
    if (error)
        return fail_errno(error.value(), "cannot read the certificates in {}", folder.string());

    for (const auto& name : names) {
        const auto partner = [&](const char* extension) {
            return fs::path(name).replace_extension(extension);
        };
        if (name.extension() == ".crt") files.authorities.push_back(name);
        if (name.extension() == ".cert") {
            if (!names.contains(partner(".key")))
                return fail(ErrorKind::invalid,
                            "missing key {} for client certificate {}; CA certificates have the "
                            "extension .crt",
                            partner(".key").string(), name.string());
            if (!files.certificate.empty()) continue;
            files.certificate = name;
            files.key = partner(".key");
        }
        if (name.extension() == ".key" && !names.contains(partner(".cert")))
            return fail(ErrorKind::invalid, "missing client certificate {} for key {}",
                        partner(".cert").string(), name.string());
    }
    return {};
}

}  // namespace

Result<TlsFiles> find_tls_files(const std::vector<fs::path>& folders, std::string_view host) {
    TlsFiles files;
    // A host is a name below the folder, never a way out of it.
    if (host.empty() || host.starts_with('.') || host.find('/') != host.npos) return files;
    for (const auto& folder : folders) HAKO_CHECK(add_folder(folder / host, files));
    return files;
}

}  // namespace hako::oci
