// What tests of tcgen05 give to their kernels.
#pragma once
#include <cstdint>

namespace simt::test {

struct Product {
  std::uint64_t a, b;            // descriptors; start addresses are offsets in the image
  std::uint64_t a_step, b_step;  // added to them from one product to the next
  std::uint32_t instruction, scale_a, scale_b;
  int steps, columns, bytes;  // products; columns of D read back; size of the image of one CTA
  int b_scale_tiles;
  bool accumulate;
};

}  // namespace simt::test
