// The files of configs/, built into the binary.
#pragma once
#include <optional>
#include <string_view>
#include <vector>

namespace assay {

struct EmbeddedFile {
  std::string_view path;  // "suites/quick.json"
  std::string_view text;
};

/// Sorted by path.
const std::vector<EmbeddedFile>& embedded_files();
std::optional<std::string_view> embedded_file(std::string_view path);

}  // namespace assay
