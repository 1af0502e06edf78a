#include "harness/core/glob.h"

#include <gtest/gtest.h>

#include <string>

namespace assay {
namespace {

TEST(Glob, WholeTextMustMatch) {
  EXPECT_TRUE(glob_match("gemm", "gemm"));
  EXPECT_FALSE(glob_match("gemm", "gemm/"));
  EXPECT_FALSE(glob_match("gemm", "a/gemm"));
  EXPECT_TRUE(glob_match("", ""));
  EXPECT_FALSE(glob_match("", "x"));
  EXPECT_FALSE(glob_match("x", ""));
}

TEST(Glob, StarMatchesAnyRunSlashesIncluded) {
  EXPECT_TRUE(glob_match("*", ""));
  EXPECT_TRUE(glob_match("*", "gemm/cpu/m=1"));
  EXPECT_TRUE(glob_match("gemm/*/m=1", "gemm/a/b/c/m=1"));
  EXPECT_TRUE(glob_match("*bf16*", "gemm/mma/gpu0/bf16/layout=tn"));
  EXPECT_FALSE(glob_match("*bf16", "gemm/mma/gpu0/bf16/layout=tn"));
  EXPECT_TRUE(glob_match("**a**", "a"));
}

TEST(Glob, AStarIsRetriedFurtherOn) {
  EXPECT_TRUE(glob_match("*ab", "aab"));
  EXPECT_TRUE(glob_match("*aab*b", "aaaabxxb"));
  EXPECT_FALSE(glob_match("*aab*b", "aaaabxx"));
}

TEST(Glob, QuestionMarkIsExactlyOne) {
  EXPECT_TRUE(glob_match("gpu?", "gpu0"));
  EXPECT_FALSE(glob_match("gpu?", "gpu"));
  EXPECT_FALSE(glob_match("gpu?", "gpu10"));
}

TEST(Glob, OtherCharactersAreThemselves) {
  EXPECT_TRUE(glob_match("a[b].c", "a[b].c"));
  EXPECT_FALSE(glob_match("a[b].c", "ab.c"));
  EXPECT_FALSE(glob_match("a.c", "abc"));
}

TEST(Glob, ManyStarsStayCheap) {
  std::string pattern;
  for (int i = 0; i < 200; ++i) pattern += "*a";
  EXPECT_FALSE(glob_match(pattern + "b", std::string(20000, 'a')));
}

}  // namespace
}  // namespace assay
