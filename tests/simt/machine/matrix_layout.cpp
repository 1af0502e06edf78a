#include "tests/simt/machine/matrix_layout.h"

namespace simt {

MatrixLayout::MatrixLayout(std::uint64_t d)
    : start((d & 0x3fff) << 4), leading((d >> 16 & 0x3fff) << 4), stride((d >> 32 & 0x3fff) << 4) {}

std::uint32_t MatrixLayout::k_major(int mn, int h) const {
  const auto row = std::uint32_t(mn), chunk = std::uint32_t(h);
  return swizzle_address(start + row % 8 * span + row / 8 * stride + chunk * (swizzle == Swizzle::None ? leading : 16),
                         swizzle);
}

std::uint32_t MatrixLayout::mn_major(int mn, int k, int element_bytes) const {
  const auto along = std::uint32_t(mn * element_bytes), row = std::uint32_t(k);
  const std::uint32_t block = swizzle == Swizzle::None ? along / 16 * stride + row / 8 * leading
                                                       : along % span + along / span * leading + row / 8 * stride;
  return swizzle_address(start + row % 8 * span + block, swizzle);
}

}  // namespace simt
