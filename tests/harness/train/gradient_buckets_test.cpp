#include "harness/train/gradient_buckets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "tests/harness/train/training.h"

namespace assay {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

/// In the order in which the step's backward pass writes them.
std::vector<const ParameterTensor*> in_backward_order(const ParameterLayout& layout) {
  std::vector<const ParameterTensor*> out = {&layout.head, &layout.final_norm};
  for (std::size_t l = layout.layers.size(); l-- > 0;) {
    const LayerParameters& p = layout.layers[l];
    for (const ParameterTensor* one : {&p.down, &p.gate_up, &p.mlp_norm, &p.out, &p.qkv, &p.attention_norm})
      out.push_back(one);
  }
  out.push_back(&layout.embedding);
  return out;
}

/// Every element is in one bucket, which comes when the last tensor with a part in it was written, and no sooner.
TEST(GradientBuckets, ComeWithTheirLastTensorAndHoldEveryGradientOnce) {
  TrainModel model = small_model();
  model.hidden = 40;  // padding between tensors
  const ParameterLayout layout(model);
  for (const std::int64_t bytes : {std::int64_t(1), std::int64_t(4096), std::int64_t(16384), std::int64_t(1) << 40}) {
    GradientBuckets buckets(layout, bytes);
    std::vector<int> written(std::size_t(layout.size), 1), reduced(written.size(), 0);  // padding is always written
    for (const ParameterTensor* tensor : layout.all())
      for (std::int64_t i = 0; i < tensor->count(); ++i) written[std::size_t(tensor->offset + i)] = 0;
    for (const ParameterTensor* tensor : in_backward_order(layout)) {
      const std::vector<int> before = written;
      for (std::int64_t i = 0; i < tensor->count(); ++i) written[std::size_t(tensor->offset + i)] = 1;
      for (const GradientRange& range : buckets.written(*tensor)) {
        bool late = true;  // it could have come before this tensor
        for (std::int64_t i = range.begin; i < range.end; ++i) {
          EXPECT_EQ(written[std::size_t(i)], 1) << "element " << i << " is not written yet";
          late = late && before[std::size_t(i)] == 1;
          ++reduced[std::size_t(i)];
        }
        EXPECT_FALSE(late) << tensor->name << " has no part in it";
        EXPECT_EQ(range.begin % 64, 0);
      }
    }
    EXPECT_THAT(reduced, ::testing::Each(1)) << bytes;
  }
}

/// PyTorch's sizes on a model of 3.1 million parameters: 1 MiB, the rest, the gains.
TEST(GradientBuckets, TheFirstIsSmaller) {
  TrainModel m;
  m.layers = 4, m.hidden = 256, m.heads = 4, m.kv_heads = 2, m.head_dim = 64, m.feed_forward = 704, m.vocabulary = 256;
  const ParameterLayout layout(m);
  const auto all = [&](std::int64_t bytes) {
    GradientBuckets buckets(layout, bytes);
    std::vector<std::int64_t> sizes;
    for (const ParameterTensor* tensor : in_backward_order(layout))
      for (const GradientRange& range : buckets.written(*tensor)) sizes.push_back(4 * range.count());
    return sizes;
  };
  const std::int64_t matrices = 4 * layout.decayed, gains = 4 * (layout.size - layout.decayed);
  EXPECT_THAT(all(kUsualBucketBytes), ::testing::ElementsAre(kFirstBucketBytes, gains, matrices - kFirstBucketBytes));
  EXPECT_EQ(all(4 << 20)[1], 4 << 20);
  EXPECT_THAT(all(1 << 20), SizeIs(std::size_t((matrices + (1 << 20) - 1) / (1 << 20) + 1)));
}

TEST(GradientBuckets, AnotherOrderIsRefused) {
  const ParameterLayout layout(small_model());
  GradientBuckets buckets(layout, 4096);
  EXPECT_THAT(buckets.written(layout.final_norm), IsEmpty()) << "other gains are not written";
  EXPECT_THROW(buckets.written(layout.layers[1].down), std::logic_error) << "the head's gradient comes before it";
}

}  // namespace
}  // namespace assay
