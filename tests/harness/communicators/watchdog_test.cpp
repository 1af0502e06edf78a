// Who may speak to rank 0's watchdog.
#include "harness/communicators/watchdog.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

/// True when the other side hangs up, which it does at once or never.
bool is_sent_away(LineSocket socket) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (stays_open(socket) && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  return socket.ended();
}

// The port is open to the ranks' hosts, so to others on their network: what those say must not end a run.
TEST(Watchdog, StrangersAreSentAwayWhateverTheySay) {
  constexpr double kDeadline = 600;
  Listener listener = listen_here(true);
  const int port = listener.port;
  auto hub = make_hub_watchdog(2, std::move(listener), "secret", kDeadline);
  for (const char* line :
       {"GET / HTTP/1.1", "null", "[1]", "\"secret\"", "{}", R"({"token":5,"hello":{"rank":1}})", R"({"token":null})",
        R"({"token":["secret"]})", R"({"token":"other","hello":{"rank":1}})", R"({"token":"secret"})",
        R"({"token":"secret","hello":5})", R"({"token":"secret","hello":{"rank":9}})", "\xff\xfe"}) {
    LineSocket stranger = connect_to({"127.0.0.1"}, port, 30);
    stranger.send(line);
    EXPECT_TRUE(is_sent_away(std::move(stranger))) << line;
  }
  // Rank 1 is still awaited, and welcome.
  LineSocket one = connect_to({"127.0.0.1"}, port, 30);
  one.send(R"({"token":"secret","hello":{"rank":1,"host":"here","pid":1,"pid_space":"elsewhere"}})");
  std::vector<std::string> heard;
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (heard.empty() && !one.ended() && std::chrono::steady_clock::now() < until) heard = one.receive();
  EXPECT_FALSE(heard.empty());
  one.send(R"({"bye":true})");
  one.hang_up();
  hub.reset();
}

/// A rank 0 that reads what rank 1 wrote while it was stopped: that it waits, for longer than the deadline, for rank 0;
/// and that it has given up.
void wake_up_given_up() {
  constexpr double kDeadline = 2;
  Listener listener = listen_here(true);
  LineSocket one = connect_to({"127.0.0.1"}, listener.port, 30);
  one.send(R"({"token":"secret","hello":{"rank":1,"host":"here","pid":1,"pid_space":"elsewhere"}})");
  RankStatus waits;
  waits.operation = 896;
  waits.inside = true;
  waits.seconds = 2.1;
  one.send(Json{{"status", to_json(waits)}}.dump());
  one.send(R"({"given_up":true})");
  one.hang_up();
  auto hub = make_hub_watchdog(2, std::move(listener), "secret", kDeadline);
  std::this_thread::sleep_for(std::chrono::seconds(30));
}

TEST(WatchdogDeathTest, ARank0ThatWasGivenUpAccusesNobody) {
  EXPECT_EXIT(wake_up_given_up(), testing::ExitedWithCode(4), "^assay: rank 0 [^\n]* was stopped, and the others");
}

}  // namespace
}  // namespace assay
