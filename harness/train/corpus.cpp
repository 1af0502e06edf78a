#include "harness/train/corpus.h"

#include <array>
#include <cmath>
#include <span>
#include <string_view>

#include "harness/verify/random.h"

namespace assay {
namespace {

// A mebibyte: a run of a thousand steps of 512 tokens passes it half, so that it learns the grammar, not the text.
constexpr std::size_t kTextBytes = std::size_t(1) << 20;

constexpr std::string_view kAdjectives[] = {"quiet",   "warm",   "early",  "patient", "narrow",  "bright",
                                            "careful", "hollow", "silver", "slow",    "distant", "plain",
                                            "sudden",  "tall",   "broken", "gentle"};
constexpr std::string_view kNouns[] = {"river",   "engineer", "lantern", "harbour", "orchard", "teacher",
                                       "machine", "winter",   "letter",  "bridge",  "garden",  "sailor",
                                       "window",  "mountain", "kernel",  "station"};
constexpr std::string_view kVerbs[] = {"follows", "remembers", "crosses", "measures",
                                       "carries", "watches",   "answers", "leaves"};
constexpr std::string_view kPlaces[] = {"before the morning", "under the old roof", "beyond the hill",
                                        "near the water"};
constexpr std::string_view kEnds[] = {". ", ", and "};
constexpr std::string_view kThe[] = {"the "}, kSpace[] = {" "}, kObject[] = {" the "};

/// A sentence is one word of each slot, all equally likely, so that its entropy is the sum of the slots' ln(words).
const std::array<std::span<const std::string_view>, 11> kSentence = {
    kThe, kAdjectives, kSpace, kNouns, kSpace, kVerbs, kObject, kNouns, kSpace, kPlaces, kEnds};

constexpr std::uint64_t kTextStream = 1, kSampleStream = 2;  // of the seed's random numbers

}  // namespace

Corpus::Corpus(std::uint64_t seed) : seed_(seed) {
  const RandomStream random(seed, kTextStream);
  std::uint64_t drawn = 0;
  text_.reserve(kTextBytes + 128);  // and the last sentence's end
  while (text_.size() < kTextBytes)
    for (const auto& slot : kSentence) text_ += slot[random.below(slot.size(), drawn++)];
  double nats = 0, bytes = 0;  // of a sentence, on average
  for (const auto& slot : kSentence) {
    nats += std::log(double(slot.size()));
    for (const std::string_view word : slot) bytes += double(word.size()) / double(slot.size());
  }
  entropy_ = nats / bytes;
}

double Corpus::unigram_entropy() const {
  std::array<double, 256> counts{};
  for (const char byte : text_) counts[static_cast<unsigned char>(byte)] += 1;
  double entropy = 0;
  for (const double count : counts)
    if (count > 0) entropy -= count / double(text_.size()) * std::log(count / double(text_.size()));
  return entropy;
}

Corpus::Sample Corpus::sample(std::int64_t step, std::int64_t batch, std::int64_t sequence, std::int64_t length) const {
  const auto number = std::uint64_t(step * batch + sequence);
  const auto places = std::uint64_t(std::int64_t(text_.size()) - length);
  const auto start = std::int64_t(RandomStream(seed_, kSampleStream).below(places, number));
  Sample out;
  for (std::int64_t i = 0; i < length; ++i) {
    out.tokens.push_back(static_cast<unsigned char>(text_[std::size_t(start + i)]));
    out.targets.push_back(static_cast<unsigned char>(text_[std::size_t(start + i + 1)]));
  }
  return out;
}

}  // namespace assay
