// The outcome of comparing a kernel's output with its reference.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

namespace assay {

struct Check {
  /// Worst |got - expected| over the error allowed there; infinity where the output is NaN or was never written.
  double error_over_allowed = 0;
  std::int64_t elements = 0;                  // compared
  std::int64_t wrong = 0;                     // of them, over the allowed error
  std::string where;                          // the worst element, as the workload names it: "d[12, 7]"
  double expected = 0, got = 0, allowed = 0;  // there; `got` may be NaN
  std::string outside;                        // what was wrong that is no element; empty where nothing was
  std::string digest;                         // FNV-1a of the compared output bytes: equal outputs, equal digests

  bool ok() const { return elements > 0 && wrong == 0 && error_over_allowed <= 1; }
  /// Adds one comparison.  NaN anywhere makes it wrong.  `where` is only called for a new worst element.
  void compare(double got, double expected, double allowed, const std::function<std::string()>& where);
  /// Folds the compared output into the digest.
  void include_digest(const void* bytes, std::size_t count);
  /// Something wrong that is no element: a write outside the output, say.
  void fail_outside(const std::string& what);
  /// "d[12, 7] is 3.5, expected 3.25 +- 0.001 (error 250 x allowed); 17 of 4096 checked elements are wrong"
  std::string describe() const;
};

}  // namespace assay
