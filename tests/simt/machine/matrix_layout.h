// Where matrices lie in shared memory for wgmma and tcgen05.mma: the layout that both generations' descriptors give.
#pragma once
#include "tests/simt/machine/tensor_map.h"

namespace simt {

struct MatrixLayout {
  std::uint32_t start = 0, leading = 0, stride = 0;  // bytes
  Swizzle swizzle = Swizzle::None;
  std::uint32_t span = 16;  // bytes of one row of the swizzle pattern

  /// Start, leading and stride offset, which both generations have in the same bits; the rest is set by theirs.
  explicit MatrixLayout(std::uint64_t descriptor);
  /// Products start in row 0 of the pattern; only its columns may be stepped through.
  bool starts_in_first_row() const { return swizzle == Swizzle::None || start % (8 * span) < span; }

  /// Address of 16 bytes: chunk `h` along k of row `mn`, and the elements from `mn` on at `k`.
  std::uint32_t k_major(int mn, int h) const;
  std::uint32_t mn_major(int mn, int k, int element_bytes) const;
};

}  // namespace simt
