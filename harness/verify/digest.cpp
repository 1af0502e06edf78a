#include "harness/verify/digest.h"

#include <fmt/format.h>

namespace assay {

void Digest::add(const void* bytes, std::size_t count) {
  constexpr std::uint64_t kPrime = 0x100000001b3u;  // FNV's 64-bit prime
  const auto* byte = static_cast<const unsigned char*>(bytes);
  for (std::size_t i = 0; i < count; ++i) state_ = (state_ ^ byte[i]) * kPrime;
}

std::string Digest::text() const { return fmt::format("{:016x}", state_); }

}  // namespace assay
