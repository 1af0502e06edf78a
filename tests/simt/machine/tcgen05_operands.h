// Descriptors of tcgen05: what an instruction multiplies, and where its operands lie in shared memory.
#pragma once
#include "tests/simt/machine/matrix_layout.h"
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
struct SharedDescriptor : MatrixLayout {
  SharedDescriptor(std::uint64_t, const char* what, Site);
};

}  // namespace simt
