// Names of images, as users type them.
#include <cstdlib>

#include "fuzz/target.h"
#include "oci/reference.h"

namespace hako::fuzz {

std::vector<std::string> seeds() {
    return {
        "busybox", "127.0.0.1:5000/team/app:v1.2", "[::1]:5000/a/b_c__d.e-f:TAG_1.0-x",
        "docker.io/library/busybox@sha256:"
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "localhost/a:b@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"};
}

void run(std::string_view input) {
    const auto reference = oci::Reference::parse(input);
    if (!reference) return;
    // What it prints is what it reads, and prints the same again.
    const auto again = oci::Reference::parse(reference->familiar());
    if (!again || again->familiar() != reference->familiar()) std::abort();
}

}  // namespace hako::fuzz
