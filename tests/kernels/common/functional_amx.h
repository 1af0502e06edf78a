// AMX in plain C++: palette 1's eight registers with the documented meaning of LDTILECFG, TILELOADD, TILESTORED,
// TILEZERO, TDPBF16PS and TILERELEASE (Intel's instruction set reference).  Each thread has its own unit, as it has its
// own registers.  What the hardware would refuse with an exception is written down instead, for the tests to find.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <mutex>
#include <string>
#include <utility>

#include <hwy/base.h>

#include "kernels/common/cpu/tile.h"
#include "kernels/common/cpu/tile_amx.h"
#include "kernels/common/dtype.h"

namespace assay::test {

/// The first refusal of any thread since it was last asked for; empty where there was none.
class AmxFaults {
 public:
  static void note(const std::string& fault) {
    const std::lock_guard lock(mutex());
    if (first().empty()) first() = fault;
  }
  static std::string take() {
    const std::lock_guard lock(mutex());
    return std::exchange(first(), {});
  }

 private:
  static std::mutex& mutex() {
    static std::mutex m;
    return m;
  }
  static std::string& first() {
    static std::string text;
    return text;
  }
};

class FunctionalAmx {
 public:
  struct Register {
    alignas(64) std::uint8_t bytes[cpu::kAmxRegisterRows][cpu::kAmxRegisterBytes];
  };

  static FunctionalAmx& of_this_thread() {
    thread_local FunctionalAmx unit;
    return unit;
  }

  void configure(const cpu::AmxConfiguration& wanted) {
    const std::string fault = configuration_fault(wanted);
    if (!fault.empty()) return AmxFaults::note("#GP, LDTILECFG: " + fault);
    release();
    configuration_ = wanted;
  }

  /// Registers hold zeros after a configuration and have no shape without one.
  void release() {
    configuration_ = {};
    std::memset(registers_, 0, sizeof registers_);
  }
  bool configured() const { return configuration_.palette != 0; }

  void load(int index, const void* rows, std::int64_t bytes) {
    if (!usable(index, "TILELOADD")) return;
    Register& to = registers_[index];
    std::memset(&to, 0, sizeof to);
    for (int r = 0; r < rows_of(index); ++r)
      std::memcpy(to.bytes[r], static_cast<const char*>(rows) + r * bytes, row_bytes(index));
  }

  void store(int index, void* rows, std::int64_t bytes) const {
    if (!usable(index, "TILESTORED")) return;
    for (int r = 0; r < rows_of(index); ++r)
      std::memcpy(static_cast<char*>(rows) + r * bytes, registers_[index].bytes[r], row_bytes(index));
  }

  void zero(int index) {
    if (usable(index, "TILEZERO")) std::memset(&registers_[index], 0, sizeof registers_[index]);
  }

  /// sums[m][n] += the pairs of a[m] times the pairs of column n of b; a is [rows][pairs], b [pairs][columns].
  /// Subnormal numbers are zeros, before and after; every rounding is to nearest even.
  void dot(int sums, int a, int b) {
    if (!usable(sums, "TDPBF16PS") || !usable(a, "TDPBF16PS") || !usable(b, "TDPBF16PS")) return;
    const std::string fault = shape_fault(sums, a, b);
    if (!fault.empty()) return AmxFaults::note("#UD, TDPBF16PS: " + fault);
    const Values x = values(a), y = values(b);
    Register out = {};
    for (int m = 0; m < rows_of(sums); ++m)
      for (int n = 0; n < columns(sums); ++n) {
        // Even and odd products are summed apart, from zero, before both reach the sum.
        float even = 0, odd = 0;
        for (int k = 0; k < columns(a); ++k) {
          even = flush(std::fma(x.of[m][2 * k], y.of[k][2 * n], even));
          odd = flush(std::fma(x.of[m][2 * k + 1], y.of[k][2 * n + 1], odd));
        }
        put(out, m, n, flush(flush(get(registers_[sums], m, n)) + flush(even + odd)));
      }
    registers_[sums] = out;
  }

