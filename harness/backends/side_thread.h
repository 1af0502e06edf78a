// A thread that does things beside its owner, one after the other.
#pragma once
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

namespace assay {

class SideThread {
 public:
  SideThread();
  /// Waits for what is being done; what was not begun never is.
  ~SideThread();
  SideThread(const SideThread&) = delete;
  SideThread& operator=(const SideThread&) = delete;

  /// `work` comes after all that was started before, and sees what the caller has written.
  void start(std::function<void()> work);
  /// Until everything started is done; the caller sees what it wrote.  Throws the first error; what was to come after
  /// it was not begun.
  void wait();

 private:
  void serve();
  void run(std::unique_lock<std::mutex>&);

  std::mutex mutex_;
  std::condition_variable asked_, done_;
  std::deque<std::function<void()>> waiting_;
  bool working_ = false, ending_ = false;
  std::exception_ptr error_;
  std::thread thread_;  // last: it uses the members above
};

}  // namespace assay
