// The descriptors against values written out by hand from the PTX ISA's tables.
#include "kernels/common/tcgen05_descriptors.h"

#include <gtest/gtest.h>

namespace assay {
namespace {

constexpr Tcgen05Operand kBf16K{DType::bf16, true}, kBf16Mn{DType::bf16, false};

TEST(Tcgen05Instruction, Bf16) {
  // d fp32: bit 4; a and b bf16: bits 7 and 10; n / 8 from bit 17; m / 16 from bit 24.
  EXPECT_EQ(tcgen05_instruction(Tcgen05Kind::f16, kBf16K, kBf16K, 256, 256), 0x10400490u);
  EXPECT_EQ(tcgen05_instruction(Tcgen05Kind::f16, kBf16K, kBf16K, 128, 128), 0x08200490u);
  EXPECT_EQ(tcgen05_instruction(Tcgen05Kind::f16, kBf16Mn, kBf16K, 256, 256), 0x10408490u);  // bit 15
  EXPECT_EQ(tcgen05_instruction(Tcgen05Kind::f16, kBf16K, kBf16Mn, 256, 256), 0x10410490u);  // bit 16
}

TEST(Tcgen05Instruction, FormatsBelongToTheKind) {
  const auto formats = [](Tcgen05Kind kind, DType a, DType b) {
    return tcgen05_instruction(kind, {a, true}, {b, true}, 128, 64) >> 7 & 0x3f;  // b's three bits above a's
  };
  EXPECT_EQ(formats(Tcgen05Kind::f16, DType::f16, DType::f16), 0u);
  EXPECT_EQ(formats(Tcgen05Kind::f8f6f4, DType::e4m3, DType::e4m3), 0u);
  EXPECT_EQ(formats(Tcgen05Kind::f8f6f4, DType::e5m2, DType::e4m3), 1u);
  EXPECT_EQ(formats(Tcgen05Kind::mxf8f6f4, DType::e4m3, DType::e5m2), 8u);
  EXPECT_EQ(formats(Tcgen05Kind::mxf4nvf4, DType::e2m1, DType::e2m1), 9u);
  EXPECT_THROW(tcgen05_format(Tcgen05Kind::f16, DType::e4m3), std::runtime_error);
  EXPECT_THROW(tcgen05_format(Tcgen05Kind::f8f6f4, DType::bf16), std::runtime_error);
  EXPECT_THROW(tcgen05_format(Tcgen05Kind::mxf8f6f4, DType::e2m1), std::runtime_error);
}

TEST(Tcgen05Instruction, BlockScaled) {
  const Tcgen05Operand e4m3{DType::e4m3, true}, e2m1{DType::e2m1, true};
  EXPECT_EQ(tcgen05_instruction(Tcgen05Kind::mxf8f6f4, e4m3, e4m3, 256, 256), 0x10c00000u);  // bit 23: e8m0
  EXPECT_EQ(tcgen05_instruction(Tcgen05Kind::mxf4nvf4, e2m1, e2m1, 256, 256), 0x10400480u);  // clear: e4m3
  EXPECT_EQ(tcgen05_scale_id(0), 0u);
  EXPECT_EQ(tcgen05_scale_id(3), 0x60000030u);  // a's in bits 29-30, b's in bits 4-5
}

TEST(Tcgen05Shared, KMajorTile) {
  // Leading offset ignored, stride 1024 bytes between groups of eight rows, format 1 at bit 46, swizzle 2 at bit 61.
  EXPECT_EQ(tcgen05_tile(true, 64), 0x4000404000010000ull);
  EXPECT_EQ(tcgen05_k_step(true, 16), 2u);  // 32 bytes, whatever the element
  EXPECT_EQ(tcgen05_k_step(true, 8), 2u);
  EXPECT_EQ(tcgen05_k_step(true, 4), 2u);
}

TEST(Tcgen05Shared, MnMajorTile) {
  EXPECT_EQ(tcgen05_tile(false, 64), 0x4000404002000000ull);   // panels of 64 rows: 8192 bytes apart
  EXPECT_EQ(tcgen05_tile(false, 128), 0x4000404004000000ull);  // 8-bit elements: 128 rows
  EXPECT_EQ(tcgen05_k_step(false, 16), 128u);                  // 16 rows of 128 bytes
  EXPECT_EQ(tcgen05_k_step(false, 8), 256u);                   // 32 rows
}

TEST(Tcgen05Shared, ScaleTile) {
  EXPECT_EQ(tcgen05_scale_tile(), 0x0000400800010000ull);  // not swizzled, 128 bytes between groups of eight rows
}

TEST(Tcgen05Shared, AddressesFit) {
  // The kernel adds address / 16; the last byte of 227 KiB, 14 bits, must not carry into the leading offset.
  EXPECT_LT((227u * 1024 - 16) / 16 + tcgen05_k_step(false, 8) * 3, 1u << 14);
}

}  // namespace
}  // namespace assay
