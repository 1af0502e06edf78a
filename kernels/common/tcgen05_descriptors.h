// The descriptors that tcgen05 instructions (sm_100a, sm_103a) take.  Computed on the host, once per launch; the kernel
// only adds addresses.  CUDA-free; C++17.  Source: PTX ISA 9.0, "tcgen05 instruction descriptor", "shared memory
// descriptor"; the same bits as in CUTLASS's cute/arch/mma_sm100_desc.hpp.
#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>

#include "kernels/common/dtype.h"
#include "kernels/common/host_device.h"

namespace assay {

/// The instruction's `.kind`: which operands it multiplies, and whether it scales them by block.
enum class Tcgen05Kind : std::uint8_t {
  f16,       // bf16, f16
  f8f6f4,    // e4m3, e5m2
  mxf8f6f4,  // the same, each 32 elements along k scaled by an e8m0
  mxf4nvf4,  // e2m1, each 16 elements along k scaled by an e4m3
};

/// Every kind multiplies 32 bytes along k per instruction: 16, 32, 32 and 64 elements.
inline constexpr int kTcgen05KBytes = 32;

/// How the instruction descriptor names an element type; the codes belong to the kind.
inline std::uint32_t tcgen05_format(Tcgen05Kind kind, DType dtype) {
  struct Row {
    Tcgen05Kind kind;
    DType dtype;
    std::uint32_t code;
  };
  static constexpr Row kFormats[] = {
      {Tcgen05Kind::f16, DType::f16, 0},       {Tcgen05Kind::f16, DType::bf16, 1},
      {Tcgen05Kind::f8f6f4, DType::e4m3, 0},   {Tcgen05Kind::f8f6f4, DType::e5m2, 1},
      {Tcgen05Kind::mxf8f6f4, DType::e4m3, 0}, {Tcgen05Kind::mxf8f6f4, DType::e5m2, 1},
      {Tcgen05Kind::mxf4nvf4, DType::e2m1, 1},
  };
  for (const Row& row : kFormats)
    if (row.kind == kind && row.dtype == dtype) return row.code;
  throw std::runtime_error(std::string("no tcgen05 instruction of this kind takes ") + name(dtype));
}

struct Tcgen05Operand {
  DType dtype;
  bool k_major;  // k contiguous in memory
};

/// The instruction descriptor of d[m][n] += a * b with fp32 d.  m: 128 per CTA of the group; n: of the whole group.
inline std::uint32_t tcgen05_instruction(Tcgen05Kind kind, Tcgen05Operand a, Tcgen05Operand b, int m, int n) {
  constexpr int kMajorA = 15, kMajorB = 16;  // 1: m or n contiguous
  const std::uint32_t operands = tcgen05_format(kind, a.dtype) << 7 | tcgen05_format(kind, b.dtype) << 10 |
                                 std::uint32_t(!a.k_major) << kMajorA | std::uint32_t(!b.k_major) << kMajorB |
                                 std::uint32_t(n / 8) << 17 | std::uint32_t(m / 16) << 24;
  switch (kind) {
    case Tcgen05Kind::mxf8f6f4:
      return operands | 1u << 23;  // factors are e8m0
    case Tcgen05Kind::mxf4nvf4:
      return operands;  // factors are e4m3; k = 64
    default:
      return operands | 1u << 4;  // d is fp32 (block-scaled kinds have no other d)
  }
}

/// Added to the instruction descriptor to choose byte i of the factors' 32-bit words (kind mxf8f6f4), for a and for b.
ASSAY_HOST_DEVICE constexpr std::uint32_t tcgen05_scale_id(int i) {
  return std::uint32_t(i) << 29 | std::uint32_t(i) << 4;
}

enum class Tcgen05Swizzle : std::uint8_t { none = 0, bytes128 = 2 };

/// A shared-memory descriptor without its address, which the kernel adds as address / 16.
ASSAY_HOST_DEVICE constexpr std::uint64_t tcgen05_shared(std::uint32_t leading_bytes, std::uint32_t stride_bytes,
                                                         Tcgen05Swizzle swizzle) {
  return std::uint64_t(leading_bytes / 16) << 16 | std::uint64_t(stride_bytes / 16) << 32 |
         std::uint64_t(1) << 46  // this generation's format
         | std::uint64_t(swizzle) << 61;
}

/// An operand tile in rows of 128 bytes, swizzled; eight rows are the swizzle's atom of 1024 bytes.
///   k-major  rows are m or n; 128 bytes along k
///   mn-major panels of 128 bytes along m or n; a panel's rows are the `k_rows` values of k
constexpr std::uint64_t tcgen05_tile(bool k_major, int k_rows) {
  constexpr std::uint32_t kAtomBytes = 8 * 128;
  const std::uint32_t next_panel = static_cast<std::uint32_t>(k_rows) * 128;  // k-major tiles ignore this field
  return tcgen05_shared(k_major ? 16 : next_panel, kAtomBytes, Tcgen05Swizzle::bytes128);
}

/// What to add to a tile's descriptor to come to the next instruction's k.
constexpr std::uint32_t tcgen05_k_step(bool k_major, int element_bits) {
  const int elements = kTcgen05KBytes * 8 / element_bits;
  return static_cast<std::uint32_t>(k_major ? kTcgen05KBytes : elements * 128) / 16;
}

/// 512 bytes of scale factors as tcgen05.cp.32x128b reads them: 32 rows of 16 bytes, eight rows 128 bytes apart.
ASSAY_HOST_DEVICE constexpr std::uint64_t tcgen05_scale_tile() { return tcgen05_shared(16, 128, Tcgen05Swizzle::none); }

}  // namespace assay
