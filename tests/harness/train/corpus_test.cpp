#include "harness/train/corpus.h"

#include <gtest/gtest.h>

#include <cmath>

namespace assay {
namespace {

TEST(Corpus, IsTheSameForASeedAndAnotherForAnother) {
  EXPECT_EQ(Corpus(3).text(), Corpus(3).text());
  EXPECT_NE(Corpus(3).text(), Corpus(4).text());
  EXPECT_EQ(Corpus(3).text().find_first_not_of("abcdefghijklmnopqrstuvwxyz ,."), std::string::npos);
}

/// A model of bytes pairs counted on the text itself lies between the two bounds, as any must.
TEST(Corpus, EntropyOfItsGrammarIsBelowThatOfItsPairsAndOfItsBytes) {
  const Corpus corpus(1);
  std::vector<double> pairs(65536, 0.0), firsts(256, 0.0);
  const std::string& text = corpus.text();
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    const auto a = static_cast<unsigned char>(text[i]), b = static_cast<unsigned char>(text[i + 1]);
    pairs[a * 256U + b] += 1, firsts[a] += 1;
  }
  double entropy = 0;  // of a byte, given the one before
  for (std::size_t p = 0; p < pairs.size(); ++p)
    if (pairs[p] > 0) entropy -= pairs[p] / double(text.size() - 1) * std::log(pairs[p] / firsts[p / 256]);
  EXPECT_GT(entropy, 2 * corpus.entropy_per_byte());
  EXPECT_LT(entropy, corpus.unigram_entropy() - 0.5);
  EXPECT_LT(corpus.unigram_entropy(), std::log(29.0));
  EXPECT_GT(corpus.entropy_per_byte(), 0.1);
}

TEST(Corpus, TargetsAreTheNextTokensAndStepsDiffer) {
  const Corpus corpus(1);
  const Corpus::Sample sample = corpus.sample(5, 4, 2, 64);
  ASSERT_EQ(sample.tokens.size(), 64U);
  for (std::size_t i = 0; i + 1 < 64; ++i) EXPECT_EQ(sample.targets[i], sample.tokens[i + 1]);
  EXPECT_NE(sample.tokens, corpus.sample(6, 4, 2, 64).tokens);
  EXPECT_NE(sample.tokens, corpus.sample(5, 4, 3, 64).tokens);
}

}  // namespace
}  // namespace assay
