// The watchdog of every rank but 0: says what this rank does, and notices when rank 0 is lost.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "harness/communicators/kill_later.h"
#include "harness/communicators/watchdog.h"
#include "harness/core/error.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kLost = int(ExitCode::could_not_measure);
/// For rank 0 to save, to name the culprit and to tell everyone.  It kills what is left after a second.
constexpr auto kForRank0 = std::chrono::seconds(5);
constexpr auto kForTheSpeaker = std::chrono::milliseconds(200);

class MemberWatchdog final : public Watchdog {
 public:
  MemberWatchdog(int rank, LineSocket socket, const std::string& token, double deadline)
      : Watchdog(identify(rank), deadline), socket_(std::move(socket)), heard_(monotonic_seconds()) {
    socket_.send(Json{{"token", token}, {"hello", to_json(self())}}.dump());
    start();
  }

  ~MemberWatchdog() override {
    stop();
    if (hub_gone_) return;
    socket_.send(R"({"bye":true})");
    hang_up_on({&socket_});
  }

  void end_all(int code) override {
    failed_ = code;
    wake();
    std::this_thread::sleep_for(kForRank0);  // the thread ends the process as soon as rank 0 says so
  }

  void give_up(const Loss& loss) override {  // rank 0 has seen it too, and says it
    std::this_thread::sleep_for(kForRank0);
    say(fmt::format("assay: {}\n", loss.what));
    std::_Exit(kLost);
  }

 private:
  std::vector<pollfd> awaited() const override {
    return hub_gone_ || socket_.ended() ? std::vector<pollfd>{} : std::vector<pollfd>{end_of(socket_)};
  }

  void step(double now, bool slept_too_long) override {
    if (slept_too_long) heard_ = now;
    for (const std::string& line : socket_.receive()) take(Json::parse(line), now);
    const RankStatus mine = board().read();
    if (!hub_gone_ && failed_ != 0 && !said_failed_) {
      socket_.send(Json{{"failed", failed_.load()}}.dump());
      socket_.hang_up();
      said_failed_ = true;
    } else if (!hub_gone_ && !said_failed_) {
      socket_.send(Json{{"status", to_json(mine)}}.dump());
    }
    if (!hub_gone_ && socket_.ended()) lose_hub("its process has ended");
    // A period more, so that rank 0 is the first to judge where it lives; others than the lowest give it two to speak.
    if (!hub_gone_ && now - heard_ > deadline() + (speaks() ? 1 : 3) * period())
      lose_hub(
          fmt::format("nothing was heard of it for {:.1f} s (stopped, or its host or network is gone)", now - heard_));
    if (hub_gone_ && mine.inside && mine.seconds > deadline()) {
      say(fmt::format("assay: rank {} is {}, after rank 0 left: MPI does not end\n", self().rank, describe(mine)));
      std::_Exit(kLost);
    }
  }

  void take(const Json& said, double now) {
    heard_ = now;
    if (said.contains("end")) std::_Exit(said["end"].get<int>());
    if (said.contains("bye")) hub_gone_ = true;
    if (!said.contains("hub")) return;
    hub_ = identity_from_json(said["hub"]);
    hub_status_ = status_from_json(said["status"]);
    lowest_ = kNobody;
    for (const Json& rank : said["there"])
      if (rank != 0) lowest_ = std::min(lowest_, rank.get<int>());
  }

  bool speaks() const { return self().rank <= lowest_; }  // nobody else may be there

  [[noreturn]] void lose_hub(const std::string& how) {
    socket_.send(R"({"given_up":true})");  // the launcher may wake a stopped rank 0 before it ends it
    // A launcher ends the others when the first of them has ended.
    if (!speaks()) std::this_thread::sleep_for(kForTheSpeaker);
    if (speaks())
      say(fmt::format(
          "assay: lost {}: {}; when last heard it was {}\n  its finished cases are in the journal beside its result: "
          "continue with --resume\n",
          describe(hub_, hub_status_), how, describe(hub_status_)));
    if (speaks() && !socket_.ended() && hub_.pid > 0 && hub_.pid_space == self().pid_space) kill_later({hub_.pid});
    std::_Exit(kLost);
  }

  static constexpr int kNobody = 1 << 30;

  LineSocket socket_;
  double heard_;
  RankIdentity hub_;
  RankStatus hub_status_;
  int lowest_ = kNobody;
  bool hub_gone_ = false, said_failed_ = false;
  std::atomic<int> failed_{0};
};

}  // namespace

std::unique_ptr<Watchdog> make_member_watchdog(int rank, LineSocket socket, const std::string& token, double deadline) {
  return std::make_unique<MemberWatchdog>(rank, std::move(socket), token, deadline);
}

}  // namespace assay
