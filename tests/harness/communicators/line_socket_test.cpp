// Connections between the ranks' watchdogs.
#include "harness/communicators/line_socket.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

namespace assay {
namespace {

struct Connection {
  LineSocket here, there;
};

Connection connection() {
  const Listener listener = listen_here(true);
  Connection out;
  out.here = connect_to({"127.0.0.1"}, listener.port, 5);
  for (int i = 0; i < 500 && !out.there.is_open(); ++i) {
    out.there = accept_one(listener);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return out;
}

// A line that is yet to be acknowledged makes the kernel hold back the next one (Nagle), and something unread makes
// close() an abort, which drops what is held back.
TEST(LineSocket, AFarewellArrivesThoughSomethingIsUnread) {
  constexpr int kRounds = 20;
  for (int round = 0; round < kRounds; ++round) {
    Connection c = connection();
    ASSERT_TRUE(c.there.is_open());
    const int later = 0;  // acknowledge as late as the standard allows
    ::setsockopt(c.there.descriptor(), IPPROTO_TCP, TCP_QUICKACK, &later, sizeof later);
    c.there.send("unread");
    c.here.send("greeting");
    c.here.send("bye");
    std::vector<std::string> heard;
    std::thread other([&] {
      while (!c.there.ended()) {
        for (std::string& line : c.there.receive()) heard.push_back(std::move(line));
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      c.there = LineSocket();
    });
    hang_up_on({&c.here});
    c.here = LineSocket();
    other.join();
    EXPECT_EQ(heard, (std::vector<std::string>{"greeting", "bye"}));
  }
}

}  // namespace
}  // namespace assay
