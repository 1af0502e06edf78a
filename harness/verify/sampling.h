// Which elements of a large output are compared with the reference: all of them while that is cheap, else a seeded
// sample that reaches every region and leans towards the places where kernels go wrong.
#pragma once
#include <cstdint>
#include <vector>

namespace assay {

/// Multiply-adds a check may cost: about a second of one core in fp64.
inline constexpr double kCheckBudget = double(1 << 28);

struct Element {
  std::int64_t row = 0, column = 0;
  auto operator<=>(const Element&) const = default;
};

/// Of a [rows, columns] output whose reference costs `work` multiply-adds an element.  Sorted by row, no duplicates.
/// All elements where rows * columns * work fits the budget.  Else: the crossings of the edges of the first and last
/// tiles (64, 128, 256) and of the last row and column; and from every region of the output, as many regions as the
/// budget allows, a random tile corner and random elements.  Never fewer than the crossings, whatever the budget.
std::vector<Element> sampled_elements(std::int64_t rows, std::int64_t columns, double work, std::uint64_t seed,
                                      double budget = kCheckBudget);

/// The same in one dimension: rows of an output whose reference is computed row by row, `work` multiply-adds each.
std::vector<std::int64_t> sampled_rows(std::int64_t rows, double work, std::uint64_t seed,
                                       double budget = kCheckBudget);

}  // namespace assay
