#include "fsimage/tar/writer.h"

#include <algorithm>
#include <string_view>

#include "base/fd.h"
#include "fsimage/tar/header.h"

namespace hako::fsimage {
namespace {

constexpr std::size_t kFlushAt = 256 * 1024;

char type_flag(EntryType type) {
    switch (type) {
        case EntryType::hardlink: return '1';
        case EntryType::symlink: return '2';
        case EntryType::character_device: return '3';
        case EntryType::block_device: return '4';
        case EntryType::directory: return '5';
        case EntryType::fifo: return '6';
        default: return '0';
    }
}

// "<length> <key>=<value>\n", where the length counts its own digits.
std::string pax_record(std::string_view key, std::string_view value) {
    const std::size_t rest = key.size() + value.size() + 3;
    std::size_t length = rest + 1;
    while (fmt::formatted_size("{}", length) + rest != length) ++length;
    return fmt::format("{} {}={}\n", length, key, value);
}

std::string pax_time(const Timestamp& time) {
    if (time.nanoseconds == 0) return fmt::format("{}", time.seconds);
    if (time.seconds >= 0) return fmt::format("{}.{:09}", time.seconds, time.nanoseconds);
    // Nanoseconds count forward, decimals of a negative number do not.
    const std::uint32_t back = 1'000'000'000 - time.nanoseconds;
    const std::int64_t seconds = time.seconds + 1;
    return fmt::format("-{}.{:09}", seconds == 0 ? 0 : -seconds, back);
}

// The fields of a member, where those of ustar suffice; else zeros, and records beside.
class Header {
public:
    explicit Header(char type) : block_(kTarBlock, '\0') {
        block_[156] = type;
        block_.replace(257, 8, std::string_view("ustar\00000", 8));
    }

    void text(std::size_t offset, std::size_t length, std::string_view key,
              std::string_view value) {
        if (value.size() > length) records_ += pax_record(key, value);
        block_.replace(offset, std::min(value.size(), length), value.substr(0, length));
    }
    // `digits` octal ones and a NUL.
    void number(std::size_t offset, std::size_t digits, std::string_view key, std::uint64_t value) {
        if (value >> (3 * digits) != 0) {
            records_ += pax_record(key, fmt::format("{}", value));
            value = 0;
        }
        block_.replace(offset, digits, fmt::format("{:0{}o}", value, digits));
    }
    void record(std::string_view key, std::string_view value) {
        records_ += pax_record(key, value);
    }

    const std::string& records() const { return records_; }
    // With its checksum.
    std::string finish() && {
        block_.replace(148, 8, 8, ' ');
        unsigned sum = 0;
        for (const char byte : block_) sum += static_cast<unsigned char>(byte);
        block_.replace(148, 7, fmt::format("{:06o}", sum) + '\0');
        return std::move(block_);
    }

private:
    std::string block_;
    std::string records_;
};

std::string padded(std::string text) {
    text.resize((text.size() + kTarBlock - 1) / kTarBlock * kTarBlock);
    return text;
}

// The header, and the extended one before it where it takes one.
std::string headers(const TarEntry& entry, std::uint64_t stored) {
    Header header(type_flag(entry.type));
    std::string path = entry.path;
    if (entry.type == EntryType::directory && !path.ends_with('/')) path += '/';
    header.text(0, 100, "path", path);
    header.text(157, 100, "linkpath", entry.link);
    header.number(100, 7, "mode", entry.mode);
    header.number(108, 7, "uid", entry.uid);
    header.number(116, 7, "gid", entry.gid);
    header.number(124, 11, "size", stored);
    header.number(329, 7, "SCHILY.devmajor", entry.major);
    header.number(337, 7, "SCHILY.devminor", entry.minor);
    constexpr std::int64_t kMostSeconds = (std::int64_t{1} << 33U) - 1;
    const bool plain_time = entry.mtime.nanoseconds == 0 && entry.mtime.seconds >= 0 &&
                            entry.mtime.seconds <= kMostSeconds;
    header.number(
        136, 11, "mtime",
        static_cast<std::uint64_t>(std::clamp<std::int64_t>(entry.mtime.seconds, 0, kMostSeconds)));
    if (!plain_time) header.record("mtime", pax_time(entry.mtime));
    for (const auto& [name, value] : entry.xattrs) header.record("SCHILY.xattr." + name, value);

    std::string text;
    if (const std::string& records = header.records(); !records.empty()) {
        Header extended('x');
        extended.text(0, 100, "", "pax");
        extended.number(100, 7, "", 0644);
        extended.number(124, 11, "", records.size());
        text = std::move(extended).finish() + padded(records);
    }
    return text + std::move(header).finish();
}

}  // namespace

TarWriter::TarWriter(Writer& out) : out_(out) {}

Result<void> TarWriter::add(const TarEntry& entry) {
    HAKO_CHECK(pad());
    stored_ = entry.type == EntryType::file ? entry.size : 0;
    written_ = 0;
    for (const auto& [name, value] : entry.xattrs) {
        if (name.find('=') != std::string::npos)
            return fail(ErrorKind::unimplemented,
                        "{} has the extended attribute {}, which a tar cannot hold", entry.path,
                        name);
    }
    return put(as_bytes(headers(entry, stored_)));
}

Result<void> TarWriter::add_folder(const std::string& path) {
    return add({.path = path, .type = EntryType::directory, .mode = 0755});
}

Result<void> TarWriter::add_file(const std::string& path, std::string_view contents) {
    HAKO_CHECK(add({.path = path, .mode = 0644, .size = contents.size()}));
    return write(as_bytes(contents));
}

Result<void> TarWriter::add_file(const std::string& path, std::uint64_t size, Reader& contents) {
    HAKO_CHECK(add({.path = path, .mode = 0644, .size = size}));
    HAKO_CHECK(copy_all(contents, *this));
    return {};
}

Result<void> TarWriter::write(std::span<const std::byte> data) {
    if (data.size() > stored_ - written_)
        return fail(ErrorKind::internal, "a file is longer than its header in the tar says");
    written_ += data.size();
    return put(data);
}

Result<void> TarWriter::finish() {
    HAKO_CHECK(pad());
    HAKO_CHECK(put(as_bytes(std::string(2 * kTarBlock, '\0'))));
    return flush();
}

// Ends the contents of the last member.
Result<void> TarWriter::pad() {
    if (written_ != stored_)
        return fail(ErrorKind::internal, "a file is shorter than its header in the tar says");
    const std::size_t padding = (kTarBlock - stored_ % kTarBlock) % kTarBlock;
    return put(as_bytes(std::string(padding, '\0')));
}

Result<void> TarWriter::put(std::span<const std::byte> data) {
    if (buffer_.size() + data.size() <= kFlushAt) {
        buffer_ += as_text(data);
        return {};
    }
    HAKO_CHECK(flush());
    if (data.size() >= kFlushAt) return out_.write(data);
    buffer_ = as_text(data);
    return {};
}

Result<void> TarWriter::flush() {
    if (buffer_.empty()) return {};
    HAKO_CHECK(out_.write(as_bytes(buffer_)));
    buffer_.clear();
    return {};
}

}  // namespace hako::fsimage
