// FNV-1a, 64 bits: tells whether two outputs are the same bytes.  Not for anything that must resist an adversary.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace assay {

class Digest {
 public:
  Digest() = default;
  /// Continues from what text() gave.
  explicit Digest(const std::string& text) : state_(std::stoull(text, nullptr, 16)) {}
  void add(const void* bytes, std::size_t count);
  std::uint64_t value() const { return state_; }
  /// 16 hexadecimal digits.
  std::string text() const;

 private:
  std::uint64_t state_ = 0xcbf29ce484222325u;  // FNV's offset basis
};

}  // namespace assay