 private:
  static std::string configuration_fault(const cpu::AmxConfiguration& c) {
    if (c.palette > 1) return "unknown palette";
    for (const std::uint8_t reserved : c.reserved)
      if (reserved != 0) return "a reserved byte is set";
    for (int i = 0; i < 16; ++i) {
      if (i >= cpu::kAmxRegisters && (c.rows[i] != 0 || c.row_bytes[i] != 0)) return "a ninth register";
      if (c.rows[i] > cpu::kAmxRegisterRows || c.row_bytes[i] > cpu::kAmxRegisterBytes) return "a register too large";
      if ((c.rows[i] == 0) != (c.row_bytes[i] == 0)) return "rows without bytes, or bytes without rows";
    }
    return {};
  }

  bool usable(int index, const char* instruction) const {
    const bool good = configured() && index >= 0 && index < cpu::kAmxRegisters && rows_of(index) > 0;
    if (!good) AmxFaults::note(std::string("#UD, ") + instruction + ": a register without a configuration");
    return good;
  }

  std::string shape_fault(int sums, int a, int b) const {
    if (sums == a || sums == b || a == b) return "registers are not three";
    if (rows_of(sums) != rows_of(a)) return "rows of the sums are not those of a";
    if (row_bytes(sums) != row_bytes(b)) return "columns of the sums are not those of b";
    if (columns(a) != rows_of(b)) return "pairs of a are not the rows of b";
    for (const int i : {sums, a, b})
      if (row_bytes(i) % 4 != 0) return "a row is not whole pairs";
    return {};
  }

  int rows_of(int index) const { return configuration_.rows[index]; }
  std::size_t row_bytes(int index) const { return configuration_.row_bytes[index]; }
  int columns(int index) const { return int(row_bytes(index) / 4); }

  /// A register's bf16, subnormal ones as zeros.
  struct Values {
    float of[cpu::kAmxRegisterRows][cpu::kAmxRegisterBytes / 2];
  };
  Values values(int index) const {
    Values out;
    for (int row = 0; row < cpu::kAmxRegisterRows; ++row)
      for (int i = 0; i < cpu::kAmxRegisterBytes / 2; ++i) {
        std::uint16_t bits;
        std::memcpy(&bits, registers_[index].bytes[row] + 2 * i, sizeof bits);
        out.of[row][i] = flush(bf16_to_float(bits));
      }
    return out;
  }
  static float get(const Register& r, int row, int i) {
    float value;
    std::memcpy(&value, r.bytes[row] + 4 * i, sizeof value);
    return value;
  }
  static void put(Register& r, int row, int i, float value) { std::memcpy(r.bytes[row] + 4 * i, &value, sizeof value); }

  static float flush(float x) { return std::abs(x) < std::numeric_limits<float>::min() ? std::copysign(0.0F, x) : x; }

  cpu::AmxConfiguration configuration_;
  Register registers_[cpu::kAmxRegisters] = {};
};

namespace functional_amx {
using namespace cpu;  // where the text below is at home

#include "kernels/common/cpu/tile_amx-inl.h"

/// The functional unit as the micro-kernel wants its instructions named (tile_amx-inl.h).
struct Instructions {
  static FunctionalAmx& unit() { return FunctionalAmx::of_this_thread(); }
  static void configure() { unit().configure(cpu::amx_whole_registers()); }
  static void release() { unit().release(); }

  template <int kRegister>
  static void load(const void* rows, std::int64_t bytes) {
    unit().load(kRegister, rows, bytes);
  }
  template <int kRegister>
  static void store(void* rows, std::int64_t bytes) {
    unit().store(kRegister, rows, bytes);
  }
  template <int kRegister>
  static void zero() {
    unit().zero(kRegister);
  }
  template <int kSums, int kA, int kB>
  static void dot() {
    unit().dot(kSums, kA, kB);
  }

  using Vec = float;
  static constexpr int kLanes = 1;
  static Vec splat(float value) { return value; }
  static Vec add(Vec x, Vec y) { return x + y; }
  static Vec fused_multiply_add(Vec x, Vec y, Vec z) { return std::fma(x, y, z); }
  static Vec load_c(const float* c) { return *c; }
  static void store_c(float* c, Vec value) { *c = value; }
  static void store_bf16(std::uint16_t* to, Vec value) { *to = float_to_bf16(value); }
};

}  // namespace functional_amx

/// The micro-kernels on the functional unit.
inline const cpu::TileSet& functional_amx_tiles() {
  static const cpu::TileSet tiles = functional_amx::amx_tile_set<functional_amx::Instructions>("functional AMX");
  return tiles;
}

}  // namespace assay::test
