// Synthetic sample streams, the same on every machine.
#pragma once
#include <cmath>
#include <cstdint>

#include "harness/measure/measurement.h"

namespace assay {

/// Counter-based, so that no library's generator decides what these tests see.
class Noise {
 public:
  explicit Noise(std::uint64_t seed) {
    // A start far from every other seed's: neighbours would draw the same numbers one step apart.
    state_ = mix((seed + 1) * 0xd1342543de82ef95u);
  }
  double uniform() {  // in (0, 1)
    return (double(mix(state_ += 0x9e3779b97f4a7c15u) >> 11) + 0.5) / 9007199254740992.0;
  }
  double normal() {  // Box-Muller
    const double radius = std::sqrt(-2 * std::log(uniform()));
    return radius * std::cos(2 * M_PI * uniform());
  }

 private:
  static std::uint64_t mix(std::uint64_t x) {  // splitmix64
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
  }
  std::uint64_t state_;
};

/// x' = rho x + noise, of deviation 1.
class Autoregressive {
 public:
  Autoregressive(double rho, std::uint64_t seed) : rho_(rho), noise_(seed), state_(noise_.normal()) {}
  double next() {
    const double out = state_;
    state_ = rho_ * state_ + std::sqrt(1 - rho_ * rho_) * noise_.normal();
    return out;
  }

 private:
  double rho_;
  Noise noise_;
  double state_;
};

}  // namespace assay
