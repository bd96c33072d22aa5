#include "dockerapi/image_json.h"

#include <algorithm>

#include "base/units.h"

namespace hako::dockerapi {
namespace {

// {"80/tcp": {}}
Json as_keys(const std::vector<std::string>& names) {
    Json object = Json::object();
    for (const auto& name : names) object[name] = Json::object();
    return object;
}

Json or_null(const std::vector<std::string>& list) {
    return list.empty() ? Json(nullptr) : Json(list);
}

Json config_details(const oci::ImageConfig& config) {
    Json json = {{"User", config.user},
                 {"Env", config.env},
                 {"Cmd", or_null(config.cmd)},
                 {"WorkingDir", config.working_dir},
                 {"Entrypoint", or_null(config.entrypoint)},
                 {"OnBuild", or_null(config.on_build)},
                 {"Labels", config.labels},
                 {"Volumes", nullptr}};
    if (!config.volumes.empty()) json["Volumes"] = as_keys(config.volumes);
    if (!config.exposed_ports.empty()) json["ExposedPorts"] = as_keys(config.exposed_ports);
    if (!config.stop_signal.empty()) json["StopSignal"] = config.stop_signal;
    if (!config.shell.empty()) json["Shell"] = config.shell;
    if (config.healthcheck.is_object()) json["Healthcheck"] = config.healthcheck;
    return json;
}

Json descriptor(const oci::Descriptor& manifest) {
    return {{"mediaType", manifest.media_type},
            {"digest", manifest.digest.text()},
            {"size", manifest.size}};
}

void add_virtual_size(Json& json, const images::Image& image, ApiVersion version) {
    if (version < ApiVersion{1, 44}) json["VirtualSize"] = image.size;
}

std::int64_t unix_seconds(const std::string& time) {
    const auto parsed = parse_time(time);
    if (!parsed) return 0;
    return std::chrono::duration_cast<std::chrono::seconds>(parsed->time_since_epoch()).count();
}

// "[=====>     ]  1.2MB/3.4MB": 50 characters wide.
std::string bar(std::uint64_t current, std::uint64_t total) {
    constexpr std::size_t kWidth = 50;
    if (total == 0) return format_bytes(current);
    const double part = static_cast<double>(std::min(current, total)) / static_cast<double>(total);
    const auto filled = static_cast<std::size_t>(part * kWidth);
    std::string text(filled, '=');
    if (filled < kWidth) text += '>';
    text.resize(kWidth, ' ');
    return fmt::format("[{}]  {}/{}", text, format_bytes(current), format_bytes(total));
}

// Of the step that made the image.
std::string comment_of(const images::Image& image) {
    if (!image.history.is_array() || image.history.empty()) return "";
    return json_field_or<std::string>(image.history.back(), "comment", "").value_or("");
}

}  // namespace

Json image_details(const images::Image& image, ApiVersion version) {
    Json json = {{"Id", image.id},
                 {"RepoTags", image.repo_tags},
                 {"RepoDigests", image.repo_digests},
                 {"Parent", ""},
                 {"Comment", comment_of(image)},
                 {"Created", image.created},
                 {"DockerVersion", ""},
                 {"Author", image.author},
                 {"Config", config_details(image.config)},
                 {"Architecture", image.architecture},
                 {"Os", image.os},
                 {"Size", image.size},
                 {"GraphDriver", {{"Name", "erofs"}, {"Data", Json::object()}}},
                 {"RootFS", {{"Type", "layers"}, {"Layers", image.diff_ids}}},
                 {"Metadata", {{"LastTagTime", format_time(image.tagged)}}}};
    if (!image.variant.empty()) json["Variant"] = image.variant;
    if (version >= ApiVersion{1, 48}) json["Descriptor"] = descriptor(image.manifest);
    add_virtual_size(json, image, version);
    return json;
}

Json image_summary(const images::Image& image, ApiVersion version) {
    Json json = {{"Containers", -1},
                 {"Created", unix_seconds(image.created)},
                 {"Id", image.id},
                 {"Labels", image.config.labels},
                 {"ParentId", ""},
                 {"RepoDigests", image.repo_digests},
                 {"RepoTags", image.repo_tags},
                 {"SharedSize", -1},
                 {"Size", image.size}};
    add_virtual_size(json, image, version);
    return json;
}

Json image_manifests(const images::Image& image) {
    Json platform{{"os", image.os}, {"architecture", image.architecture}};
    if (!image.variant.empty()) platform["variant"] = image.variant;
    return Json::array(
        {{{"ID", image.manifest.digest.text()},
          {"Descriptor", descriptor(image.manifest)},
          {"Available", true},
          {"Kind", "image"},
          {"Size", {{"Content", image.content_size}, {"Total", image.content_size + image.size}}},
          {"ImageData",
           {{"Platform", std::move(platform)},
            {"Containers", Json::array()},
            {"Size", {{"Unpacked", image.size}}}}}}});
}

Json image_history(const images::Image& image) {
    struct Step {
        std::string created, created_by, comment;
        bool empty = false;
    };
    const auto text = [](const Json& object, const char* name) {
        return json_field_or<std::string>(object, name, "").value_or("");
    };
    std::vector<Step> steps;
    if (image.history.is_array())
        for (const auto& line : image.history)
            steps.push_back({text(line, "created"), text(line, "created_by"), text(line, "comment"),
                             json_field_or(line, "empty_layer", false).value_or(false)});
    // What the history does not tell of is there all the same.
    const auto told = static_cast<std::size_t>(std::ranges::count(steps, false, &Step::empty));
    if (told < image.layer_sizes.size())
        steps.resize(steps.size() + image.layer_sizes.size() - told);

    Json list = Json::array();
    std::size_t layer = 0;
    for (const auto& step : steps) {
        const bool has_layer = !step.empty && layer < image.layer_sizes.size();
        list.push_back({{"Id", "<missing>"},
                        {"Created", unix_seconds(step.created)},
                        {"CreatedBy", step.created_by},
                        {"Tags", nullptr},
                        {"Size", has_layer ? image.layer_sizes[layer] : 0},
                        {"Comment", step.comment}});
        if (has_layer) ++layer;
    }
    std::ranges::reverse(list);
    if (!list.empty()) {
        list.front()["Id"] = image.id;
        list.front()["Tags"] = or_null(image.repo_tags);
    }
    return list;
}

Json removed_images(const images::Removed& removed) {
    Json list = Json::array();
    for (const auto& name : removed.untagged) list.push_back({{"Untagged", name}});
    for (const auto& id : removed.deleted) list.push_back({{"Deleted", id}});
    return list;
}

Json check_report(const images::CheckReport& report) {
    Json findings = Json::array();
    for (const auto& finding : report.findings)
        findings.push_back({{"Subject", finding.subject},
                            {"Problem", finding.problem},
                            {"Remedy", finding.remedy}});
    return {{"Images", report.images},
            {"Blobs", report.blobs},
            {"Layers", report.layers},
            {"Views", report.views},
            {"LeftoversSkipped", report.leftovers_skipped},
            {"Findings", std::move(findings)}};
}

std::string progress_line(const images::Progress& progress) {
    if (!progress.result.is_null())
        return dump_json({{"progressDetail", Json::object()}, {"aux", progress.result}}) + "\r\n";
    Json line = {{"status", progress.status}};
    if (!progress.id.empty()) {
        line["id"] = progress.id;
        line["progressDetail"] = Json::object();
    }
    if (progress.current != 0 || progress.total != 0) {
        line["progressDetail"] = {{"current", progress.current}, {"total", progress.total}};
        line["progress"] = bar(progress.current, progress.total);
    }
    return dump_json(line) + "\r\n";
}

std::string error_line(const Error& error) {
    return dump_json(
               {{"errorDetail", {{"message", error.message()}}}, {"error", error.message()}}) +
           "\r\n";
}

}  // namespace hako::dockerapi
