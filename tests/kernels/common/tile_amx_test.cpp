// The AMX micro-kernel: right on the functional unit, and on this CPU's where it has one; planted faults are noticed.
#include <gtest/gtest.h>

#include "tests/kernels/common/amx_trap.h"
#include "tests/kernels/common/tile_amx_check.h"

namespace assay::test {
namespace {

using functional_amx::Instructions;

std::string first_fault(const cpu::TileSet& tiles) {
  for (const AmxTileCase& c : amx_tile_cases())
    if (const std::string fault = AmxTileFixture(c).fault(tiles); !fault.empty()) return text(c) + ": " + fault;
  return {};
}

TEST(AmxTile, MatchesFp64OnTheFunctionalUnit) { EXPECT_EQ(first_fault(functional_amx_tiles()), ""); }

TEST(AmxTile, MatchesFp64OnThisCpu) {
  if (cpu::amx_tiles() == nullptr) GTEST_SKIP() << "this CPU grants no AMX";
  EXPECT_EQ(first_fault(*cpu::amx_tiles()), "");
}

/// Empty where both sets leave the same bits.
std::string first_difference(const cpu::TileSet& x, const cpu::TileSet& y) {
  for (const AmxTileCase& c : amx_tile_cases()) {
    AmxTileFixture one(c), other(c);
    one.fault(x), other.fault(y);
    if (std::memcmp(one.c().data(), other.c().data(), one.c().size() * sizeof(float)) != 0 ||
        one.bf16() != other.bf16())
      return text(c);
  }
  return {};
}

// Conformance: where this fails and the test before passes, the functional unit rounds otherwise than the hardware.
TEST(AmxTile, ThisCpuComputesTheFunctionalUnitsBits) {
  if (cpu::amx_tiles() == nullptr) GTEST_SKIP() << "this CPU grants no AMX";
  EXPECT_EQ(first_difference(functional_amx_tiles(), *cpu::amx_tiles()), "");
}

#if ASSAY_CAN_TRAP_AMX
// The product's own machine code, its tile instructions computed by the functional unit.
TEST(AmxTile, MatchesFp64WithItsInstructionsTrapped) {
  if (cpu::bf16_tiles() == nullptr) GTEST_SKIP() << "the rest of its instructions are AVX-512 BF16's";
  if (cpu::amx_tiles() != nullptr) GTEST_SKIP() << "this CPU runs them";
  const AmxTrap trap;
  EXPECT_EQ(first_fault(*cpu::amx_tiles_of_build()), "");
  EXPECT_GT(AmxTrap::instructions(), 10000);
  EXPECT_EQ(first_difference(functional_amx_tiles(), *cpu::amx_tiles_of_build()), "");
}
#endif

// Registers are released after a launch, and whatever another library left in them before does not matter.
TEST(AmxTile, ConfiguresAtEveryUseAndReleasesAfterIt) {
  FunctionalAmx& unit = FunctionalAmx::of_this_thread();
  cpu::AmxConfiguration foreign;
  foreign.palette = 1, foreign.rows[0] = 3, foreign.row_bytes[0] = 8;
  unit.configure(foreign);
  EXPECT_EQ(AmxTileFixture({}).fault(functional_amx_tiles()), "");
  EXPECT_FALSE(unit.configured());
}

// Each plants one fault in what the micro-kernel asks of its unit.
struct WrongStrideOfB : Instructions {
  template <int kRegister>
  static void load(const void* rows, std::int64_t bytes) {
    Instructions::load<kRegister>(rows, kRegister >= 6 ? bytes / 2 : bytes);
  }
};
struct WrongStrideOfA : Instructions {
  template <int kRegister>
  static void load(const void* rows, std::int64_t bytes) {
    Instructions::load<kRegister>(rows, kRegister == 4 || kRegister == 5 ? bytes / 4 : bytes);
  }
};
struct NothingZeroed : Instructions {
  template <int kRegister>
  static void zero() {}
};
struct OneSumNotZeroed : Instructions {
  template <int kRegister>
  static void zero() {
    if (kRegister != 3) Instructions::zero<kRegister>();
  }
};
struct HalvesOfASwapped : Instructions {
  template <int kSums, int kA, int kB>
  static void dot() {
    Instructions::dot<kSums, 9 - kA, kB>();
  }
};
struct HalvesOfBSwapped : Instructions {
  template <int kSums, int kA, int kB>
  static void dot() {
    Instructions::dot<kSums, kA, 13 - kB>();
  }
};
struct OperandsSwapped : Instructions {
  template <int kSums, int kA, int kB>
  static void dot() {
    Instructions::dot<kSums, kB, kA>();
  }
};
struct SumsStoredCrosswise : Instructions {
  template <int kRegister>
  static void store(void* rows, std::int64_t bytes) {
    Instructions::store<kRegister == 1 || kRegister == 2 ? 3 - kRegister : kRegister>(rows, bytes);
  }
};
struct OldCNotLoaded : Instructions {
  template <int kRegister>
  static void load(const void* rows, std::int64_t bytes) {
    if (kRegister < 4)
      Instructions::zero<kRegister>();
    else
      Instructions::load<kRegister>(rows, bytes);
  }
};
struct StrideOfCInElements : Instructions {
  template <int kRegister>
  static void store(void* rows, std::int64_t bytes) {
    Instructions::store<kRegister>(rows, bytes / 4);
  }
};
struct FewerRowsConfigured : Instructions {
  static void configure() {
    cpu::AmxConfiguration c = cpu::amx_whole_registers();
    for (const int sums_or_a : {0, 1, 2, 3, 4, 5}) c.rows[sums_or_a] = 15;
    unit().configure(c);
  }
};
struct NarrowConfiguration : Instructions {
  static void configure() {
    cpu::AmxConfiguration c = cpu::amx_whole_registers();
    c.row_bytes[4] = 32;
    unit().configure(c);
  }
};
struct NothingConfigured : Instructions {
  static void configure() {}
};
struct Truncated : Instructions {
  static void store_bf16(std::uint16_t* to, Vec value) {
    std::uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    *to = std::uint16_t(bits >> 16);
  }
};
struct RowScaleIgnored : Instructions {
  static Vec fused_multiply_add(Vec, Vec y, Vec z) { return y + z; }
};

struct Planted {
  const char* name;
  cpu::TileSet tiles;
};

template <class T>
Planted planted(const char* name) {
  return {name, functional_amx::amx_tile_set<T>(name)};
}

template <int kRows>
void without_last_piece(const cpu::TileTask& task) {
  cpu::TileTask shorter = task;
  shorter.units -= cpu::kAmxUnitsPerPiece;
  functional_amx_tiles().packed[kRows - 1](shorter);
}
template <int kRows>
void with_b_of_the_next_piece(const cpu::TileTask& task) {
  cpu::TileTask shifted = task;
  shifted.units -= cpu::kAmxUnitsPerPiece;  // stays inside what is packed
  shifted.b += cpu::kAmxUnitsPerPiece * 32;
  functional_amx_tiles().packed[kRows - 1](shifted);
}

cpu::TileSet changed(void (*change)(cpu::TileSet&)) {
  cpu::TileSet tiles = functional_amx_tiles();
  change(tiles);
  return tiles;
}

TEST(AmxTile, PlantedFaultsAreNoticed) {
  const std::vector<Planted> all = {
      planted<WrongStrideOfB>("b's rows read at half their distance"),
      planted<WrongStrideOfA>("a's rows read at a quarter of their distance"),
      planted<NothingZeroed>("sums not zeroed"),
      planted<OneSumNotZeroed>("one of four sums not zeroed"),
      planted<HalvesOfASwapped>("upper and lower rows of a swapped"),
      planted<HalvesOfBSwapped>("left and right columns of b swapped"),
      planted<OperandsSwapped>("a and b swapped"),
      planted<SumsStoredCrosswise>("sums stored crosswise"),
      planted<OldCNotLoaded>("accumulation without the old c"),
      planted<StrideOfCInElements>("c's stride taken for bytes"),
      planted<FewerRowsConfigured>("registers of 15 rows"),
      planted<NarrowConfiguration>("a narrower than b is deep"),
      planted<NothingConfigured>("no configuration"),
      planted<Truncated>("bf16 cut off instead of rounded"),
      planted<RowScaleIgnored>("rows not scaled"),
      {"the last piece left out", changed([](auto& t) { t.packed[31] = without_last_piece<32>; })},
      {"b a piece ahead of a", changed([](auto& t) { t.packed[18] = with_b_of_the_next_piece<19>; })},
      {"one row too few", changed([](auto& t) { t.packed[16] = t.packed[15]; })},
      {"one row too many", changed([](auto& t) { t.strided[15] = t.strided[16]; })},
      {"packed a read as strided", changed([](auto& t) { std::copy_n(t.packed, 32, t.strided); })},
  };
  for (const Planted& plant : all) EXPECT_NE(first_fault(plant.tiles), "") << plant.name;
}

}  // namespace
}  // namespace assay::test
