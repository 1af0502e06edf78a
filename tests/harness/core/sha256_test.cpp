// FIPS 180-4's own examples (csrc.nist.gov, "SHA256.pdf") and those of the empty message and a million times "a".
#include "harness/core/sha256.h"

#include <gtest/gtest.h>

namespace assay {
namespace {

struct Vector {
  std::string message, digest;
};

const Vector kVectors[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
     "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
    {std::string(1'000'000, 'a'), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
};

TEST(Sha256Test, GivesTheStandardsDigests) {
  for (const auto& [message, digest] : kVectors) EXPECT_EQ(sha256_hex(message), digest) << message.size() << " bytes";
}

// 55, 56, 63, 64 and 65 bytes: the padding fits, or takes another block.
TEST(Sha256Test, PiecesGiveTheDigestOfTheWhole) {
  for (const std::size_t size : {1u, 55u, 56u, 63u, 64u, 65u, 200u}) {
    const std::string whole(size, 'x');
    for (std::size_t cut = 0; cut <= size; ++cut)
      EXPECT_EQ(Sha256().update(whole.substr(0, cut)).update(whole.substr(cut)).hex(), sha256_hex(whole));
  }
  EXPECT_EQ(sha256_hex(std::string(64, 'a')), "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb");
}

}  // namespace
}  // namespace assay
