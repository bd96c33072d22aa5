#include "images/check.h"

#include <fcntl.h>

#include <algorithm>
#include <map>
#include <vector>

#include "base/stream.h"
#include "fsimage/index.h"

namespace hako::images {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPieceBytes = 256U << 10U;

// False where one of them cannot be read.
bool same_content(const fs::path& left, const fs::path& right) {
    const auto first = open_file(left, O_RDONLY);
    const auto second = open_file(right, O_RDONLY);
    if (!first || !second) return false;
    std::vector<std::byte> a(kPieceBytes);
    std::vector<std::byte> b(kPieceBytes);
    while (true) {
        const auto count = read_full(first->get(), a);
        const auto other = read_full(second->get(), b);
        if (!count || !other || *count != *other) return false;
        if (*count == 0) return true;
        if (!std::equal(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(*count), b.begin()))
            return false;
    }
}

// All that can be told of a layer without its blob.
bool is_whole(const fsimage::LayerFiles& files) {
    const auto index = fsimage::LayerIndex::load(files.index);
    std::error_code error;
    const auto bytes = fs::file_size(files.data, error);
    return index && !error && bytes == index->layer().data_bytes;
}

class Check {
public:
    Check(Stores& stores, const CheckOptions& options) : stores_(stores), options_(options) {}

    Result<CheckReport> run() {
        {
            const auto lease = stores_.garbage.lease();
            HAKO_CHECK(check_images());
            HAKO_CHECK(check_views());
        }
        HAKO_CHECK(check_leftovers());
        return std::move(report_);
    }

private:
    Result<void> check_images() {
        HAKO_TRY(const auto ids, stores_.catalog.ids());
        for (const auto& id : ids) {
            auto record = stores_.catalog.image(id);
            if (!record) continue;  // removed since
            ++report_.images;
            HAKO_CHECK(check_image(*record));
            if (options_.stop.stop_requested())
                return fail(ErrorKind::cancelled, "the check was cancelled");
        }
        return {};
    }

    // What is lost of an image leaves the rest usable, and comes back with the next pull.
    Result<void> check_image(const ImageRecord& record) {
        HAKO_TRY(const auto names, stores_.catalog.names_of(record.id));
        const auto owner = names.empty() ? record.id.short_hex() : names.front().familiar();
        for (const auto& blob : record.blobs) check_blob(blob, owner);
        const auto layers = layer_blobs(record.manifest);
        for (std::size_t i = 0; i < record.diff_ids.size(); ++i)
            check_layer(record.diff_ids[i],
                        i < layers.size() ? std::optional(layers[i]) : std::nullopt, owner);
        return {};
    }

    // None where the manifest is lost.
    std::vector<oci::Digest> layer_blobs(const oci::Digest& manifest) const {
        std::vector<oci::Digest> blobs;
        const auto bytes = stores_.content.read(manifest, oci::kMaxManifestBytes);
        if (!bytes) return blobs;
        const auto document = oci::parse_manifest(*bytes, {});
        if (!document) return blobs;
        if (const auto* content = std::get_if<oci::Manifest>(&*document))
            for (const auto& layer : content->layers) blobs.push_back(layer.digest);
        return blobs;
    }

    // Whether its bytes are what its digest says. Each is read once.
    bool check_blob(const oci::Digest& digest, const std::string& owner) {
        const auto known = blobs_.find(digest);
        if (known != blobs_.end()) return known->second;
        ++report_.blobs;
        const auto read = read_to_end(digest);
        if (!read) {
            const bool missing = read.error().kind() == ErrorKind::not_found;
            add(fmt::format("blob {} of {}", digest.text(), owner),
                missing ? "it is missing" : "its bytes are not what its digest says",
                "removed; pull the image again");
            if (options_.repair) note(stores_.content.remove(digest));
        }
        return blobs_[digest] = read.has_value();
    }

    Result<void> read_to_end(const oci::Digest& digest) const {
        HAKO_TRY(const auto reader, stores_.content.reader(digest));
        return drain(*reader);
    }

