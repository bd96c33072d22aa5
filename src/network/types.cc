#include "network/types.h"

#include "base/fd.h"
#include "base/sha256.h"

namespace hako::network {

std::string_view to_string(Protocol protocol) { return protocol == Protocol::tcp ? "tcp" : "udp"; }

Result<Protocol> parse_protocol(std::string_view text) {
    if (text == "tcp") return Protocol::tcp;
    if (text == "udp") return Protocol::udp;
    return fail(ErrorKind::invalid, "protocol \"{}\" cannot be published; use tcp or udp", text);
}

std::string to_string(const PortBinding& binding) {
    const Address host = binding.host_ip.value_or(Address());
    return fmt::format("{}:{}->{}/{}",
                       host.is_v4() ? to_string(host) : fmt::format("[{}]", to_string(host)),
                       binding.host_port, binding.container_port, to_string(binding.protocol));
}

std::string bridge_name(std::string_view network_id) {
    return fmt::format("hk-{}", network_id.substr(0, 12));
}

std::string tap_name(std::string_view container_id, std::string_view network_id) {
    const std::string both = fmt::format("{} {}", container_id, network_id);
    return fmt::format("hkt{}", sha256_hex(as_bytes(both)).substr(0, 12));
}

}  // namespace hako::network
