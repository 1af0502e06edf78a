// Text on a terminal: folded to its width, painted where it has colour.
#include "harness/publish/style.h"

#include <gtest/gtest.h>

#include <sstream>

namespace assay {
namespace {

TEST(Folded, BreaksAtSpacesAndIndentsWhatFollows) {
  EXPECT_EQ(folded("fits\n", 10), "fits\n");
  EXPECT_EQ(folded("", 10), "");
  EXPECT_EQ(folded("one two three four", 12), "one two\n    three\n    four") << "no space is left at an end";
  EXPECT_EQ(folded("  - one two three", 10), "  - one\n  two\n  three") << "no deeper than leaves eight columns";
}

TEST(Folded, BreaksLongNamesBehindSlashesElseAnywhere) {
  EXPECT_EQ(folded("gemm/cpu/bf16/m=4096/n=1", 16), "gemm/cpu/bf16/\n    m=4096/n=1");
  EXPECT_EQ(folded("abcdefghijklmnopqrst", 12), "abcdefghijkl\n    mnopqrst");
}

TEST(Folded, CountsCharactersNotBytesAndNoColours) {
  EXPECT_EQ(folded("\u00b5\u00b5\u00b5\u00b5 \u00b5\u00b5", 7), "\u00b5\u00b5\u00b5\u00b5 \u00b5\u00b5");
  const std::string red = painted("fail", Tone::bad, {80, true}) + " x";
  EXPECT_EQ(folded(red, 6), red);
  EXPECT_EQ(folded(painted("fail  ", Tone::bad, {80, true}) + " abcdefgh", 12), "\033[31mfail\033[0m\n    abcdefgh")
      << "a colour ends where its word does";
}

// A result that someone sent may hold any text: none of it may move the cursor, name the window or type an answer.
TEST(Harmless, KeepsLineBreaksAndColoursOnly) {
  const std::string red = painted("fail", Tone::bad, {80, true});
  EXPECT_EQ(harmless(red + "\nnext \u00b5"), red + "\nnext \u00b5");
  EXPECT_EQ(harmless("a\033[2Jb"), "a?[2Jb") << "clears the screen";
  EXPECT_EQ(harmless("a\033]0;name\ab"), "a?]0;name?b") << "names the window";
  EXPECT_EQ(harmless("a\rb\bc\td\x7f"), "a?b?c?d?");
  EXPECT_EQ(harmless("a\u009b2Jb"), "a?2Jb") << "the same as ESC [ in one character";
  EXPECT_EQ(harmless("cut\033[31"), "cut?[31");
  EXPECT_EQ(harmless("cut\033"), "cut?");
  EXPECT_EQ(harmless("\033[1\033[2Jm"), "?[1?[2Jm") << "a colour within which something else begins";
}

TEST(Folded, LosesNothingAtAnyWidth) {
  const std::string text =
      "could not measure  gemm/cpu_blocked/cpu/f32/layout=tn/m=2048/n=2048/k=2048/cold/burst/normal/seed=1: was not "
      "measured: assay run acceptance measures it\n";
  const auto letters = [](std::string all) {
    std::erase_if(all, [](char c) { return c == ' ' || c == '\n'; });
    return all;
  };
  for (int columns = 10; columns < 220; ++columns) {
    const std::string out = folded(text, columns);
    EXPECT_EQ(letters(out), letters(text));
    std::istringstream lines(out);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), std::size_t(columns)) << columns;
  }
}

TEST(Painted, IsPlainWithoutColour) {
  EXPECT_EQ(painted("fail", Tone::bad, 80), "fail");
  EXPECT_EQ(painted("fail", Tone::bad, {80, true}), "\033[31mfail\033[0m");
  EXPECT_EQ(painted("", Tone::bad, {80, true}), "");
}

}  // namespace
}  // namespace assay