    // Unpacks the blob once more and compares: the only proof that a layer's files are right.
    void check_layer(const oci::Digest& diff_id, const std::optional<oci::Digest>& blob,
                     const std::string& owner) {
        if (!layers_.insert(diff_id).second) return;
        ++report_.layers;
        const auto label = fmt::format("layer {} of {}", diff_id.text(), owner);
        const auto files = stores_.layers.files(diff_id);
        auto fresh = unpack(diff_id, blob);
        if (fresh && same_content(files.data, fresh->files().data) &&
            same_content(files.index, fresh->files().index))
            return;
        const auto problem =
            stores_.layers.has(diff_id) ? "its files are damaged" : "it is missing";
        if (fresh) {
            add(label, problem, "unpacked again");
            if (options_.repair) note(replace(diff_id, *std::move(fresh)));
        } else if (!is_whole(files)) {
            add(label, problem, "removed; pull the image again");
            if (options_.repair) note(stores_.layers.remove(diff_id));
        }
    }

    Result<LayerStore::Pending> unpack(const oci::Digest& diff_id,
                                       const std::optional<oci::Digest>& blob) {
        if (!blob || !blobs_[*blob]) return fail(ErrorKind::not_found, "its blob is lost");
        HAKO_TRY(const auto reader, stores_.content.reader(*blob));
        HAKO_TRY(auto pending, stores_.layers.unpack(*reader));
        if (pending.diff_id() != diff_id.text())
            return fail(ErrorKind::corrupt, "its blob holds another layer");
        return pending;
    }

    Result<void> replace(const oci::Digest& diff_id, LayerStore::Pending fresh) {
        HAKO_CHECK(stores_.layers.remove(diff_id));
        return std::move(fresh).commit(diff_id);
    }

    // A view is what its layers make of it; where it is not, the next container has it made anew.
    Result<void> check_views() {
        HAKO_TRY(const auto ids, stores_.catalog.ids());
        for (const auto& id : ids) {
            const auto view = stores_.view_of(id);
            std::error_code error;
            if (!fs::exists(view, error)) continue;
            ++report_.views;
            HAKO_TRY(const auto folder, TempDir::create(stores_.views));
            const auto fresh = folder.path() / "view";
            const auto layers = stores_.layers_of(id);
            if (!layers && !stores_.catalog.image(id)) continue;  // removed since
            if (!layers) return fail(layers.error());
            // Where that fails, a layer is to blame, and was named.
            if (!fsimage::write_view(*layers, fresh) || same_content(view, fresh)) continue;
            if (!stores_.catalog.image(id)) continue;
            add("view of image " + id.short_hex(), "it does not fit its layers",
                "removed; it is made again when a container needs it");
            if (options_.repair) fs::remove(view, error);
        }
        return {};
    }

    // What no image needs. While a pull or a load goes on, that cannot be told.
    Result<void> check_leftovers() {
        Result<Stores::Leftovers> found;
        if (!stores_.garbage.when_idle([&] { found = stores_.leftovers(); })) {
            report_.leftovers_skipped = true;
            return {};
        }
        HAKO_TRY(const auto leftovers, std::move(found));
        const auto add_unneeded = [&](std::string what) {
            add(std::move(what), "no image needs it", "removed");
        };
        for (const auto& blob : leftovers.blobs) add_unneeded("blob " + blob.text());
        for (const auto& layer : leftovers.layers) add_unneeded("layer " + layer.text());
        for (const auto& path : leftovers.files) add_unneeded(path.string());
        if (options_.repair) stores_.garbage.collect();
        return {};
    }

    void add(std::string subject, std::string problem, std::string_view remedy) {
        report_.findings.push_back(
            {std::move(subject), std::move(problem), std::string(options_.repair ? remedy : "")});
    }
    void note(const Result<void>& repaired) {
        if (!repaired) report_.findings.back().remedy = repaired.error().message();
    }

    Stores& stores_;
    const CheckOptions& options_;
    CheckReport report_;
    std::map<oci::Digest, bool> blobs_;
    std::set<oci::Digest> layers_;
};

}  // namespace

Result<CheckReport> check_stores(Stores& stores, const CheckOptions& options) {
    return Check(stores, options).run();
}

}  // namespace hako::images
