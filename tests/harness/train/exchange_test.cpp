// What goes between host and device from step to step, on a device that makes every copy as late as it may.
#include "harness/train/exchange.h"

#include <gtest/gtest.h>

#include <cstring>

namespace assay {
namespace {

/// Enqueues, and works only when it is waited for.
class LateBackend final : public Backend {
 public:
  Target target(int) const override { return {}; }
  Stream stream(int) const override { return nullptr; }
  Buffer allocate(std::size_t, int) override { return {}; }
  void copy_in(const Buffer&, const void*, std::size_t) override {}
  void copy_out(void*, const Buffer&, std::size_t) override {}
  void fill(const Buffer&, std::uint8_t) override {}
  void enqueue_copy_in(void* to, const void* from, std::size_t bytes, int) override {
    work_.emplace_back([=] { std::memcpy(to, from, bytes); });
  }
  void enqueue_copy_out(void* to, const void* from, std::size_t bytes, int slot) override {
    enqueue_copy_in(to, from, bytes, slot);
  }
  void launch(std::function<void()> kernel) { work_.push_back(std::move(kernel)); }
  std::size_t free_bytes(int) const override { return 0; }
  double time(const std::function<void()>& enqueue) override { return enqueue(), synchronize(), 0; }
  void synchronize() override {
    for (const auto& one : std::exchange(work_, {})) one();
    ++synchronized;
    has_waited();
  }
  std::size_t last_level_cache_bytes() const override { return 0; }
  int synchronized = 0;

 private:
  void release(void*, std::size_t, int) noexcept override {}
  std::vector<std::function<void()>> work_;
};

/// Steps whose "loss" of each token is that token times the step's rate.
class Steps {
 public:
  explicit Steps(std::int64_t tokens)
      : tokens_(std::size_t(tokens)), on_device_(tokens_), targets_(tokens_), loss_(tokens_) {
    t_.tokens = on_device_.data(), t_.targets = targets_.data(), t_.loss = loss_.data();
    t_.step_decayed = &decayed_, t_.step_gains = &gains_;
    exchange_ = std::make_unique<StepExchange>(backend_, t_, tokens);
  }

  void run(int number) {
    const std::vector<std::int32_t> tokens(tokens_, number), targets(tokens_, number + 1);
    exchange_->send_batch(tokens.data(), targets.data());
    exchange_->send_steps({float(number), 0, 0}, {float(-number), 0, 0});
    backend_.launch([this, number] {
      right_ += targets_.front() == number + 1 && targets_.back() == number + 1 && gains_.rate == float(-number);
      for (std::size_t i = 0; i < tokens_; ++i) loss_[i] = float(on_device_[i]) * decayed_.rate;
    });
    exchange_->ask_for_loss();
  }

  LateBackend& backend() { return backend_; }
  StepExchange& exchange() { return *exchange_; }
  int right() const { return right_; }

 private:
  LateBackend backend_;
  const std::size_t tokens_;
  std::vector<std::int32_t> on_device_, targets_;
  std::vector<float> loss_;
  AdamWStep decayed_{}, gains_{};
  StepTensors t_;
  std::unique_ptr<StepExchange> exchange_;
  int right_ = 0;
};

TEST(StepExchange, WaitsForNothingWithinAStepAndForAllLossesAtOnce) {
  Steps steps(16);
  for (int i = 0; i < 200; ++i) steps.run(i);
  EXPECT_EQ(steps.backend().synchronized, 0);
  const std::vector<double> losses = steps.exchange().losses();
  EXPECT_EQ(steps.backend().synchronized, 1);
  ASSERT_EQ(losses.size(), 200U);
  for (std::size_t i = 0; i < losses.size(); ++i) EXPECT_EQ(losses[i], double(i * i));
  EXPECT_EQ(steps.right(), 200);
  EXPECT_TRUE(steps.exchange().losses().empty());
}

/// More steps than there are pieces for: of so many tokens there are few.
TEST(StepExchange, NothingIsOverwrittenBeforeItWasRead) {
  Steps steps(std::int64_t(1) << 20);
  for (int i = 0; i < 30; ++i) steps.run(i);
  EXPECT_GT(steps.backend().synchronized, 0);
  const std::vector<double> losses = steps.exchange().losses();
  ASSERT_EQ(losses.size(), 30U);
  for (std::size_t i = 0; i < losses.size(); ++i) EXPECT_EQ(losses[i], double(i * i));
  EXPECT_EQ(steps.right(), 30);
}

/// As a sampler does: pieces that time() has waited for are taken again without another wait.
TEST(StepExchange, PiecesThatWereWaitedForAreFree) {
  Steps steps(std::int64_t(1) << 20);
  for (int i = 0; i < 30; ++i) steps.backend().time([&] { steps.run(i); });
  EXPECT_EQ(steps.backend().synchronized, 30);
  EXPECT_EQ(steps.exchange().losses().size(), 30U);
  EXPECT_EQ(steps.right(), 30);
}

TEST(StepExchange, ResetDropsWhatWasAskedFor) {
  Steps steps(16);
  steps.run(3);
  steps.exchange().reset();
  EXPECT_TRUE(steps.exchange().losses().empty());
  steps.run(5);
  EXPECT_EQ(steps.exchange().losses(), std::vector<double>{25});
}

}  // namespace
}  // namespace assay
