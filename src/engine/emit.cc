#include "engine/context.h"
#include "engine/engine.h"

namespace hako::engine {

void emit(Context& context, const Container& container, std::string action,
          const StringMap& details) {
    Event event{.type = "container", .action = std::move(action), .actor = container.id};
    event.attributes = container.config.labels;
    event.attributes["image"] = container.config.image;
    event.attributes["name"] = container.name;
    for (const auto& [name, value] : details) event.attributes[name] = value;
    context.events.publish(std::move(event));
}

void emit(Context& context, const EntryPtr& entry, std::string action, const StringMap& details) {
    emit(context, entry->live.lock()->container, std::move(action), details);
}

std::unique_ptr<EventStream> Engine::events(WallTime since, WallTime until) {
    return context_->events.listen(since, until);
}

void Engine::publish_image_event(std::string action, std::string image, StringMap attributes) {
    context_->events.publish({.type = "image",
                              .action = std::move(action),
                              .actor = std::move(image),
                              .attributes = std::move(attributes)});
}

}  // namespace hako::engine
