// Layers of a test's own, unpacked into a folder that goes with it.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/fd.h"
#include "fsimage/layer.h"
#include "fsimage/testing/tar_builder.h"
#include "fsimage/view.h"

namespace hako::fsimage {

class Layers {
public:
    Layers() : folder_(TempDir::create().value()) {}

    // A tar as the next layer on top.
    Result<UnpackedLayer> add(std::string tar, const LayerLimits& limits = {}) {
        const auto number = std::to_string(files_.size());
        files_.push_back({path(number + ".data"), path(number + ".index")});
        TextReader reader(std::move(tar), 1U << 20U);
        return unpack_layer(reader, files_.back().data, files_.back().index, limits);
    }
    Layers& with(const TarBuilder& tar) {
        const auto unpacked = add(tar.finish());
        EXPECT_TRUE(unpacked) << unpacked.error().message();
        return *this;
    }

    std::filesystem::path path(std::string_view name) const { return folder_.path() / name; }
    const std::filesystem::path& folder() const { return folder_.path(); }
    const std::vector<LayerFiles>& files() const { return files_; }
    std::size_t files_in_folder() const {
        using Iterator = std::filesystem::directory_iterator;
        return static_cast<std::size_t>(std::distance(Iterator(folder_.path()), Iterator()));
    }

    // Metadata and blobs, joined to one disk.
    std::filesystem::path disk() const {
        const auto written = write_view(files_, path("disk"));
        EXPECT_TRUE(written) << written.error().message();
        std::string joined = read_file(path("disk"), 1U << 30U).value();
        for (const LayerFiles& layer : files_) joined += read_file(layer.data, 1U << 30U).value();
        EXPECT_TRUE(write_file(path("disk"), joined));
        return path("disk");
    }

private:
    TempDir folder_;
    std::vector<LayerFiles> files_;
};

}  // namespace hako::fsimage
