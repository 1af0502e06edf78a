// A result and the file that it is from.
#pragma once
#include <string>

#include "harness/record/result.h"

namespace assay {

struct NamedResult {
  std::string file;
  Result result;
};

}  // namespace assay
