#include "images/remove.h"

#include <algorithm>

#include "images/find.h"

namespace hako::images {
namespace {

constexpr std::size_t kShortId = 12;

std::string short_id(std::string_view container) {
    return std::string(container.substr(0, kShortId));
}

tl::unexpected<Error> cannot_delete(const oci::Digest& id, std::string_view must,
                                    std::string_view reason) {
    return fail(ErrorKind::conflict, "conflict: unable to delete {} ({}) - {}", id.short_hex(),
                must, reason);
}

class Removal {
public:
    Removal(Stores& stores, const oci::Digest& id, bool force, std::vector<ImageUser> users)
        : stores_(stores), id_(id), force_(force), users_(std::move(users)) {}

    // Takes one name away; with the last one goes the image, unless a container needs it.
    Result<Removed> by_name(const oci::Reference& name) {
        HAKO_TRY(auto names, stores_.catalog.names_of(id_));
        // Digests of a repository without a tag in it are no names that anybody gave.
        const auto goes_too = [&](const oci::Reference& other) {
            return other == name ||
                   (other.digest && other.name() == name.name() && !has_other_tag(names, name));
        };
        const bool last = std::ranges::all_of(names, goes_too);
        if (last && !users_.empty() && !force_)
            return fail(ErrorKind::conflict,
                        "conflict: unable to remove repository reference \"{}\" (must force) - "
                        "container {} is using its referenced image {}",
                        name.familiar(), short_id(users_.front().container), id_.short_hex());
        for (const auto& other : names)
            if (goes_too(other)) HAKO_CHECK(untag(other));
        if (last && users_.empty()) HAKO_CHECK(delete_image());
        return std::move(removed_);
    }

    // Takes the image away with its name. Several names, or containers, are in the way.
    Result<Removed> by_id() {
        HAKO_TRY(const auto names, stores_.catalog.names_of(id_));
        const auto running = std::ranges::find(users_, true, &ImageUser::running);
        if (running != users_.end())
            return cannot_delete(
                id_, "cannot be forced",
                "image is being used by running container " + short_id(running->container));
        if (!force_ && !users_.empty())
            return cannot_delete(
                id_, "must be forced",
                "image is being used by stopped container " + short_id(users_.front().container));
        if (!force_ && count_repositories(names) > 1)
            return cannot_delete(id_, "must be forced",
                                 "image is referenced in multiple repositories");
        for (const auto& name : names) HAKO_CHECK(untag(name));
        if (users_.empty()) HAKO_CHECK(delete_image());
        return std::move(removed_);
    }

private:
    static bool has_other_tag(const std::vector<oci::Reference>& names,
                              const oci::Reference& name) {
        return std::ranges::any_of(names, [&](const oci::Reference& other) {
            return other != name && !other.digest && other.name() == name.name();
        });
    }

    // Several tags count each, and so do repositories that only a digest names.
    static std::size_t count_repositories(const std::vector<oci::Reference>& names) {
        return static_cast<std::size_t>(
            std::ranges::count_if(names, [&](const oci::Reference& name) {
                return !name.digest || !has_other_tag(names, name);
            }));
    }

    Result<void> untag(const oci::Reference& name) {
        HAKO_CHECK(stores_.catalog.remove_name(name, id_));
        removed_.untagged.push_back(name.familiar());
        return {};
    }

    Result<void> delete_image() {
        HAKO_TRY(const auto record, stores_.catalog.image(id_));
        HAKO_CHECK(stores_.catalog.remove_image(id_));
        removed_.deleted.push_back(id_.text());
        HAKO_TRY(const auto needed, stores_.catalog.all_diff_ids());
        for (auto diff_id = record.diff_ids.rbegin(); diff_id != record.diff_ids.rend(); ++diff_id)
            if (!needed.contains(*diff_id)) removed_.deleted.push_back(diff_id->text());
        return {};
    }

    Stores& stores_;
    oci::Digest id_;
    bool force_;
    std::vector<ImageUser> users_;
    Removed removed_;
};

}  // namespace

Result<Removed> remove_image(Stores& stores, std::string_view text, const RemoveOptions& options,
                             const ImageStore::UsersOf& users_of) {
    HAKO_TRY(auto match, find_images(stores.catalog, text));
    if (options.platform) {
        HAKO_TRY(auto chosen, choose_image(match, text, options.platform));
        match.images = {std::move(chosen)};
    }
    Removed removed;
    for (const auto& image : match.images) {
        // A check that runs beside takes nothing for a leftover that is just about to go.
        const auto lease = stores.garbage.lease();
        Removal removal(stores, image.image, options.force,
                        users_of ? users_of(image.image.text()) : std::vector<ImageUser>());
        auto one = match.name ? removal.by_name(*match.name) : removal.by_id();
        stores.garbage.collect();
        if (!one) return fail(std::move(one).error());
        // The platforms of an image share their names.
        for (auto& name : one->untagged)
            if (std::ranges::find(removed.untagged, name) == removed.untagged.end())
                removed.untagged.push_back(std::move(name));
        std::ranges::move(one->deleted, std::back_inserter(removed.deleted));
    }
    return removed;
}

}  // namespace hako::images
