// What a fuzz target's file defines, for libFuzzer's main and for the replay of the corpus.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace assay {

/// Ends the process where it does not hold: what libFuzzer and the replay notice.
inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

inline std::string_view as_text(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// An error's message is one line, names its source, and does not repeat the file.
inline void require_message(std::string_view message, std::string_view source) {
  constexpr std::size_t kLongest = 4096;
  require(message.starts_with(source), "a message begins with its source");
  require(message.find('\n') == std::string_view::npos, "a message is one line");
  require(message.size() < kLongest, "a message is short");
}

}  // namespace assay
