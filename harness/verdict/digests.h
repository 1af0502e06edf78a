// Digests of outputs across machines (record/soak.h): equal cases on equal processors have equal bits, so that a device
// whose bits are others than most devices' is wrong, even where its numbers are within what rounding allows.
#pragma once
#include <string>
#include <vector>

#include "harness/verdict/verdict.h"

namespace assay {

/// What one device computed.  Votes are compared where `digest_of` and `computed_by` are equal.
struct DigestVote {
  std::string voter;  // "node07 GPU 3"; one that says the same again has no second vote
  std::string digest_of, computed_by, digest;
};

/// A vote that more others, or as many, are against.
struct Dissent {
  std::size_t vote = 0, rival = 0;        // the rival is the first vote for the digest that most have
  std::size_t agreeing = 1, against = 0;  // voters for its own digest, and for the rival's
  bool tie = false;                       // as many: either may be the wrong ones
};
std::vector<Dissent> dissents(const std::vector<DigestVote>&);
Cause cause_of(const Dissent&, const std::vector<DigestVote>&);

/// Compares what the results of one check say.
class DigestComparison {
 public:
  /// `file` as judge() had it.
  void add(const std::string& file, const Result&);
  /// Fails the cases whose digest is another than most; and says once which results have none, where others have one.
  void judge(std::vector<Judgement>&) const;

 private:
  struct Place {
    std::string file, id, host;
  };
  std::vector<DigestVote> votes_;
  std::vector<Place> places_;  // of the votes
  std::vector<std::string> without_;
};

}  // namespace assay
