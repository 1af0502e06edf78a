// Descriptors of tcgen05: what an instruction multiplies, and where its operands lie in shared memory.
#pragma once
#include "tests/simt/machine/tensor_map.h"
#include "tests/simt/machine/tensor_memory.h"

namespace simt {

/// The instruction descriptor, taken apart (PTX ISA, "Instruction descriptor").
struct InstructionDescriptor {
  int m, n, k;
  TensorElement a, b;
  bool a_mn_major, b_mn_major;
  int a_sign, b_sign;         // 1 or -1
  unsigned scale_a, scale_b;  // byte of the tensor-memory word that the first scale factor is in
  bool scale_is_e8m0;
  InstructionDescriptor(const TensorMma&, Site);
};

/// The shared-memory descriptor of sm_100, taken apart (PTX ISA, "Shared memory descriptor").
struct SharedDescriptor {
  std::uint32_t start, leading, stride;  // bytes
  Swizzle swizzle;
  std::uint32_t span;  // bytes of one row of the swizzle pattern
  SharedDescriptor(std::uint64_t, const char* what, Site);

  /// Address of 16 bytes: chunk `h` along k of row `mn`, and the elements from `mn` on at `k`.
  std::uint32_t k_major(int mn, int h) const;
  std::uint32_t mn_major(int mn, int k, int element_bytes) const;
};

}  // namespace simt
