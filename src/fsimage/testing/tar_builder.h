// Makes small tars for tests, well-formed or not.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/stream.h"

namespace hako::fsimage {

struct TarMember {
    std::string path;
    char type = '0';
    std::string content = {};
    std::string link = {};
    std::uint32_t mode = 0644;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::uint64_t mtime = 1'700'000'000;
    std::uint32_t major = 0;
    std::uint32_t minor = 0;
    std::vector<std::pair<std::string, std::string>> pax = {};
};

class TarBuilder {
public:
    // One ustar header with its checksum; of names what fits.
    static std::string header(const TarMember& member) {
        std::string block(512, '\0');
        const auto put = [&](std::size_t at, std::string_view text) {
            block.replace(at, text.size(), text);
        };
        put(0, std::string_view(member.path).substr(0, 100));
        put(100, fmt::format("{:07o}", member.mode));
        put(108, fmt::format("{:07o}", member.uid & 07777777U));
        put(116, fmt::format("{:07o}", member.gid & 07777777U));
        put(124, fmt::format("{:011o}", member.content.size()));
        put(136, fmt::format("{:011o}", member.mtime));
        block[156] = member.type;
        put(157, std::string_view(member.link).substr(0, 100));
        put(257, std::string_view("ustar\00000", 8));
        put(329, fmt::format("{:07o}", member.major));
        put(337, fmt::format("{:07o}", member.minor));
        return sign(std::move(block));
    }
    // Puts the right checksum into a block that was changed by hand.
    static std::string sign(std::string block) {
        block.replace(148, 8, 8, ' ');
        unsigned sum = 0;
        for (const char byte : block) sum += static_cast<unsigned char>(byte);
        block.replace(148, 7, fmt::format("{:06o}", sum) + '\0');
        return block;
    }
    static std::string padded(std::string content) {
        content.resize((content.size() + 511) / 512 * 512);
        return content;
    }
    static std::string pax_record(std::string_view key, std::string_view value) {
        const std::size_t rest = key.size() + value.size() + 3;
        std::size_t length = rest + 1;
        while (fmt::format("{}", length).size() + rest != length) ++length;
        return fmt::format("{} {}={}\n", length, key, value);
    }

    TarBuilder& add(TarMember member) {
        if (member.path.size() > 100) member.pax.emplace_back("path", member.path);
        if (member.link.size() > 100) member.pax.emplace_back("linkpath", member.link);
        if (!member.pax.empty()) {
            std::string records;
            for (const auto& [key, value] : member.pax) records += pax_record(key, value);
            tar_ += header({.path = "pax", .type = 'x', .content = records}) + padded(records);
        }
        tar_ += header(member) + padded(member.content);
        return *this;
    }
    TarBuilder& file(std::string path, std::string content = "") {
        return add({.path = std::move(path), .content = std::move(content)});
    }
    TarBuilder& directory(std::string path, std::uint32_t mode = 0755) {
        return add({.path = std::move(path), .type = '5', .mode = mode});
    }
    TarBuilder& symlink(std::string path, std::string target) {
        return add({.path = std::move(path), .type = '2', .link = std::move(target), .mode = 0777});
    }
    TarBuilder& hardlink(std::string path, std::string target) {
        return add({.path = std::move(path), .type = '1', .link = std::move(target)});
    }
    TarBuilder& raw(std::string_view bytes) {
        tar_ += bytes;
        return *this;
    }
    // Without the two zero blocks at its end.
    const std::string& unfinished() const { return tar_; }
    std::string finish() const { return tar_ + std::string(1024, '\0'); }

private:
    std::string tar_;
};

}  // namespace hako::fsimage
