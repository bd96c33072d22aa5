#include "images/pull.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <thread>

#include "base/guarded.h"
#include "base/thread.h"
#include "images/byte_channel.h"
#include "oci/registry_client.h"

namespace hako::images {
namespace {

constexpr std::size_t kParallelLayers = 3;
constexpr std::size_t kChannelBytes = 1U << 20U;
constexpr std::size_t kChunkBytes = 64U << 10U;

// What is downloaded goes into the content store and to the thread that unpacks it.
class Tee : public Writer {
public:
    Tee(Writer& first, Writer& second) : first_(first), second_(second) {}
    Result<void> write(std::span<const std::byte> data) override {
        HAKO_CHECK(first_.write(data));
        return second_.write(data);
    }

private:
    Writer& first_;
    Writer& second_;
};

// Bytes behind the end of a compressed stream belong to the blob, too.
Result<void> drain(Reader& reader) {
    std::array<std::byte, kChunkBytes> buffer;
    while (true) {
        HAKO_TRY(const auto count, reader.read(buffer));
        if (count == 0) return {};
    }
}

class Pull {
public:
    Pull(Stores& stores, const oci::Reference& reference, const PullOptions& options,
         Reporter& reporter, std::stop_token stop)
        : stores_(stores),
          reference_(reference),
          options_(options),
          reporter_(reporter),
          client_(reference, options.auth, options.registry) {
        caller_stop_.emplace(std::move(stop), [this] { stop_.request_stop(); });
    }

    Result<oci::Digest> run() {
        HAKO_TRY(const auto fetched,
                 client_.manifest(reference_.manifest_key(), stop_.get_token()));
        reporter_.report(reference_.manifest_key(), "Pulling from " + reference_.path);
        HAKO_TRY(auto image, fetch_image(fetched));
        HAKO_CHECK(fetch_layers(image));

        const auto& id = image.content.config.digest;
        HAKO_TRY(const auto before, stores_.catalog.id_of(reference_));
        auto digest_name = reference_;
        digest_name.tag.clear();
        digest_name.digest = fetched.digest;
        HAKO_CHECK(register_image(stores_, image, {reference_, digest_name}));
        reporter_.report({}, "Digest: " + fetched.digest.text());
        reporter_.report(
            {}, fmt::format("Status: {} for {}",
                            before == id ? "Image is up to date" : "Downloaded newer image",
                            reference_.familiar()));
        return id;
    }

private:
    // Follows an index to the manifest for the platform; both are kept as they came.
    Result<StoredImage> fetch_image(const oci::FetchedManifest& first) {
        std::set<oci::Digest> indexes;
        auto fetched = first;
        HAKO_TRY(auto document, oci::parse_manifest(fetched.bytes, fetched.media_type));
        if (const auto* index = std::get_if<oci::Index>(&document)) {
            HAKO_TRY(const auto chosen, oci::choose(*index, options_.platform));
            HAKO_TRY(const auto digest, stores_.content.put(fetched.bytes));
            indexes.insert(digest);
            HAKO_TRY(fetched, client_.manifest(chosen.digest.text(), stop_.get_token()));
            HAKO_TRY(document, oci::parse_manifest(fetched.bytes, chosen.media_type));
            if (!std::holds_alternative<oci::Manifest>(document))
                return fail(ErrorKind::invalid, "an index of indexes is not supported");
        }
        auto manifest = std::get<oci::Manifest>(std::move(document));
        HAKO_TRY(auto digest, stores_.content.put(fetched.bytes));
        HAKO_CHECK(fetch_config(manifest.config));
        HAKO_TRY(auto image, read_stored_image(stores_,
                                               {.media_type = fetched.media_type,
                                                .digest = std::move(digest),
                                                .size = fetched.bytes.size()},
                                               std::move(manifest)));
        image.more_blobs = std::move(indexes);
        return image;
    }

    Result<void> fetch_config(const oci::Descriptor& config) {
        if (stores_.content.has(config.digest)) return {};
        if (config.size > oci::kMaxConfigBytes)
            return fail(ErrorKind::too_large, "image configuration has {} bytes, more than {}",
                        config.size, oci::kMaxConfigBytes);
        HAKO_TRY(auto blob, stores_.content.ingest());
        HAKO_CHECK(client_.blob(config, *blob, stop_.get_token()));
        return blob->commit(config.digest);
    }

