// For tests: an image store in a folder of its own.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/stream.h"
#include "images/image_store.h"
#include "images/test_images.h"

namespace hako::images::testing {

inline const std::vector<Entry> kBase{{"bin/"}, {"bin/tool", std::string(10'000, 'x')}};
inline const std::vector<Entry> kTop{{"etc/"}, {"etc/name", "app\n"}};

class StoreTest : public ::testing::Test {
protected:
    void SetUp() override {
        folder_.emplace(*TempDir::create());
        layout_.emplace(folder_->path() / "root", folder_->path() / "run");
        std::filesystem::create_directories(layout_->root());
        database_ = *store::Database::open(layout_->database());
        reopen();
    }
    void reopen() {
        store_.reset();
        auto opened = ImageStore::open(*layout_, *database_);
        ASSERT_TRUE(opened) << opened.error().message();
        store_ = *std::move(opened);
    }
    Result<std::vector<std::string>> load(const std::vector<Entry>& archive,
                                          Packing packing = Packing::plain) {
        return load(pack_tar(archive, packing));
    }
    Result<std::vector<std::string>> load(const std::string& bytes,
                                          const std::optional<oci::Platform>& platform = {}) {
        TextReader reader(bytes, 10'000);
        return store_->load(reader, platform, {});
    }
    // All files of the store but the database.
    std::size_t count_files() const {
        std::size_t count = 0;
        for (const auto& part : {layout_->content(), layout_->layers(), layout_->views()})
            for (const auto& entry : std::filesystem::recursive_directory_iterator(part))
                if (entry.is_regular_file()) ++count;
        return count;
    }

    std::optional<TempDir> folder_;
    std::optional<Layout> layout_;
    std::unique_ptr<store::Database> database_;
    std::unique_ptr<ImageStore> store_;
};

}  // namespace hako::images::testing
