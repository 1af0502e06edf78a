// TCP between the ranks' watchdogs: lines of text that never block the one who writes them.
#pragma once
#include <string>
#include <utility>
#include <vector>

namespace assay {

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd = -1) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileDescriptor();
  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }

 private:
  int fd_;
};

class LineSocket {
 public:
  LineSocket() = default;
  explicit LineSocket(FileDescriptor fd) : fd_(std::move(fd)) {}
  int descriptor() const { return fd_.get(); }
  bool is_open() const { return fd_.is_open(); }
  /// What the other side's buffers do not take stays here until the next call; a backlog is not added to, since what
  /// is new in it would be old by the time it is read.
  void send(const std::string& line);
  /// Whole lines that are there.
  std::vector<std::string> receive();
  /// No more will be sent: the other side's watchdog wakes.
  void hang_up();
  /// The other side has gone; what it sent before has been received.
  bool ended() const { return ended_; }

 private:
  FileDescriptor fd_;
  std::string in_, out_;
  bool ended_ = false;
};

/// Receives what is there; false once the other side has gone.
bool stays_open(LineSocket&);

/// Says that no more will come, and waits, for a second at most, until the other sides say so too.  A socket that is
/// closed with something unread takes with it what it has sent last and the network still holds back: the farewell, and
/// then the other side takes the end for a loss.
void hang_up_on(const std::vector<LineSocket*>&);

struct Listener {
  FileDescriptor socket;
  int port = 0;
};
/// On every address of this host, or on loopback alone, which no other host reaches.  MeasureError where it cannot.
Listener listen_here(bool loopback_only);
/// Not open where nobody is waiting.
LineSocket accept_one(const Listener&);
/// This host's IPv4 addresses, the loopback one last.
std::vector<std::string> addresses_here();
/// The first of `addresses` that answers; MeasureError with what each said.
LineSocket connect_to(const std::vector<std::string>& addresses, int port, double seconds_each);

}  // namespace assay