    // A few workers take layers off a list; the first error stops them all.
    Result<void> fetch_layers(const StoredImage& image) {
        const auto& layers = image.content.layers;
        for (std::size_t i = 0; i < layers.size(); ++i)
            reporter_.report(layers[i].digest.short_hex(),
                             stores_.layers.has(image.description.diff_ids[i])
                                 ? "Already exists"
                                 : "Pulling fs layer");
        std::atomic<std::size_t> next = 0;
        const auto work = [&](std::stop_token) {
            for (auto i = next++; i < layers.size() && !stop_.stop_requested(); i = next++) {
                auto fetched = fetch_layer(layers[i], image.description.diff_ids[i]);
                if (!fetched)
                    give_up(std::move(fetched).error().context(
                        fmt::format("layer {}", layers[i].digest.text())));
            }
        };
        {
            std::vector<std::jthread> workers;
            for (std::size_t i = 0; i < std::min(kParallelLayers, layers.size()); ++i)
                workers.push_back(start_thread("pull", work));
        }
        if (auto error = *first_error_.lock()) return fail(*std::move(error));
        if (stop_.stop_requested()) return fail(ErrorKind::cancelled, "pull was cancelled");
        return {};
    }

    void give_up(Error error) {
        auto first = first_error_.lock();
        if (!*first) *first = std::move(error);
        stop_.request_stop();
    }

    Result<void> fetch_layer(const oci::Descriptor& layer, const oci::Digest& diff_id) {
        if (stores_.layers.has(diff_id)) return {};
        // Another pull, or the same layer twice in one image: who comes second finds it done.
        const auto busy = stores_.busy.lock(diff_id.text(), stop_.get_token());
        if (!busy) return fail(ErrorKind::cancelled, "pull was cancelled");
        const auto id = layer.digest.short_hex();
        if (stores_.layers.has(diff_id)) {
            reporter_.report(id, "Already exists");
            return {};
        }
        HAKO_TRY(auto blob, stores_.content.ingest());
        HAKO_TRY(auto pending, download(layer, *blob));
        reporter_.report(id, "Verifying Checksum");
        HAKO_CHECK(blob->commit(layer.digest));
        reporter_.report(id, "Download complete");
        HAKO_CHECK(std::move(pending).commit(diff_id));
        reporter_.report(id, "Pull complete");
        return {};
    }

    // Downloads in a thread of its own, unpacks in this one.
    Result<LayerStore::Pending> download(const oci::Descriptor& layer, oci::BlobWriter& blob) {
        ByteChannel channel(kChannelBytes);
        std::optional<Error> download_error =
            Error(ErrorKind::internal, "the download ended unexpectedly; see the daemon's log");
        auto downloader = start_thread("download", [&](std::stop_token) {
            run_guarded("download", [&] {
                Tee tee(blob, channel);
                Meter meter(reporter_, layer.digest.short_hex(), "Downloading", layer.size);
                const auto done = client_.blob(layer, tee, stop_.get_token(),
                                               [&](std::uint64_t bytes) { meter.at(bytes); });
                if (done) download_error.reset();
                else download_error = done.error();
            });
            channel.close(download_error);
        });
        auto pending = stores_.layers.unpack(channel);
        auto drained = pending ? drain(channel) : Result<void>();
        channel.abandon();
        downloader.join();
        // What the network says explains more than what the unpacker makes of it.
        if (download_error && download_error->kind() != ErrorKind::cancelled)
            return fail(*std::move(download_error));
        if (!drained) return fail(std::move(drained).error());
        return pending;
    }

    Stores& stores_;
    const oci::Reference& reference_;
    const PullOptions& options_;
    Reporter& reporter_;
    oci::RegistryClient client_;
    std::stop_source stop_;  // the caller's wish, or an error's
    std::optional<std::stop_callback<std::function<void()>>> caller_stop_;
    Guarded<std::optional<Error>> first_error_;
};

}  // namespace

Result<oci::Digest> pull_image(Stores& stores, const oci::Reference& reference,
                               const PullOptions& options, Reporter& reporter,
                               std::stop_token stop) {
    return Pull(stores, reference, options, reporter, std::move(stop)).run();
}

}  // namespace hako::images
