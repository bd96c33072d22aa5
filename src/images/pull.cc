#include "images/pull.h"

#include <algorithm>
#include <array>
#include <thread>

#include "base/guarded.h"
#include "base/log.h"
#include "base/thread.h"
#include "images/byte_channel.h"
#include "images/workers.h"
#include "oci/registry_client.h"

namespace hako::images {
namespace {

constexpr std::size_t kChannelBytes = 1U << 20U;

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

class Pull {
public:
    Pull(Stores& stores, const oci::Reference& reference, const PullOptions& options,
         Reporter& reporter, std::stop_token stop)
        : stores_(stores),
          reference_(reference),
          options_(options),
          reporter_(reporter),
          client_(reference, options.auth, options.registry),
          workers_("pull", std::move(stop)) {}

    Result<void> run() {
        HAKO_TRY(const auto fetched, client_.manifest(reference_.manifest_key(), workers_.stop()));
        reporter_.report(reference_.manifest_key(), "Pulling from " + reference_.path);
        HAKO_TRY(const auto images, fetch_images(fetched));
        for (const auto& image : images) HAKO_CHECK(fetch_layers(image));

        HAKO_TRY(const auto before, stores_.catalog.images_of(reference_));
        auto digest_name = reference_;
        digest_name.tag.clear();
        digest_name.digest = fetched.digest;
        bool up_to_date = true;
        for (const auto& image : images) {
            up_to_date = up_to_date && std::ranges::find(before, image.content.config.digest,
                                                         &NamedImage::image) != before.end();
            HAKO_CHECK(register_image(stores_, image, {reference_, digest_name}));
        }
        reporter_.report({}, "Digest: " + fetched.digest.text());
        reporter_.report({},
                         fmt::format("Status: {} for {}",
                                     up_to_date ? "Image is up to date" : "Downloaded newer image",
                                     reference_.familiar()));
        return {};
    }

private:
    // Follows an index to the manifests for the platforms; all are kept as they came.
    Result<std::vector<StoredImage>> fetch_images(const oci::FetchedManifest& fetched) {
        HAKO_TRY(auto document, oci::parse_manifest(fetched.bytes, fetched.media_type));
        if (const auto* index = std::get_if<oci::Index>(&document))
            return fetch_index(*index, fetched.bytes, 1);
        std::vector<StoredImage> images;
        HAKO_TRY(auto image,
                 fetch_image({.media_type = fetched.media_type,
                              .digest = fetched.digest,
                              .size = fetched.bytes.size()},
                             fetched.bytes, std::get<oci::Manifest>(std::move(document))));
        HAKO_CHECK(check_platform(image.platform));
        images.push_back(std::move(image));
        return images;
    }

    // depth: how many indexes lead here, this one included. An image is known by the innermost.
    Result<std::vector<StoredImage>> fetch_index(const oci::Index& index, const std::string& bytes,
                                                 int depth) {
        if (depth > oci::kMaxIndexDepth)
            return fail(ErrorKind::invalid, "image indexes are nested too deeply");
        HAKO_TRY(const auto wanted, choose_platforms(index));
        HAKO_TRY(const auto digest, stores_.content.put(bytes));
        std::vector<StoredImage> images;
        for (const auto& descriptor : wanted) {
            HAKO_TRY(const auto fetched,
                     client_.manifest(descriptor.digest.text(), workers_.stop()));
            HAKO_TRY(auto document, oci::parse_manifest(fetched.bytes, descriptor.media_type));
            if (const auto* inner = std::get_if<oci::Index>(&document)) {
                HAKO_TRY(auto found, fetch_index(*inner, fetched.bytes, depth + 1));
                std::ranges::move(found, std::back_inserter(images));
                continue;
            }
            HAKO_TRY(auto image, fetch_image(descriptor, fetched.bytes,
                                             std::get<oci::Manifest>(std::move(document))));
            image.index = digest;
            images.push_back(std::move(image));
        }
        return images;
    }

    Result<std::vector<oci::Descriptor>> choose_platforms(const oci::Index& index) {
        std::vector<oci::Descriptor> wanted;
        if (!options_.all_platforms) {
            HAKO_TRY(auto chosen,
                     oci::choose(index, options_.platform.value_or(oci::Platform::host())));
            wanted.push_back(std::move(chosen));
            return wanted;
        }
        std::ranges::copy_if(index.manifests, std::back_inserter(wanted), [](const auto& image) {
            return !image.platform || image.platform->os == "linux";
        });
        if (wanted.empty())
            return fail(ErrorKind::not_found, "{} has no image for Linux", reference_.familiar());
        return wanted;
    }

    // A lone image is taken as it is, unless somebody asked for another platform.
    Result<void> check_platform(const oci::Platform& offered) const {
        if (!options_.platform || oci::platform_rank(*options_.platform, offered)) return {};
        return fail(ErrorKind::not_found, "{} does not provide the platform {}, only {}",
                    reference_.familiar(), options_.platform->text(), offered.text());
    }

