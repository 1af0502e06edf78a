// Which elements of a large output are compared with the reference.
#pragma once
#include <cstdint>
#include <vector>

namespace assay {

struct Element {
  std::int64_t row = 0, column = 0;
};

/// Every element of a rows x columns output where references of `cost` multiply-adds each are affordable; else the
/// corners of tiles, the last row and column, and seeded random elements.  Sorted, without duplicates, never empty.
std::vector<Element> sample_elements(std::int64_t rows, std::int64_t columns, double cost, std::uint64_t seed);

}  // namespace assay
