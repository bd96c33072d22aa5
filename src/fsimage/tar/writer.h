// Writes a tar: ustar headers, and extended ones (IEEE 1003.1, pax) for what those cannot hold.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/stream.h"
#include "fsimage/tar/entry.h"

namespace hako::fsimage {

// Gathers what it writes into large pieces. Not thread-safe.
class TarWriter : public Writer {
public:
    explicit TarWriter(Writer& out);  // borrowed

    // The next member. Where it is a file, entry.size bytes of contents follow by write(); a hard
    // link's size is ignored. Folders get a slash at their end.
    Result<void> add(const TarEntry& entry);
    Result<void> write(std::span<const std::byte> data) override;
    // Members without owner and time, so that the same files give the same bytes.
    Result<void> add_folder(const std::string& path);
    Result<void> add_file(const std::string& path, std::string_view contents);
    Result<void> add_file(const std::string& path, std::uint64_t size, Reader& contents);
    // Marks the end of the archive and writes what is left.
    Result<void> finish();

private:
    Result<void> put(std::span<const std::byte> data);
    Result<void> pad();
    Result<void> flush();

    Writer& out_;
    std::string buffer_;
    std::uint64_t stored_ = 0;   // bytes of contents that the last header announced
    std::uint64_t written_ = 0;  // of them
};

}  // namespace hako::fsimage
