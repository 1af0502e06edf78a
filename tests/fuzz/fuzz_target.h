// What a fuzz target's file defines, for libFuzzer's main and for the replay of the corpus.
#pragma once
#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
