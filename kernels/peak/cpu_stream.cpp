// What a core can copy, add, read and write.  Compiled once for every vector instruction set by Highway's
// foreach_target; the best one is chosen at run time.
#include "kernels/peak/cpu_loops.h"

#include "kernels/common/cpu/highway_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/peak/cpu_stream.cpp"
// clang-format off: foreach_target.h must come first
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on
#include <hwy/cache_control.h>

HWY_BEFORE_NAMESPACE();
namespace assay::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::ScalableTag<std::uint32_t>;

// Vectors of one turn of a loop: 256 bytes or less, which divides a page.
constexpr std::size_t kUnroll = 4;

void copy(const std::uint32_t* from, std::uint32_t* to, std::size_t words) {
  const Tag d;
  const std::size_t lanes = hn::Lanes(d);
  for (std::size_t i = 0; i < words; i += kUnroll * lanes) {
    hn::Vec<Tag> value[kUnroll];
#pragma GCC unroll 4
    for (std::size_t j = 0; j < kUnroll; ++j) value[j] = hn::LoadU(d, from + i + j * lanes);
#pragma GCC unroll 4
    for (std::size_t j = 0; j < kUnroll; ++j) hn::Stream(value[j], d, to + i + j * lanes);
  }
  hwy::FlushStream();
}

void triad(const float* b, const float* c, float scale, float* to, std::size_t count) {
  const hn::RebindToFloat<Tag> d;
  const std::size_t lanes = hn::Lanes(d);
  const auto s = hn::Set(d, scale);
  for (std::size_t i = 0; i < count; i += kUnroll * lanes) {
    hn::Vec<decltype(d)> value[kUnroll];
#pragma GCC unroll 4
    for (std::size_t j = 0; j < kUnroll; ++j) {
      const std::size_t at = i + j * lanes;
      value[j] = hn::MulAdd(hn::LoadU(d, c + at), s, hn::LoadU(d, b + at));
    }
#pragma GCC unroll 4
    for (std::size_t j = 0; j < kUnroll; ++j) hn::Stream(value[j], d, to + i + j * lanes);
  }
  hwy::FlushStream();
}

// Even and odd words are summed in 64-bit lanes, in as many accumulators as hide the additions' latency.
std::uint64_t read(const std::uint32_t* from, std::size_t words) {
  const Tag d;
  const std::size_t lanes = hn::Lanes(d);
#if HWY_TARGET == HWY_SCALAR  // one lane cannot hold two halves
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < words; i += lanes) sum += from[i];
  return sum;
#else
  const hn::RepartitionToWide<Tag> wide;
  const auto low = hn::Set(wide, 0xffffffffu);
  hn::Vec<decltype(wide)> even[kUnroll], odd[kUnroll];
#pragma GCC unroll 4
  for (std::size_t j = 0; j < kUnroll; ++j) even[j] = odd[j] = hn::Zero(wide);
  for (std::size_t i = 0; i < words; i += kUnroll * lanes) {
#pragma GCC unroll 4
    for (std::size_t j = 0; j < kUnroll; ++j) {
      const auto pair = hn::BitCast(wide, hn::LoadU(d, from + i + j * lanes));
      even[j] = hn::Add(even[j], hn::And(pair, low));
      odd[j] = hn::Add(odd[j], hn::ShiftRight<32>(pair));
    }
  }
  auto total = hn::Zero(wide);
  for (std::size_t j = 0; j < kUnroll; ++j) total = hn::Add(total, hn::Add(even[j], odd[j]));
  return hn::GetLane(hn::SumOfLanes(wide, total));
#endif
}

void write(std::uint32_t* to, std::size_t words, std::uint32_t pattern) {
  const Tag d;
  const std::size_t lanes = hn::Lanes(d);
  const auto value = hn::Set(d, pattern);
  for (std::size_t i = 0; i < words; i += kUnroll * lanes) {
#pragma GCC unroll 4
    for (std::size_t j = 0; j < kUnroll; ++j) hn::Stream(value, d, to + i + j * lanes);
  }
  hwy::FlushStream();
}

}  // namespace assay::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace assay {

HWY_EXPORT(copy);
HWY_EXPORT(triad);
HWY_EXPORT(read);
HWY_EXPORT(write);

void stream_copy(const void* from, void* to, std::size_t bytes) {
  HWY_DYNAMIC_DISPATCH(copy)
  (static_cast<const std::uint32_t*>(from), static_cast<std::uint32_t*>(to), bytes / sizeof(std::uint32_t));
}

void stream_triad(const void* b, const void* c, float scale, void* to, std::size_t bytes) {
  HWY_DYNAMIC_DISPATCH(triad)
  (static_cast<const float*>(b), static_cast<const float*>(c), scale, static_cast<float*>(to), bytes / sizeof(float));
}

std::uint64_t stream_read(const void* from, std::size_t bytes) {
  return HWY_DYNAMIC_DISPATCH(read)(static_cast<const std::uint32_t*>(from), bytes / sizeof(std::uint32_t));
}

void stream_write(void* to, std::size_t bytes, std::uint32_t pattern) {
  HWY_DYNAMIC_DISPATCH(write)(static_cast<std::uint32_t*>(to), bytes / sizeof(std::uint32_t), pattern);
}

}  // namespace assay
#endif
