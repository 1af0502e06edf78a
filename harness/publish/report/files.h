// The files of harness/publish/report, built into the binary: the page that `assay report` fills.
#pragma once
#include "harness/suite/embedded.h"

namespace assay {

/// Sorted by path; generated (cmake/embed.cmake).
const std::vector<EmbeddedFile>& report_files();

}  // namespace assay
