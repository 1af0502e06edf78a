// Gradients in buckets, each complete as soon as backward has written all of it: what a data-parallel step reduces
// while backward goes on (Li et al., "PyTorch Distributed", arXiv 2006.15704, section 3.2.3).
//
// Backward finishes matrices in the order in which ParameterLayout has them, from its last to its first: a bucket is a
// piece of that array, cut from its end.  Buckets are of one size whatever the tensors are (DDP's end where a tensor
// does), so that a large embedding is no bucket of its own.  The first is smaller: it can begin early, when little is
// written yet.  The gains of norms lie elsewhere, are small, and are one bucket, complete with layer 0's.
#pragma once
#include <cstdint>
#include <vector>

#include "harness/train/model.h"

namespace assay {

/// DDP's defaults, bucket_cap_mb and that of the first.
inline constexpr std::int64_t kUsualBucketBytes = std::int64_t(25) << 20, kFirstBucketBytes = std::int64_t(1) << 20;

/// Elements of the flat array of gradients.
struct GradientRange {
  std::int64_t begin = 0, end = 0;
  std::int64_t count() const { return end - begin; }
};

class GradientBuckets {
 public:
  /// `bytes`: of a bucket of fp32 gradients; the first has at most kFirstBucketBytes.
  GradientBuckets(const ParameterLayout&, std::int64_t bytes);
  /// Told of each tensor when its gradient is written, in backward's order: the buckets that are thereby complete.
  /// std::logic_error where a matrix comes out of that order.
  std::vector<GradientRange> written(const ParameterTensor&);

 private:
  std::int64_t next_count() const;

  const GradientRange gains_;
  std::int64_t first_, other_;  // elements of a bucket
  std::int64_t left_;           // elements before this one are in no bucket yet
  bool began_ = false;
  std::vector<std::int64_t> unwritten_;  // offsets of matrices; the last is backward's next
  std::size_t gains_unwritten_ = 0;
};

}  // namespace assay
