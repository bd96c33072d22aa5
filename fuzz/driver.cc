// The main of every fuzz target. Built with HAKO_LIBFUZZER, libFuzzer brings its own main and this
// writes the seeds into the folder of $HAKO_FUZZ_CORPUS; else it runs the seeds and a number of
// mutations of each, always the same ones, for `make test`.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>

#include "base/fd.h"
#include "fuzz/target.h"

#ifdef HAKO_LIBFUZZER

extern "C" int LLVMFuzzerInitialize(int*, char***) {
    const char* const folder = std::getenv("HAKO_FUZZ_CORPUS");
    if (folder == nullptr) return 0;
    int number = 0;
    for (const std::string& seed : hako::fuzz::seeds()) {
        const auto path = std::filesystem::path(folder) / fmt::format("seed-{}", number++);
        if (!hako::write_file(path, seed)) std::abort();
    }
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    hako::fuzz::run({reinterpret_cast<const char*>(data), size});
    return 0;
}

#else

namespace {

std::string mutate(std::string input, std::mt19937& random) {
    const auto below = [&](std::size_t limit) {
        return random() % std::max<std::size_t>(limit, 1);
    };
    for (std::size_t changes = 1 + below(8); changes > 0 && !input.empty(); --changes) {
        const std::size_t at = below(input.size());
        switch (random() % 6) {
            case 0: input[at] = static_cast<char>(random()); break;
            case 1: input[at] = static_cast<char>(input[at] ^ 1 << random() % 8); break;
            case 2: input.resize(at); break;
            case 3: input.erase(at, 1 + below(16)); break;
            case 4: input.insert(at, input.substr(below(input.size()), 1 + below(600))); break;
            default: input.replace(at, 1, 1, "\0\x7f\xff/"[random() % 4]); break;
        }
    }
    return input;
}

}  // namespace

int main(int argc, char** argv) {
    const int runs = argc > 1 ? std::atoi(argv[1]) : 500;  // of each seed
    std::mt19937 random(1);                                // NOLINT: the same every time
    const auto seeds = hako::fuzz::seeds();
    for (const std::string& seed : seeds) {
        hako::fuzz::run(seed);
        for (int i = 0; i < runs; ++i) hako::fuzz::run(mutate(seed, random));
    }
    std::printf("%zu seeds, %d mutations each\n", seeds.size(), runs);
    return seeds.empty() ? 1 : 0;
}

#endif
