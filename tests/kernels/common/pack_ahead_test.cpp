// Packing in steps must leave what packing at once leaves, however many tiles there are to spread it over.
#include "kernels/common/cpu/pack_ahead.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/common/cpu/huge_array.h"
#include "kernels/common/dtype.h"

namespace assay::cpu {
namespace {

constexpr std::uint32_t kUntouched = 0xdeadbeef;

struct Case {
  Operand operand;
  PackFormat format;
  bool k_major;
  std::int64_t count, k;
};

std::vector<std::uint32_t> packed_at_once(const Case& c, const PackSource& source, int width, std::size_t size) {
  std::vector<std::uint32_t> packed(size, kUntouched);
  c.operand == Operand::a ? pack_a(c.format, source, width, packed.data())
                          : pack_b(c.format, source, width, packed.data());
  return packed;
}

void check(const Case& c) {
  const DType dtype = c.format == PackFormat::f32 ? DType::f32 : DType::bf16;
  const std::int64_t stride = (c.k_major ? c.k : c.count) + 3, stored = stride * (c.k_major ? c.count : c.k);
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(stored) * size_bytes(dtype));
  for (std::int64_t i = 0; i < stored; ++i) store_element(dtype, bytes.data(), i, static_cast<double>(1 + i % 127));
  const PackSource source{bytes.data(), stride, c.k_major, c.count, c.k};
  const int width = c.operand == Operand::a && c.format != PackFormat::bf16_amx ? 14 : 32;
  const auto size = static_cast<std::size_t>((c.count + width) * packed_units(c.format, c.k));
  const auto expected = packed_at_once(c, source, width, size);
  PackAhead ahead(c.operand, c.format, width);
  for (const int tiles : {0, 1, 2, 5, 64, 1000})
    for (const int computed : {0, 1, tiles / 2, tiles}) {
      std::vector<std::uint32_t> packed(size, kUntouched);
      ahead.start(source, packed.data(), tiles);
      for (int i = 0; i < computed; ++i) ahead.after_tile();
      ahead.finish();
      ASSERT_EQ(packed, expected) << tiles << " tiles, of which " << computed << " were computed";
    }
}

TEST(PackAhead, LeavesWhatPackingAtOnceLeaves) {
  for (const Operand operand : {Operand::a, Operand::b})
    for (const PackFormat format :
         {PackFormat::f32, PackFormat::bf16_pairs, PackFormat::bf16_widened, PackFormat::bf16_amx})
      for (const bool k_major : {false, true})
        for (const std::int64_t count : {1, 13, 28, 45})
          for (const std::int64_t k : {1, 9, 64, 331}) {
            SCOPED_TRACE(testing::Message() << (operand == Operand::a ? "a" : "b") << ", format " << int(format)
                                            << (k_major ? ", k-major " : ", k-minor ") << count << " x " << k);
            check({operand, format, k_major, count, k});
          }
}

// A tile has as many pieces as it has units by four, and asks for a line of a with each.
TEST(PackAhead, NoChunkOfAHasMoreLinesThanATileAsksFor) {
  const std::vector<float> data(512 * 512);
  std::vector<std::uint32_t> packed(70 * 512);
  for (const bool k_major : {false, true})
    for (const std::int64_t tiles : {1, 5, 40, 160}) {
      PackAhead ahead(Operand::a, PackFormat::f32, 14);
      ahead.start({data.data(), 512, k_major, 70, 512}, packed.data(), tiles);
      EXPECT_GT(ahead.line_offsets().size(), 0u);
      EXPECT_LE(ahead.line_offsets().size(), 128u) << (k_major ? "k-major, " : "k-minor, ") << tiles << " tiles";
    }
}

// Tiles ask memory for lines of the source and of nothing else.
TEST(PackAhead, AsksForLinesOfTheSource) {
  std::vector<float> data(40 * 500);
  PackAhead ahead(Operand::b, PackFormat::f32, 32);
  for (const bool k_major : {false, true}) {
    const PackSource source{data.data(), k_major ? 500 : 40, k_major, k_major ? 32 : 33, k_major ? 480 : 500};
    std::vector<std::uint32_t> packed(64 * 512);
    ahead.start(source, packed.data(), 16);
    const auto* end = reinterpret_cast<const char*>(data.data() + data.size());
    ASSERT_FALSE(ahead.line_offsets().empty());
    for (int tile = 0; tile < 16; ++tile) {
      ASSERT_GE(ahead.lines_from(), reinterpret_cast<const char*>(data.data()));
      EXPECT_LT(ahead.lines_from(), end);
      for (const std::int64_t offset : ahead.line_offsets()) EXPECT_GE(offset, 0);
      ahead.after_tile();
    }
  }
}

TEST(HugeArray, IsZeroAndWritable) {
  for (const std::size_t count : {std::size_t(0), std::size_t(1), std::size_t(1) << 17, (std::size_t(1) << 19) + 1}) {
    auto array = huge_array<std::uint32_t>(count);
    for (std::size_t i = 0; i < count; ++i) {
      ASSERT_EQ(array[i], 0u);
      array[i] = 1;
    }
  }
}

}  // namespace
}  // namespace assay::cpu