    Result<StoredImage> fetch_image(const oci::Descriptor& descriptor, const std::string& bytes,
                                    oci::Manifest manifest) {
        HAKO_CHECK(stores_.content.put(bytes));
        HAKO_CHECK(fetch_config(manifest.config));
        return read_stored_image(stores_, descriptor, std::move(manifest));
    }

    Result<void> fetch_config(const oci::Descriptor& config) {
        if (stores_.content.has(config.digest)) return {};
        if (config.size > oci::kMaxConfigBytes)
            return fail(ErrorKind::too_large, "image configuration has {} bytes, more than {}",
                        config.size, oci::kMaxConfigBytes);
        return from_whom_it_is_right(config, [&]() -> Result<void> {
            HAKO_TRY(auto blob, stores_.content.ingest());
            HAKO_CHECK(client_.blob(config, *blob, workers_.stop()));
            return blob->commit(config.digest);
        });
    }

    // A mirror may keep other bytes than the digest promises: then they come from the next one.
    template <typename Fetch>
    Result<void> from_whom_it_is_right(const oci::Descriptor& blob, const Fetch& fetch) {
        while (true) {
            auto fetched = fetch();
            if (fetched) return fetched;
            const auto kind = fetched.error().kind();
            const bool wrong = kind == ErrorKind::corrupt || kind == ErrorKind::invalid ||
                               kind == ErrorKind::too_large;
            if (!wrong || !client_.distrust(blob.digest)) return fetched;
            log_info("{}: a mirror sends something else ({}); asking the next", blob.digest.text(),
                     fetched.error().message());
        }
    }

    // A few workers take layers off a list; the first error stops them all.
    Result<void> fetch_layers(const StoredImage& image) {
        const auto& layers = image.content.layers;
        for (std::size_t i = 0; i < layers.size(); ++i)
            reporter_.report(layers[i].digest.short_hex(),
                             is_here(layers[i], image.description.diff_ids[i])
                                 ? "Already exists"
                                 : "Pulling fs layer");
        return workers_.run(
            options_.registry.parallel_downloads, layers.size(), [&](std::size_t i) {
                return with_context(fetch_layer(layers[i], image.description.diff_ids[i]),
                                    fmt::format("layer {}", layers[i].digest.text()));
            });
    }

    bool is_here(const oci::Descriptor& layer, const oci::Digest& diff_id) const {
        return stores_.layers.has(diff_id) && stores_.content.has(layer.digest);
    }

    Result<void> fetch_layer(const oci::Descriptor& layer, const oci::Digest& diff_id) {
        if (is_here(layer, diff_id)) return {};
        const auto id = layer.digest.short_hex();
        // Another pull, or the same layer twice in one image: who comes second finds it done.
        const auto busy = stores_.busy.lock(diff_id.text(), workers_.stop(),
                                            [&] { reporter_.report(id, "Waiting"); });
        if (!busy) return fail(ErrorKind::cancelled, "pull was cancelled");
        if (is_here(layer, diff_id)) {
            reporter_.report(id, "Already exists");
            return {};
        }
        return from_whom_it_is_right(layer, [&] {
            return stores_.layers.has(diff_id) ? fetch_blob(layer)
                                               : fetch_and_unpack(layer, diff_id);
        });
    }

    Result<void> fetch_and_unpack(const oci::Descriptor& layer, const oci::Digest& diff_id) {
        const auto id = layer.digest.short_hex();
        HAKO_TRY(auto blob, stores_.content.ingest());
        HAKO_TRY(auto pending, download(layer, *blob));
        reporter_.report(id, "Verifying Checksum");
        HAKO_CHECK(blob->commit(layer.digest));
        reporter_.report(id, "Download complete");
        HAKO_CHECK(std::move(pending).commit(diff_id));
        reporter_.report(id, "Pull complete");
        return {};
    }

    // The same layer came before, compressed in another way: to push or save this image takes the
    // bytes that its manifest names.
    Result<void> fetch_blob(const oci::Descriptor& layer) {
        HAKO_TRY(auto blob, stores_.content.ingest());
        Meter meter(reporter_, layer.digest.short_hex(), "Downloading", layer.size);
        HAKO_CHECK(client_.blob(layer, *blob, workers_.stop(),
                                [&](std::uint64_t bytes) { meter.at(bytes); }));
        HAKO_CHECK(blob->commit(layer.digest));
        reporter_.report(layer.digest.short_hex(), "Pull complete");
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
                const auto done = client_.blob(layer, tee, workers_.stop(),
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
    Workers workers_;
};

}  // namespace

Result<void> pull_image(Stores& stores, const oci::Reference& reference, const PullOptions& options,
                        Reporter& reporter, std::stop_token stop) {
    return Pull(stores, reference, options, reporter, std::move(stop)).run();
}

}  // namespace hako::images
