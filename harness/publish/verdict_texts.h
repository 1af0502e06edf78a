// A verdict as people, CI systems and monitors read it.
#pragma once
#include <string>

#include "harness/publish/style.h"
#include "harness/verdict/verdict.h"

namespace assay {

/// One line a case, worst first, then the verdict.
std::string to_console(const Verdict&, const Style& = kNoTerminal);
std::string to_json(const Verdict&);
/// JUnit: a test suite for each result.  A fail is a failure, what could not be measured is an error, what nobody
/// judged is skipped.
std::string to_junit(const Verdict&);
/// Prometheus text format, for node_exporter's textfile collector.
std::string to_prometheus(const Verdict&);

}  // namespace assay
