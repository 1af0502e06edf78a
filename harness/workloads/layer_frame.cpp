#include "harness/workloads/layer_frame.h"

#include <fmt/format.h>

namespace assay {

std::string reason_too_large(const Case& point, const std::vector<std::string>& axes) {
  constexpr double kMostElements = 0x1p50;  // eight bytes of each, several tensors: still counted with 63 bits
  double elements = 1;
  std::string names;
  for (const std::string& axis : axes) {
    elements *= double(point.number(axis));
    names += (names.empty() ? "" : " * ") + axis;
  }
  if (elements <= kMostElements) return {};
  return fmt::format("{} = {:.3g} elements, expected at most 2^50", names, elements);
}

}  // namespace assay
