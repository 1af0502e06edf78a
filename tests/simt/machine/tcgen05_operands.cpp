#include "tests/simt/machine/tcgen05_operands.h"

namespace simt {
namespace {

[[noreturn]] void bad(const std::string& what, Site s) {
  throw Error(Fault::Descriptor, "tcgen05 " + what + ", at " + symbolise(s));
}

TensorElement element(TensorMma::Kind kind, unsigned format, char matrix, Site s) {
  switch (kind) {
    case TensorMma::F16:
      if (format <= 1) return {format ? MmaType::bf16 : MmaType::f16};
      break;
    case TensorMma::Tf32:
      if (format == 2) return {MmaType::tf32};
      break;
    case TensorMma::F8f6f4:
    case TensorMma::Mxf8f6f4:
      if (format <= 1) return {format ? MmaType::e5m2 : MmaType::e4m3};
      if (format >= 3 && format <= 5)
        throw Error(Fault::Unsupported, "tcgen05.mma of 6- or 4-bit elements in 8-bit containers, at " + symbolise(s));
      break;
    default:
      if (format == 1) return {MmaType::e4m3, true};
  }
  bad(simt::format("instruction descriptor: %u is no format of matrix %c for this kind", format, matrix), s);
}

/// PTX ISA, "Matrix shape": m and n by cta_group.  Block scaling of a pair's m = 128 is not modelled.
bool valid_shape(int m, int n, int cta_group, bool scaled) {
  if (scaled && m != 128 * cta_group) return false;
  const int step = cta_group == 2 ? 16 : m == 64 ? 8 : 16;
  return (m == 64 * cta_group || m == 128 * cta_group) && n >= step && n <= 256 && n % step == 0;
}

}  // namespace

InstructionDescriptor::InstructionDescriptor(const TensorMma& mma, Site s) {
  const auto field = [&](int first, int bits) { return mma.idesc >> first & ((1u << bits) - 1); };
  const bool scaled = mma.scale_vector != 0, packed = mma.kind == TensorMma::Mxf4 || mma.kind == TensorMma::Mxf4nvf4;
  a = element(mma.kind, field(7, 3), 'A', s), b = element(mma.kind, field(10, packed ? 2 : 3), 'B', s);
  a_sign = field(13, 1) ? -1 : 1, b_sign = field(14, 1) ? -1 : 1;
  a_mn_major = field(15, 1), b_mn_major = field(16, 1);
  n = int(field(17, 6)) * 8, m = int(field(24, 5)) * 16, k = 32 * 8 / a.bits();
  if (field(0, 4) || field(6, 1) || (packed && field(12, 1)))
    bad("instruction descriptor: sparsity, saturation or a reserved bit is set", s);
  if (scaled) {
    scale_is_e8m0 = field(23, 1), scale_a = field(29, 2), scale_b = field(4, 2);
    if (field(31, 1)) throw Error(Fault::Unsupported, "tcgen05.mma of K = 96, at " + symbolise(s));
    if ((mma.scale_vector < 4 && !scale_is_e8m0) || (mma.scale_vector == 2 && (scale_a | scale_b) % 2) ||
        (mma.scale_vector == 4 && (scale_a || scale_b)))
      bad("instruction descriptor: scale factors' type or byte does not fit the scale vector", s);
  } else {
    scale_is_e8m0 = false, scale_a = scale_b = 0;
    if (field(4, 2) != 1) throw Error(Fault::Unsupported, "tcgen05.mma with a D that is not f32, at " + symbolise(s));
    if (field(23, 1) || field(29, 3)) bad("instruction descriptor: a shift or a reserved bit is set", s);
  }
  if (!valid_shape(m, n, mma.cta_group, scaled))
    bad(format("instruction descriptor: m %d, n %d with cta_group::%d", m, n, mma.cta_group), s);
  if (b.bits() == 8 && b_mn_major && n % (16 * mma.cta_group))  // PTX ISA, "8bit transpose B"
    bad(format("instruction descriptor: n %d of an MN-major 8-bit B with cta_group::%d", n, mma.cta_group), s);
  if (mma.kind == TensorMma::Tf32 && (a_mn_major || b_mn_major))
    throw Error(Fault::Unsupported,
                "tcgen05.mma of MN-major tf32 (its swizzle has atoms of 32 bytes), at " + symbolise(s));
  if (packed && (a_mn_major || b_mn_major)) bad("instruction descriptor: 4-bit matrices must be K-major", s);
}

SharedDescriptor::SharedDescriptor(std::uint64_t d, const char* what, Site s) : MatrixLayout(d) {
  struct Mode {
    Swizzle swizzle;
    std::uint32_t span;
  };
  static constexpr Mode kModes[] = {{Swizzle::None, 16}, {}, {Swizzle::B128, 128}, {},
                                    {Swizzle::B64, 64},  {}, {Swizzle::B32, 32},   {}};
  const Mode& mode = kModes[d >> 61];
  swizzle = mode.swizzle, span = mode.span;
  const std::string which = format("shared-memory descriptor 0x%016llx of %s", (unsigned long long)d, what);
  if ((d >> 46 & 7) != 1) bad(which + ": bits 46-48 are not 001", s);
  if (d >> 14 & 3 || d >> 30 & 3 || d >> 53 & 0xff) bad(which + ": a reserved bit is set", s);
  if (!span)
    throw Error(Fault::Unsupported, which + format(": swizzle mode %u, at ", unsigned(d >> 61)) + symbolise(s));
  if (d >> 49 & 15)
    throw Error(Fault::Unsupported, which + ": a base offset or an absolute leading offset, at " + symbolise(s));
  if (!starts_in_first_row())
    bad(which + format(": it starts at 0x%x, not in row 0 of its %u-byte swizzle pattern", start, span), s);
}

}  // namespace simt
