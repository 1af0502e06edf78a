#include "harness/communicators/guarded.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <map>
#include <random>
#include <vector>

#include "harness/communicators/watchdog.h"
#include "harness/core/error.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kConnectSeconds = 3;  // for one address of rank 0

std::string random_token() {
  std::random_device device;
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", device(), device(), device(), device());
}

/// While it lives, this rank is in an operation.
class Inside {
 public:
  Inside(StatusBoard& board, OperationKind kind, double bytes) : board_(board) { board_.begin(kind, bytes); }
  ~Inside() { board_.end(); }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

 private:
  StatusBoard& board_;
};

/// Rank 0 listens, the others connect; MPI carries where.
std::unique_ptr<Watchdog> connect(Communicator& ranks, double deadline) {
  if (ranks.size() == 1) return make_lone_watchdog(deadline);
  Listener listener;
  Json where;
  if (ranks.is_root()) {
    listener = listen_here(ranks.one_host());
    where = {{"token", random_token()},
             {"port", listener.port},
             {"addresses", ranks.one_host() ? std::vector<std::string>{"127.0.0.1"} : addresses_here()}};
  }
  where = Json::parse(ranks.broadcast(where.dump()));
  const auto token = where["token"].get<std::string>();
  if (ranks.is_root()) return make_hub_watchdog(ranks.size(), std::move(listener), token, deadline);
  return make_member_watchdog(
      ranks.rank(),
      connect_to(where["addresses"].get<std::vector<std::string>>(), where["port"].get<int>(), kConnectSeconds), token,
      deadline);
}

class GuardedCommunicator final : public Communicator {
 public:
  GuardedCommunicator(std::unique_ptr<Communicator> inner, const std::string& launcher, double deadline)
      : inner_(std::move(inner)), launcher_(launcher), unwinding_(std::uncaught_exceptions()) {
    std::string problem;
    try {
      watchdog_ = connect(*inner_, deadline);
    } catch (const Error& error) {
      problem = error.what();
    }
    const auto problems = inner_->gather(problem);
    for (std::size_t rank = 0; rank < problems.size(); ++rank)
      if (!problems[rank].empty()) throw MeasureError(fmt::format("rank {}: {}", rank, problems[rank]));
  }

  ~GuardedCommunicator() override {
    if (std::uncaught_exceptions() > unwinding_ && size() > 1) {
      std::fputs(fmt::format("assay: rank {} failed; ending all {} ranks\n", rank(), size()).c_str(), stderr);
      abort(int(ExitCode::could_not_measure));
    }
    // MPI's end is collective too; the watchdog outlives it.
    const Inside here(watchdog_->board(), OperationKind::finish, 0);
    inner_.reset();
  }
  GuardedCommunicator(const GuardedCommunicator&) = delete;
  GuardedCommunicator& operator=(const GuardedCommunicator&) = delete;

  int rank() const override { return inner_->rank(); }
  int size() const override { return inner_->size(); }
  bool one_host() const override { return inner_->one_host(); }
  std::string group_name() const override { return inner_->group_name(); }
  std::string description() const override { return inner_->description(); }
  std::string launcher() const override { return launcher_; }

  void barrier() override {
    const Inside here(board(), OperationKind::barrier, 0);
    inner_->barrier();
  }
  double maximum(double value) override {
    const Inside here(board(), OperationKind::maximum, sizeof value);
    return inner_->maximum(value);
  }
  double broadcast(double value) override {
    const Inside here(board(), OperationKind::broadcast, sizeof value);
    return inner_->broadcast(value);
  }
  std::string broadcast(const std::string& text) override {
    const Inside here(board(), OperationKind::broadcast, double(text.size()));
    return inner_->broadcast(text);
  }

  /// Carries where each rank is in the order of operations.  MPI matches a call with whatever comes from the same
  /// communicator, so that a rank that left the order may go on for a while with numbers that are not meant for it;
  /// every case ends in a gather, and so is not taken where ranks differ.
  std::vector<std::string> gather(const std::string& text) override {
    const Inside here(board(), OperationKind::gather, double(text.size()));
    auto all = inner_->gather(fmt::format("{:016x}{:016x}", board().digest(), board().read().operation) + text);
    expect_one_order(all);
    for (std::string& one : all) one.erase(0, kHeader);
    return all;
  }

  void exchange(const void* out, int to, void* in, int from, std::size_t bytes) override {
    const Inside here(board(), OperationKind::exchange, double(bytes));
    inner_->exchange(out, to, in, from, bytes);
  }

  void doing(const std::string& what, const std::string& device) override { board().doing(what, device); }
  void barrier_before_launch(double bytes) override {
    board().begin_barrier_before_launch(bytes);
    inner_->barrier();
    board().launch();
  }
  void end_launch() override { board().end_launch(); }
  void goes_on() override { board().goes_on(); }
  void set_deadline(double seconds) override { watchdog_->set_deadline(seconds); }
  void set_save(Save save) override { watchdog_->set_save(std::move(save)); }

 protected:
  void end_others(int exit_code) override { watchdog_->end_all(exit_code); }

 private:
  static constexpr std::size_t kHeader = 32;

  StatusBoard& board() { return watchdog_->board(); }

  void expect_one_order(const std::vector<std::string>& all) {
    std::map<std::string, int> votes;
    for (const std::string& one : all) ++votes[one.substr(0, kHeader)];
    if (votes.size() == 1) return;
    std::string right = all.front().substr(0, kHeader);  // rank 0's, unless more ranks have another
    for (const auto& [header, count] : votes)
      if (count > votes[right]) right = header;
    // What is no gather's text, where MPI matched one with something else, has no number.
    const auto operations = [](const std::string& header) {
      return std::strtoll(header.c_str() + header.size() / 2, nullptr, 16);
    };
    for (std::size_t rank = 0; rank < all.size(); ++rank)
      if (const std::string header = all[rank].substr(0, kHeader); header != right)
        watchdog_->give_up(
            {{int(rank)},
             fmt::format(
                 "lost rank {}: it left the common order: this gather is its operation {}, and the others' {}{}", rank,
                 operations(header), operations(right),
                 operations(header) == operations(right) ? "; an earlier one was another, or of another size" : "")});
  }

  std::unique_ptr<Watchdog> watchdog_;
  std::unique_ptr<Communicator> inner_;
  const std::string launcher_;
  int unwinding_;  // exceptions in flight when this was made: more of them later means one leaves the scope
};

}  // namespace

std::unique_ptr<Communicator> guard(std::unique_ptr<Communicator> inner, const std::string& launcher, double deadline) {
  return std::make_unique<GuardedCommunicator>(std::move(inner), launcher, deadline);
}

}  // namespace assay
