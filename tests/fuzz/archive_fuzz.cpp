// Any bytes are a bundle or an InputError in one line that names the source: as they are, and, so that more than gzip's
// checksum is looked at, packed as a gzipped tar's.
#include <string>

#include "harness/core/error.h"
#include "harness/publish/bundle/archive.h"
#include "harness/publish/report/archive.h"
#include "tests/fuzz/fuzz_target.h"

namespace {

constexpr assay::ArchiveLimits kLimits{1 << 16, 1 << 20, 100};

void read(std::string_view bytes) {
  using namespace assay;
  try {
    read_archive(bytes, "fuzz", kLimits, [](const std::string& name, std::string&& text) {
      require(!name.empty() && name.find('/') == std::string::npos && name != ".." && name != ".",
              "a name leads nowhere else");
      require(text.size() <= std::size_t(kLimits.file_bytes), "no file is larger than allowed");
    });
  } catch (const InputError& error) {
    require_message(error.what(), "fuzz:");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = assay::as_text(data, size);
  read(bytes);
  read(assay::gzip(bytes));
  return 0;
}
