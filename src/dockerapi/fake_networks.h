// The service of networks in memory, for tests.
#pragma once

#include "base/guarded.h"
#include "dockerapi/services.h"

namespace hako::dockerapi::fakes {

class Networks : public NetworkService {
public:
    struct State {
        std::map<std::string, engine::Network> networks;  // by name
        std::vector<std::string> calls;                   // "connect n c"
        engine::EndpointSettings settings;                // of the last connect
        engine::NetworkFilter filter;                     // of the last list or prune
    };
    Guarded<State> state;

    Result<engine::Network> create(const engine::NetworkRequest& request) override {
        engine::Network network;
        static_cast<engine::NetworkRequest&>(network) = request;
        network.id = std::string(64, 'f');
        if (!state.lock()->networks.emplace(request.name, network).second)
            return fail(ErrorKind::conflict, "network with name {} already exists", request.name);
        return network;
    }
    Result<std::vector<engine::Network>> list(const engine::NetworkFilter& filter) const override {
        auto now = state.lock();
        now->filter = filter;
        std::vector<engine::Network> all;
        for (const auto& [name, network] : now->networks) all.push_back(network);
        return all;
    }
    Result<engine::Network> inspect(std::string_view network) const override {
        auto now = state.lock();
        const auto found = now->networks.find(std::string(network));
        if (found == now->networks.end())
            return fail(ErrorKind::not_found, "network {} not found", network);
        return found->second;
    }
    Result<void> remove(std::string_view network) override {
        if (state.lock()->networks.erase(std::string(network)) == 0)
            return fail(ErrorKind::not_found, "network {} not found", network);
        return {};
    }
    Result<std::vector<std::string>> prune(const engine::NetworkFilter& filter) override {
        auto now = state.lock();
        now->filter = filter;
        std::vector<std::string> names;
        for (const auto& [name, network] : now->networks) names.push_back(name);
        now->networks.clear();
        return names;
    }
    Result<void> connect(std::string_view network, std::string_view container,
                         const engine::EndpointSettings& settings) override {
        auto now = state.lock();
        now->calls.push_back(fmt::format("connect {} {}", network, container));
        now->settings = settings;
        return {};
    }
    Result<void> disconnect(std::string_view network, std::string_view container) override {
        state.lock()->calls.push_back(fmt::format("disconnect {} {}", network, container));
        return {};
    }
};

}  // namespace hako::dockerapi::fakes
