// Packing against its definition, element by element, from a source whose surroundings must not leak in.
#include "kernels/common/cpu/pack.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include <hwy/targets.h>

#include "kernels/common/dtype.h"

namespace assay::cpu {
namespace {

struct Source {
  Source(PackFormat format, bool k_major, std::int64_t count, std::int64_t k)
      : dtype(format == PackFormat::f32 ? DType::f32 : DType::bf16), k_major(k_major), count(count), k(k) {
    stride = (k_major ? k : count) + 3;
    const std::int64_t stored = (k_major ? count : k) * stride;
    bytes.resize(static_cast<std::size_t>(stored) * size_bytes(dtype));
    for (std::int64_t i = 0; i < stored; ++i) store_element(dtype, bytes.data(), i, 1 + i % 127);
  }
  PackSource block() const { return {bytes.data(), stride, k_major, count, k}; }
  double at(std::int64_t i, std::int64_t p) const {
    if (i >= count || p >= k) return 0;
    return load_element(dtype, bytes.data(), k_major ? i * stride + p : p * stride + i);
  }

  DType dtype;
  bool k_major;
  std::int64_t count, k, stride = 0;
  std::vector<std::uint8_t> bytes;
};

/// Element p of the packed unit sequence whose units lie where `unit_at` says.
template <class UnitAt>
double packed_element(PackFormat format, const std::vector<std::uint32_t>& packed, std::int64_t p, UnitAt unit_at) {
  const std::int64_t per_unit = elements_per_unit(format);
  const std::uint32_t unit = packed[static_cast<std::size_t>(unit_at(p / per_unit))];
  if (per_unit == 2) return bf16_to_float(static_cast<std::uint16_t>(p % 2 == 0 ? unit & 0xffff : unit >> 16));
  return load_element(DType::f32, &unit, 0);
}

/// On every instruction set that Highway compiled and this CPU has: vectors of different lengths.
template <class Test>
void for_each_target(Test test) {
  hwy::SetSupportedTargetsForTest(0);
  for (std::int64_t rest = hwy::SupportedTargets() & HWY_TARGETS; rest != 0; rest &= rest - 1) {
    hwy::SetSupportedTargetsForTest(rest & -rest);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    SCOPED_TRACE(hwy::TargetName(rest & -rest));
    test();
    hwy::SetSupportedTargetsForTest(0);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
}

template <class Test>
void for_each_form(Test test) {
  for (const PackFormat format :
       {PackFormat::f32, PackFormat::bf16_pairs, PackFormat::bf16_widened, PackFormat::bf16_amx})
    for (const bool k_major : {false, true})
      for (const std::int64_t count : {1, 3, 14, 33, 70})
        for (const std::int64_t k : {1, 2, 7, 8, 33, 65}) {
          SCOPED_TRACE(testing::Message() << "format " << static_cast<int>(format)
                                          << (k_major ? ", k-major " : ", k-minor ") << count << " x " << k);
          test(format, Source(format, k_major, count, k));
        }
}

template <class Test>
void for_each_source(Test test) {
  for_each_target([&] { for_each_form(test); });
}

TEST(Pack, AInPanelsOfRowPieces) {
  for_each_source([](PackFormat format, const Source& source) {
    if (format == PackFormat::bf16_amx) return;  // below
    const std::int64_t rows = 14, units = packed_units(format, source.k);
    std::vector<std::uint32_t> packed(static_cast<std::size_t>(source.count * units + 1), 0xdeadbeef);
    pack_a(format, source.block(), rows, packed.data());
    EXPECT_EQ(packed.back(), 0xdeadbeef);
    for (std::int64_t i = 0; i < source.count; ++i)
      for (std::int64_t p = 0; p < units * elements_per_unit(format); ++p) {
        const std::int64_t first = i / rows * rows, panel_rows = std::min(rows, source.count - first);
        const auto unit_at = [&](std::int64_t u) {
          return first * units + (u / 4 * panel_rows + i - first) * 4 + u % 4;
        };
        ASSERT_EQ(packed_element(format, packed, p, unit_at), source.at(i, p)) << i << ", " << p;
      }
  });
}

// Pieces of 16 units, and all 32 rows of every panel: those that exist as they are, the others zero.
TEST(Pack, AForAmxInWholePanels) {
  for_each_source([](PackFormat format, Source source) {
    if (format != PackFormat::bf16_amx) return;
    for (const std::int64_t readable : {source.count, source.count - source.count / 2}) {
      PackSource block = source.block();
      block.count = readable;  // of which the rest are the next block's
      block.readable = source.count;
      const std::int64_t rows = 32, units = packed_units(format, source.k);
      const std::int64_t padded = (block.count + rows - 1) / rows * rows;
      std::vector<std::uint32_t> packed(static_cast<std::size_t>(padded * units + 1), 0xdeadbeef);
      pack_a(format, block, rows, packed.data());
      EXPECT_EQ(packed.back(), 0xdeadbeef);
      for (std::int64_t i = 0; i < padded; ++i)
        for (std::int64_t p = 0; p < units * 2; ++p) {
          const auto unit_at = [&](std::int64_t u) {
            return i / rows * rows * units + (u / 16 * rows + i % rows) * 16 + u % 16;
          };
          ASSERT_EQ(packed_element(format, packed, p, unit_at), source.at(i, p)) << i << ", " << p;
        }
    }
  });
}

TEST(Pack, BInPanelsOfColumnsFilledWithZeros) {
  for_each_source([](PackFormat format, const Source& source) {
    const std::int64_t columns = 32, units = packed_units(format, source.k);
    const std::int64_t padded = (source.count + columns - 1) / columns * columns;
    std::vector<std::uint32_t> packed(static_cast<std::size_t>(padded * units + 1), 0xdeadbeef);
    pack_b(format, source.block(), columns, packed.data());
    EXPECT_EQ(packed.back(), 0xdeadbeef);
    for (std::int64_t j = 0; j < padded; ++j)
      for (std::int64_t p = 0; p < units * elements_per_unit(format); ++p) {
        const auto unit_at = [&](std::int64_t u) { return j / columns * columns * units + u * columns + j % columns; };
        ASSERT_EQ(packed_element(format, packed, p, unit_at), source.at(j, p)) << j << ", " << p;
      }
  });
}

}  // namespace
}  // namespace assay::cpu
