// The contract of copies between a product's joint output and the tensors that its consumers take: q, k and v of one
// product of attention's input, and the gradient of that output put together from theirs.
//   joint    [rows, widths[0] + widths[1] + ...]  in the problem's type
//   parts i  [rows, widths[i]]                    the same
//
//   split    parts i = its columns of joint
//   merge    joint = the parts, side by side
// Bits are copied, NaN's too.  Joint and parts do not overlap.
#pragma once
#include <array>
#include <cstdint>
#include <numeric>
#include <vector>

#include "kernels/layer/layer.h"

namespace assay {

enum class ColumnsPass : std::uint8_t { split, merge };

constexpr const char* name(ColumnsPass p) { return p == ColumnsPass::split ? "split" : "merge"; }

inline constexpr int kMostColumnParts = 3;  // q, k and v

struct ColumnsProblem {
  ColumnsPass pass = ColumnsPass::split;
  std::int64_t rows = 1;
  std::vector<std::int64_t> widths{1};  // 1 to kMostColumnParts, each at least 1
  DType dtype = DType::f32;

  std::int64_t width() const { return std::accumulate(widths.begin(), widths.end(), std::int64_t(0)); }
  std::int64_t elements() const { return rows * width(); }
  /// That must move.
  double bytes() const { return 2.0 * double(size_bytes(dtype)) * double(elements()); }
};

/// On the device the kernel runs on.  A split reads joint and writes the parts, a merge the other way.
struct ColumnsBuffers {
  void* joint = nullptr;
  std::array<void*, kMostColumnParts> parts{};
};

using ColumnsOperation = Operation<ColumnsBuffers>;
using ColumnsKernel = Kernel<ColumnsProblem, ColumnsBuffers>;

/// Every kernel of these copies in this build, ours first.
const std::vector<ColumnsKernel>& columns_kernels();

}  // namespace assay
