// Root filesystems of images: hako's own part of the API, below /hako/v1.
#include "dockerapi/routes.h"

namespace hako::dockerapi {
namespace {

using http::Request;
using http::Response;

Result<void> download(const Services& services, Request& request, Response& response) {
    const std::string format = request.query.value_or("format", "tar");
    if (format != "tar" && format != "erofs")
        return fail(ErrorKind::invalid, "format {} is not known: use tar or erofs", format);
    HAKO_TRY(auto rootfs, services.images.open_rootfs(request.parameter("name")));
    // What it takes to make a disk of the right size before the first file comes.
    response.headers().set("X-Hako-Inodes", std::to_string(rootfs.inodes()));
    response.headers().set("X-Hako-Disk-Bytes", std::to_string(rootfs.disk_bytes()));
    const bool tar = format == "tar";
    HAKO_TRY(auto* const out,
             response.stream(200, tar ? "application/x-tar" : "application/octet-stream"));
    return tar ? rootfs.write_tar(*out) : rootfs.write_disk(*out);
}

}  // namespace

void add_rootfs_routes(http::Router& router, const Services& services) {
    Routes routes(router, services);
    routes.add("GET", "/hako/v1/images/{name:*}/rootfs", download);
}

}  // namespace hako::dockerapi
