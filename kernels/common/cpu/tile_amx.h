// What the AMX micro-kernel asks of a tile unit, shared by the product and the functional AMX of the tests.
#pragma once
#include <cstdint>

namespace assay::cpu {

inline constexpr int kAmxRegisters = 8;
inline constexpr int kAmxRegisterRows = 16;
inline constexpr int kAmxRegisterBytes = 64;  // of one row

/// The operand of LDTILECFG.
struct alignas(64) AmxConfiguration {
  std::uint8_t palette = 0;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {};  // of each register; the last eight do not exist and stay zero
  std::uint8_t rows[16] = {};
};
static_assert(sizeof(AmxConfiguration) == 64);

/// Every register whole.  The only configuration there is: one for fewer rows would cost more than it saves, since
/// LDTILECFG waits for the tile unit and clears it.
constexpr AmxConfiguration amx_whole_registers() {
  AmxConfiguration whole;
  whole.palette = 1;
  for (int i = 0; i < kAmxRegisters; ++i) {
    whole.row_bytes[i] = kAmxRegisterBytes;
    whole.rows[i] = kAmxRegisterRows;
  }
  return whole;
}

struct TileSet;
/// The micro-kernels, granted or not: for tests that stand in for the tile unit.  Null where this build has none.
const TileSet* amx_tiles_of_build();

/// Whether this CPU has AMX with bf16 products and the operating system lets this process use it; asks it to.
bool amx_granted();

}  // namespace assay::cpu
