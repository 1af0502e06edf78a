#include "harness/suite/embedded.h"

#include <algorithm>

namespace assay {

// embedded_files() is generated (cmake/embed.cmake).
std::optional<std::string_view> embedded_file(std::string_view path) {
  const auto& files = embedded_files();
  const auto found = std::lower_bound(files.begin(), files.end(), path,
                                      [](const EmbeddedFile& file, std::string_view p) { return file.path < p; });
  if (found == files.end() || found->path != path) return std::nullopt;
  return found->text;
}

}  // namespace assay
