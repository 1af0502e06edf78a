#include "harness/core/units.h"

#include <gtest/gtest.h>

namespace assay {
namespace {

TEST(Units, BytesHaveThePowerOf1024ThatKeepsThemShort) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(96 << 10), "96 KiB");
  EXPECT_EQ(format_bytes(0x1.8p30), "1.5 GiB");
}

// A result may say so of its buffers, or of a cache.
TEST(Units, BytesMayBeMoreThanAnyIntegerHolds) {
  EXPECT_EQ(format_bytes(0x1p64), "16 EiB");
  EXPECT_EQ(format_bytes(0x1p70), "1024 EiB");
  EXPECT_EQ(format_bytes(-1), "-1 B");
}

}  // namespace
}  // namespace assay
