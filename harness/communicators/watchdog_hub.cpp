// Rank 0's watchdog: hears every rank, and judges.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "harness/communicators/kill_later.h"
#include "harness/communicators/watchdog.h"
#include "harness/core/error.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;
using State = RankView::State;

class HubWatchdog final : public Watchdog {
 public:
  HubWatchdog(int ranks, Listener listener, std::string token, double deadline)
      : Watchdog(identify(0), deadline), listener_(std::move(listener)), token_(std::move(token)) {
    const double now = monotonic_seconds();
    for (int rank = 0; rank < ranks; ++rank) peers_.push_back({{{rank, "", 0, ""}, {}, State::awaited, 0}, {}, now});
    peers_[0].view.identity = self();
    peers_[0].view.state = State::present;
    start();
  }

  ~HubWatchdog() override {
    stop();
    for (Peer& peer : peers_)
      if (peer.socket.is_open()) peer.socket.send(R"({"bye":true})");
    hang_up();
  }

  void end_all(int code) override {
    stop();
    end_everyone(fmt::format("a rank failed (exit code {})", code), {}, code);
  }

  void give_up(const Loss& loss) override {
    stop();
    lose(loss);
  }

 private:
  struct Peer {
    RankView view;
    LineSocket socket;
    double heard = 0;
  };

  std::vector<pollfd> awaited() const override {
    std::vector<pollfd> out = {{listener_.socket.get(), POLLIN, 0}};
    for (const LineSocket& one : strangers_) out.push_back({one.descriptor(), POLLIN, 0});
    for (const Peer& peer : peers_)
      if (peer.view.state == State::present && peer.socket.is_open()) out.push_back(end_of(peer.socket));
    return out;
  }

  void step(double now, bool slept_too_long) override {
    for (LineSocket fresh; (fresh = accept_one(listener_)).is_open();) strangers_.push_back(std::move(fresh));
    for (LineSocket& one : strangers_) meet(one, now);
    std::erase_if(strangers_, [](const LineSocket& one) { return !one.is_open() || one.ended(); });
    for (Peer& peer : peers_) {
      if (slept_too_long) peer.heard = now;
      hear(peer, now);
      peer.view.silent_seconds = now - peer.heard;
    }
    peers_[0].view.status = board().read();
    peers_[0].heard = now;
    peers_[0].view.silent_seconds = 0;
    if (failed_) end_here(*failed_);
    std::vector<RankView> views;
    for (const Peer& peer : peers_) views.push_back(peer.view);
    // Before it judges others: what it has just read are their last words, and they have already said who is lost.
    if (given_up_)
      lose({{0}, describe(self(), peers_[0].view.status) + " was stopped, and the others have given up on it"});
    if (const auto loss = find_loss(views, deadline())) lose(*loss);
    greet();
  }

  /// The first line of whoever connected says which rank it is.
  void meet(LineSocket& stranger, double now) {
    const auto lines = stranger.receive();
    if (lines.empty()) return;
    const Json hello = Json::parse(lines.front(), nullptr, false);
    // Anyone may connect and say anything: an exception here would end the run.
    const bool ours =
        hello.is_object() && hello.value("token", Json()) == Json(token_) && hello.value("hello", Json()).is_object();
    const int rank = ours ? hello["hello"].value("rank", -1) : -1;
    LineSocket socket = std::move(stranger);
    stranger = LineSocket();
    if (rank < 1 || rank >= int(peers_.size()) || peers_[std::size_t(rank)].view.state != State::awaited) return;
    Peer& peer = peers_[std::size_t(rank)];
    peer = {{identity_from_json(hello["hello"]), {}, State::present, 0}, std::move(socket), now};
    for (std::size_t i = 1; i < lines.size(); ++i) take(peer, lines[i], now);
  }

  void hear(Peer& peer, double now) {
    if (peer.view.state != State::present || !peer.socket.is_open()) return;
    for (const std::string& line : peer.socket.receive()) take(peer, line, now);
    if (peer.socket.ended() && peer.view.state == State::present) peer.view.state = State::ended;
  }

  void take(Peer& peer, const std::string& line, double now) {
    const Json said = Json::parse(line);
    peer.heard = now;
    if (said.contains("status")) peer.view.status = status_from_json(said["status"]);
    if (said.contains("bye") || said.contains("failed")) peer.view.state = State::left;
    if (said.contains("given_up")) given_up_ = true;
    if (said.contains("failed") && !failed_) failed_ = Failed{peer.view, said["failed"].get<int>()};
  }

  /// What every rank hears once a period: that rank 0 lives, what it does, and who is there.
  void greet() {
    Json there = Json::array();
    for (const Peer& peer : peers_)
      if (peer.view.state == State::present) there.push_back(peer.view.identity.rank);
    const std::string line =
        Json{{"hub", to_json(self())}, {"status", to_json(peers_[0].view.status)}, {"there", std::move(there)}}.dump();
    for (Peer& peer : peers_)
      if (peer.view.state == State::present && peer.socket.is_open()) peer.socket.send(line);
  }

  [[noreturn]] void lose(const Loss& loss) {
    std::vector<RankView> views;
    for (const Peer& peer : peers_) views.push_back(peer.view);
    const int code = int(ExitCode::could_not_measure);
    end_everyone(loss.what, fmt::format("assay: {}\n{}", loss.what, describe_all(views, loss)), code);
    std::_Exit(code);
  }

  struct Failed {
    RankView who;
    int code;
  };
  [[noreturn]] void end_here(const Failed& failed) {  // it has said why
    end_everyone(describe(failed.who.identity, failed.who.status) + " failed", {}, failed.code);
    std::_Exit(failed.code);
  }

  void end_everyone(const std::string& why, const std::string& lines, int code) {
    say(lines + save(why));
    for (Peer& peer : peers_)
      if (peer.socket.is_open()) peer.socket.send(fmt::format(R"({{"end":{}}})", code));
    hang_up();
    std::vector<int> stuck;  // its connection is still there, so the process is, and the number is still its own
    for (Peer& peer : peers_)
      if (stays_open(peer.socket) && peer.view.identity.pid_space == self().pid_space)
        stuck.push_back(peer.view.identity.pid);
    kill_later(stuck);
  }

  void hang_up() {
    std::vector<LineSocket*> open;
    for (Peer& peer : peers_)
      if (peer.socket.is_open()) open.push_back(&peer.socket);
    hang_up_on(open);
  }

  Listener listener_;
  const std::string token_;
  std::vector<Peer> peers_;
  std::vector<LineSocket> strangers_;
  std::optional<Failed> failed_;
  bool given_up_ = false;  // by a rank that had not heard of this one for the deadline
};

}  // namespace

std::unique_ptr<Watchdog> make_hub_watchdog(int ranks, Listener listener, const std::string& token, double deadline) {
  return std::make_unique<HubWatchdog>(ranks, std::move(listener), token, deadline);
}

}  // namespace assay
