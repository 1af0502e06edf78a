#include "harness/communicators/line_socket.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "harness/core/error.h"

namespace assay {
namespace {

constexpr std::size_t kMostBytes = 1 << 20;  // of one line: a stranger who writes more is not one of us

sockaddr_in address_of(in_addr_t host, int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = host;
  address.sin_port = htons(std::uint16_t(port));
  return address;
}

[[noreturn]] void fail(const char* step) {
  throw MeasureError(fmt::format("the ranks' watchdogs cannot {}: {}", step, std::strerror(errno)));
}

/// 0 or errno.
int connect_within(int fd, const std::string& host, int port, double seconds) {
  const sockaddr_in address = address_of(inet_addr(host.c_str()), port);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  pollfd waiting{fd, POLLOUT, 0};
  if (::poll(&waiting, 1, int(seconds * 1000)) <= 0) return ETIMEDOUT;
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  return error;
}

}  // namespace

FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) ::close(fd_);
}

void LineSocket::send(const std::string& line) {
  if (out_.empty()) out_ = line + "\n";
  while (!out_.empty()) {
    const ssize_t sent = ::send(fd_.get(), out_.data(), out_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return;  // full, or gone: receive() tells which
    out_.erase(0, std::size_t(sent));
  }
}

void LineSocket::hang_up() { ::shutdown(fd_.get(), SHUT_WR); }

std::vector<std::string> LineSocket::receive() {
  char piece[4096];
  while (!ended_) {
    const ssize_t got = ::recv(fd_.get(), piece, sizeof piece, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (got <= 0 || in_.size() > kMostBytes)
      ended_ = true;
    else
      in_.append(piece, std::size_t(got));
  }
  std::vector<std::string> lines;
  for (std::size_t end; (end = in_.find('\n')) != std::string::npos; in_.erase(0, end + 1))
    lines.push_back(in_.substr(0, end));
  return lines;
}

bool stays_open(LineSocket& socket) {
  if (!socket.is_open() || socket.ended()) return false;
  socket.receive();
  return !socket.ended();
}

void hang_up_on(const std::vector<LineSocket*>& sockets) {
  constexpr auto kLongest = std::chrono::seconds(1);
  const auto until = std::chrono::steady_clock::now() + kLongest;
  for (LineSocket* socket : sockets) socket->hang_up();
  const auto open = [](LineSocket* socket) { return stays_open(*socket); };
  while (std::chrono::steady_clock::now() < until && std::any_of(sockets.begin(), sockets.end(), open))
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
}

Listener listen_here(bool loopback_only) {
  Listener listener{FileDescriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)), 0};
  if (!listener.socket.is_open()) fail("open a socket");
  sockaddr_in address = address_of(htonl(loopback_only ? INADDR_LOOPBACK : INADDR_ANY), 0);
  socklen_t size = sizeof address;
  if (::bind(listener.socket.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0) fail("bind a socket");
  if (::listen(listener.socket.get(), SOMAXCONN) != 0) fail("listen");
  if (::getsockname(listener.socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) fail("learn the port");
  listener.port = ntohs(address.sin_port);
  return listener;
}

LineSocket accept_one(const Listener& listener) {
  return LineSocket(FileDescriptor(::accept4(listener.socket.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)));
}

std::vector<std::string> addresses_here() {
  std::vector<std::string> out;
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) fail("list this host's addresses");
  for (const ifaddrs* one = all; one; one = one->ifa_next) {
    if (!one->ifa_addr || one->ifa_addr->sa_family != AF_INET || !(one->ifa_flags & IFF_UP)) continue;
    if (one->ifa_flags & IFF_LOOPBACK) continue;
    char text[INET_ADDRSTRLEN];
    sockaddr_in address;
    std::memcpy(&address, one->ifa_addr, sizeof address);
    if (::inet_ntop(AF_INET, &address.sin_addr, text, sizeof text)) out.emplace_back(text);
  }
  ::freeifaddrs(all);
  out.emplace_back("127.0.0.1");
  return out;
}

LineSocket connect_to(const std::vector<std::string>& addresses, int port, double seconds_each) {
  std::string reasons;
  for (const std::string& host : addresses) {
    FileDescriptor fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd.is_open()) fail("open a socket");
    const int error = connect_within(fd.get(), host, port, seconds_each);
    if (error == 0) return LineSocket(std::move(fd));
    reasons += fmt::format("{}{}:{}: {}", reasons.empty() ? "" : ", ", host, port, std::strerror(error));
  }
  throw MeasureError(
      fmt::format("cannot reach rank 0's watchdog ({}): the ranks' hosts must reach each other by TCP", reasons));
}

}  // namespace assay
