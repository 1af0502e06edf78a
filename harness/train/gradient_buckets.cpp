#include "harness/train/gradient_buckets.h"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

namespace assay {
namespace {

constexpr std::int64_t kElementBytes = 4;  // fp32
constexpr std::int64_t kAlignment = 64;    // elements: tensors begin at multiples, and so do buckets

std::int64_t elements_of(std::int64_t bytes) {
  return std::max(kAlignment, (bytes / kElementBytes + kAlignment - 1) / kAlignment * kAlignment);
}

}  // namespace

GradientBuckets::GradientBuckets(const ParameterLayout& layout, std::int64_t bytes)
    : gains_{layout.decayed, layout.size},
      first_(elements_of(std::min(bytes, kFirstBucketBytes))),
      other_(elements_of(bytes)),
      left_(layout.decayed) {
  for (const ParameterTensor* tensor : layout.all())
    if (tensor->offset < layout.decayed)
      unwritten_.push_back(tensor->offset);
    else
      ++gains_unwritten_;
  std::sort(unwritten_.begin(), unwritten_.end());
}

std::int64_t GradientBuckets::next_count() const { return std::min(left_, began_ ? other_ : first_); }

std::vector<GradientRange> GradientBuckets::written(const ParameterTensor& tensor) {
  if (tensor.offset >= gains_.begin)
    return --gains_unwritten_ == 0 ? std::vector<GradientRange>{gains_} : std::vector<GradientRange>{};
  if (unwritten_.empty() || unwritten_.back() != tensor.offset)
    throw std::logic_error(fmt::format("the gradient of {} is not the next that buckets are cut for", tensor.name));
  unwritten_.pop_back();
  std::vector<GradientRange> complete;
  while (left_ > 0 && left_ - next_count() >= tensor.offset) {
    complete.push_back({left_ - next_count(), left_});
    left_ = complete.back().begin;
    began_ = true;
  }
  return complete;
}

}  // namespace assay
