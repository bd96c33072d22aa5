#include "dockerapi/image_filters.h"

#include <fnmatch.h>

#include <algorithm>
#include <array>

namespace hako::dockerapi {
namespace {

// "busybox", "busybox:1.36", "127.0.0.1:5000/*/app:v?": the repository, or the whole name.
bool matches_reference(const std::string& name, const std::string& pattern) {
    const auto matches = [&](const std::string& text) {
        return ::fnmatch(pattern.c_str(), text.c_str(), FNM_PATHNAME) == 0;
    };
    const auto at = name.find('@');
    if (at != std::string::npos) return matches(name) || matches(name.substr(0, at));
    return matches(name) || matches(name.substr(0, name.rfind(':')));
}

bool has_label(const images::Image& image, const std::string& label) {
    const auto equals = std::min(label.find('='), label.size());
    const auto found = image.config.labels.find(label.substr(0, equals));
    if (found == image.config.labels.end()) return false;
    return equals == label.size() || found->second == label.substr(equals + 1);
}

// Leaves only names that match one of the patterns; whether any is left.
bool keep_matching_names(images::Image& image, const std::vector<std::string>& patterns) {
    const auto keep = [&](std::vector<std::string>& names) {
        std::erase_if(names, [&](const std::string& name) {
            return std::ranges::none_of(
                patterns, [&](const auto& pattern) { return matches_reference(name, pattern); });
        });
    };
    keep(image.repo_tags);
    keep(image.repo_digests);
    return !image.repo_tags.empty() || !image.repo_digests.empty();
}

void lower(std::optional<WallTime>& limit, WallTime time) {
    limit = limit ? std::min(*limit, time) : time;
}
void raise(std::optional<WallTime>& limit, WallTime time) {
    limit = limit ? std::max(*limit, time) : time;
}

}  // namespace

WallTime created(const images::Image& image) {
    return parse_time(image.created).value_or(WallTime{});
}

Result<ImageFilter> ImageFilter::common(const Filters& filters) {
    ImageFilter filter;
    for (const auto& text : values_of(filters, "dangling")) {
        HAKO_TRY(filter.dangling_, boolean_filter("dangling", text));
    }
    for (const auto& text : values_of(filters, "until")) {
        HAKO_TRY(const auto time, moment("until", text));
        lower(filter.created_before_, time);
    }
    filter.labels_ = values_of(filters, "label");
    filter.unwanted_labels_ = values_of(filters, "label!");
    filter.references_ = values_of(filters, "reference");
    return filter;
}

Result<ImageFilter> ImageFilter::of_list(const http::Query& query, const ImageService& images) {
    static constexpr std::array<std::string_view, 6> kKnown{"before",    "dangling", "label",
                                                            "reference", "since",    "until"};
    HAKO_TRY(auto parsed, filters(query, kKnown));
    // Of clients before 1.30, which are gone, but docker-py still writes it.
    if (const auto name = query.value_or("filter", ""); !name.empty())
        parsed["reference"].push_back(name);
    HAKO_TRY(auto filter, common(parsed));
    for (const auto& name : values_of(parsed, "before")) {
        HAKO_TRY(const auto image, images.find(name, {}));
        lower(filter.created_before_, created(image));
    }
    for (const auto& name : values_of(parsed, "since")) {
        HAKO_TRY(const auto image, images.find(name, {}));
        raise(filter.created_after_, created(image));
    }
    return filter;
}

Result<ImageFilter> ImageFilter::of_prune(const http::Query& query) {
    static constexpr std::array<std::string_view, 4> kKnown{"dangling", "label", "label!", "until"};
    HAKO_TRY(const auto parsed, filters(query, kKnown));
    HAKO_TRY(auto filter, common(parsed));
    // dangling=false asks for all that is unused, not for what has a name.
    if (filter.dangling_.value_or(true)) filter.dangling_ = true;
    else filter.dangling_.reset();
    return filter;
}

bool ImageFilter::keep(images::Image& image) const {
    if (dangling_ && *dangling_ != image.repo_tags.empty()) return false;
    const auto has = [&](const auto& label) { return has_label(image, label); };
    if (!std::ranges::all_of(labels_, has)) return false;
    if (std::ranges::any_of(unwanted_labels_, has)) return false;
    if (created_before_ && created(image) >= *created_before_) return false;
    if (created_after_ && created(image) <= *created_after_) return false;
    return references_.empty() || keep_matching_names(image, references_);
}

}  // namespace hako::dockerapi
