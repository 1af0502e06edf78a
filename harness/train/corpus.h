// The text that training steps read: English-like sentences of a small grammar, one token a byte, generated from a seed
// so that nothing has to be shipped or fetched and every rank has the same.
//
// Because the grammar is known, so is what a model can reach: no model predicts a byte with less than the grammar's own
// entropy (entropy_per_byte), and one that only knows how frequent bytes are does not get below unigram_entropy.  A
// loss between the two has learnt from context.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace assay {

class Corpus {
 public:
  explicit Corpus(std::uint64_t seed);

  const std::string& text() const { return text_; }
  /// Natural logarithms.
  double entropy_per_byte() const { return entropy_; }
  double unigram_entropy() const;

  /// Sequence `sequence` of step `step` of a run whose every step reads `batch` sequences: `length` tokens and, as
  /// targets, the ones that follow them.  It depends on its number alone, so that ranks that share a batch read
  /// together what one rank reads alone.
  struct Sample {
    std::vector<std::int32_t> tokens, targets;
  };
  Sample sample(std::int64_t step, std::int64_t batch, std::int64_t sequence, std::int64_t length) const;

 private:
  std::uint64_t seed_;
  std::string text_;
  double entropy_ = 0;
};

}  // namespace assay
