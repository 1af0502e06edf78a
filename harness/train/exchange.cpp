#include "harness/train/exchange.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace assay {
namespace {

constexpr std::size_t kAlignment = 64;
// Three pieces a step.  All of them beforehand: page-locked memory is not to be had while a launch is held back.  A
// sampler enqueues up to 256 steps before it waits, but of steps that are long (and have large pieces) far fewer.
constexpr std::size_t kMostPieces = 3 * 320, kFewestPieces = 3 * 8, kUsualBytes = std::size_t(64) << 20;
constexpr std::int64_t kFree = -1;

std::size_t piece_bytes(std::int64_t tokens) {
  const std::size_t most = std::max(2 * sizeof(std::int32_t) * std::size_t(tokens), 2 * sizeof(AdamWStep));
  return (most + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

StepExchange::StepExchange(Backend& backend, const StepTensors& tensors, std::int64_t tokens)
    : backend_(backend),
      t_(tensors),
      tokens_(tokens),
      piece_bytes_(piece_bytes(tokens)),
      used_at_(std::clamp(kUsualBytes / piece_bytes_, kFewestPieces, kMostPieces), kFree),
      memory_(backend.allocate_host(used_at_.size() * piece_bytes_)) {}

void StepExchange::wait() {
  backend_.synchronize();
  std::fill(used_at_.begin(), used_at_.end(), kFree);
}

/// Losses leave their pieces in the order in which they came.
std::size_t StepExchange::take_piece() {
  const std::size_t taken = next_;
  next_ = (next_ + 1) % used_at_.size();
  if (used_at_[taken] == backend_.waits()) wait();
  if (!asked_.empty() && asked_.front() == taken) read_first_loss();
  used_at_[taken] = backend_.waits();
  return taken;
}

void StepExchange::read_first_loss() {
  const std::byte* at = piece(asked_.front());
  asked_.pop_front();
  double sum = 0;
  for (std::int64_t i = 0; i < tokens_; ++i) {
    float one = 0;
    std::memcpy(&one, at + std::size_t(i) * sizeof one, sizeof one);
    sum += double(one);
  }
  losses_.push_back(sum / double(tokens_));
}

void StepExchange::send_batch(const std::int32_t* tokens, const std::int32_t* targets) {
  std::byte* at = piece(take_piece());
  const std::size_t bytes = sizeof *tokens * std::size_t(tokens_);
  std::memcpy(at, tokens, bytes);
  std::memcpy(at + bytes, targets, bytes);
  backend_.enqueue_copy_in(t_.tokens, at, bytes);
  backend_.enqueue_copy_in(t_.targets, at + bytes, bytes);
}

void StepExchange::send_steps(const AdamWStep& decayed, const AdamWStep& gains) {
  std::byte* at = piece(take_piece());
  std::memcpy(at, &decayed, sizeof decayed);
  std::memcpy(at + sizeof decayed, &gains, sizeof gains);
  backend_.enqueue_copy_in(t_.step_decayed, at, sizeof decayed);
  backend_.enqueue_copy_in(t_.step_gains, at + sizeof decayed, sizeof gains);
}

void StepExchange::ask_for_loss() {
  const std::size_t taken = take_piece();
  backend_.enqueue_copy_out(piece(taken), t_.loss, sizeof(float) * std::size_t(tokens_));
  asked_.push_back(taken);
}

std::vector<double> StepExchange::losses() {
  if (!asked_.empty()) wait();
  while (!asked_.empty()) read_first_loss();
  return std::exchange(losses_, {});
}

void StepExchange::reset() {
  wait();
  asked_.clear();
  losses_.clear();
}

}  // namespace assay
