// The functional AMX against the instruction set reference: what it refuses, what it leaves zero, how it rounds.
#include "tests/kernels/common/functional_amx.h"

#include <gtest/gtest.h>

#include <fstream>
#include <vector>

namespace assay::test {
namespace {

using cpu::AmxConfiguration;

/// Three registers: `rows` x `columns` sums, a of `pairs` and b.
AmxConfiguration shapes(int rows, int columns, int pairs) {
  AmxConfiguration c;
  c.palette = 1;
  c.rows[0] = c.rows[1] = std::uint8_t(rows);
  c.rows[2] = std::uint8_t(pairs);
  c.row_bytes[0] = c.row_bytes[2] = std::uint16_t(4 * columns);
  c.row_bytes[1] = std::uint16_t(4 * pairs);
  return c;
}

std::string fault_of(const AmxConfiguration& configuration) {
  FunctionalAmx unit;
  unit.configure(configuration);
  const std::string fault = AmxFaults::take();
  EXPECT_EQ(unit.configured(), fault.empty() && configuration.palette == 1);
  return fault;
}

TEST(FunctionalAmx, RefusesWhatLdtilecfgRefuses) {
  EXPECT_EQ(fault_of(cpu::amx_whole_registers()), "");
  EXPECT_EQ(fault_of({}), "");  // palette 0: the initial state
  const auto planted = [](auto change) {
    AmxConfiguration c = cpu::amx_whole_registers();
    change(c);
    return fault_of(c);
  };
  EXPECT_NE(planted([](auto& c) { c.palette = 2; }), "");
  EXPECT_NE(planted([](auto& c) { c.reserved[13] = 1; }), "");
  EXPECT_NE(planted([](auto& c) { c.rows[3] = 17; }), "");
  EXPECT_NE(planted([](auto& c) { c.row_bytes[3] = 65; }), "");
  EXPECT_NE(planted([](auto& c) { c.rows[3] = 0; }), "");
  EXPECT_NE(planted([](auto& c) { c.row_bytes[3] = 0; }), "");
  EXPECT_NE(planted([](auto& c) { c.rows[8] = c.row_bytes[8] = 16; }), "");
}

TEST(FunctionalAmx, RefusesRegistersWithoutAConfiguration) {
  std::vector<std::uint8_t> memory(1024);
  FunctionalAmx unit;
  unit.zero(0);
  EXPECT_NE(AmxFaults::take(), "");
  unit.configure(shapes(4, 4, 4));
  unit.load(2, memory.data(), 64);
  EXPECT_EQ(AmxFaults::take(), "");
  unit.load(3, memory.data(), 64);
  EXPECT_NE(AmxFaults::take(), "");
  unit.release();
  unit.store(0, memory.data(), 64);
  EXPECT_NE(AmxFaults::take(), "");
  unit.dot(0, 1, 2);
  EXPECT_NE(AmxFaults::take(), "");
}

TEST(FunctionalAmx, RefusesShapesThatDoNotMultiply) {
  const auto fault = [](auto change, int a = 1, int b = 2) {
    AmxConfiguration c = shapes(5, 6, 7);
    change(c);
    FunctionalAmx unit;
    unit.configure(c);
    EXPECT_EQ(AmxFaults::take(), "");
    unit.dot(0, a, b);
    return AmxFaults::take();
  };
  EXPECT_EQ(fault([](auto&) {}), "");
  EXPECT_NE(fault([](auto& c) { c.rows[0] = 4; }), "");
  EXPECT_NE(fault([](auto& c) { c.row_bytes[0] = 20; }), "");
  EXPECT_NE(fault([](auto& c) { c.rows[2] = 6; }), "");
  EXPECT_NE(fault([](auto& c) { c.row_bytes[0] = c.row_bytes[2] = 22; }), "");
  EXPECT_NE(fault([](auto&) {}, 1, 1), "");
  EXPECT_NE(fault([](auto&) {}, 0, 2), "");
}

/// What a store leaves in 16 rows of 64 bytes that were all 0xee.
std::vector<std::uint8_t> stored(const FunctionalAmx& unit, int index) {
  std::vector<std::uint8_t> memory(1024, 0xee);
  unit.store(index, memory.data(), 64);
  return memory;
}

TEST(FunctionalAmx, MovesTheConfiguredPartAndZeroesTheRest) {
  AmxConfiguration c = shapes(5, 3, 4);
  const std::vector<std::uint8_t> ones(1024, 1);
  FunctionalAmx unit;
  unit.configure(c);
  const auto expect = [&](int value) {
    const auto memory = stored(unit, 0);
    for (int i = 0; i < 1024; ++i) EXPECT_EQ(memory[std::size_t(i)], i / 64 < 5 && i % 64 < 12 ? value : 0xee) << i;
  };
  expect(0);  // as a configuration leaves it
  unit.load(0, ones.data(), 64);
  expect(1);
  unit.zero(0);
  expect(0);
  unit.load(0, ones.data(), 64);
  unit.configure(c);
  expect(0);
  EXPECT_EQ(AmxFaults::take(), "");
}

/// c + a b for one row of a, one column of b and `pairs` pairs.
float dot(float c, const std::vector<float>& a, const std::vector<float>& b) {
  const int pairs = int(a.size() / 2);
  std::vector<std::uint16_t> a_row, b_rows;
  for (const float x : a) a_row.push_back(float_to_bf16(x));
  for (const float x : b) b_rows.push_back(float_to_bf16(x));
  FunctionalAmx unit;
  unit.configure(shapes(1, 1, pairs));
  unit.load(0, &c, 4);
  unit.load(1, a_row.data(), 4 * pairs);
  unit.load(2, b_rows.data(), 4);
  unit.dot(0, 1, 2);
  float out = -1;
  unit.store(0, &out, 4);
  EXPECT_EQ(AmxFaults::take(), "");
  return out;
}

constexpr float kTwo24 = 16777216.0F;  // the first fp32 to which 1 cannot be added

TEST(FunctionalAmx, SumsEvenAndOddProductsApartAndBeforeC) {
  EXPECT_EQ(dot(1, {2, 3, 4, 5}, {10, 20, 30, 40}), 1 + 20 + 60 + 120 + 200);
  EXPECT_EQ(dot(0, {kTwo24, 1, 1, 1}, {1, 1, 1, 1}), kTwo24 + 2);  // one after the other they would all be lost
  EXPECT_EQ(dot(0, {kTwo24, 1, 0, 0}, {1, 1, 1, 1}), kTwo24);      // a tie, to even
  EXPECT_EQ(dot(0, {kTwo24 + 131072, 0, 3, 0}, {1, 0, 1, 0}), kTwo24 + 131072 + 4);
  EXPECT_EQ(dot(kTwo24, {1, 1}, {1, 1}), kTwo24 + 2);
}

TEST(FunctionalAmx, FlushesSubnormalNumbers) {
  const float smallest = std::numeric_limits<float>::min();
  EXPECT_EQ(dot(0, {smallest / 2, 0}, {1e30F, 0}), 0);
  EXPECT_EQ(dot(0, {smallest, 0}, {0.5F, 0}), 0);
  EXPECT_EQ(dot(0, {smallest, 0}, {1, 0}), smallest);
  EXPECT_EQ(dot(smallest / 2, {0, 0}, {0, 0}), 0);
  EXPECT_EQ(dot(smallest / 2, {smallest, 0}, {1, 0}), smallest);
  EXPECT_EQ(dot(-1.5F * smallest, {smallest, 0}, {1, 0}), 0);
}

/// Whether /proc/cpuinfo names it among its words.
bool cpu_lists(const std::string& flag) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string word; file >> word;)
    if (word == flag) return true;
  return false;
}

TEST(AmxTiles, AreOfferedOnlyWhereTheSystemListsThem) {
  const bool listed = cpu_lists("amx_tile") && cpu_lists("amx_bf16");
  const cpu::TileSet* tiles = cpu::amx_tiles();
  if (tiles == nullptr) return;  // a system may list AMX and yet refuse it to a process
  EXPECT_TRUE(listed);
  EXPECT_STREQ(tiles->name, "AMX BF16");
  EXPECT_NE(tiles->begin, nullptr);
  EXPECT_NE(tiles->end, nullptr);
}

}  // namespace
}  // namespace assay::test
